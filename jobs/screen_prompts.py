"""kept prompts -> prompt_scores: one row per (prompt, screens), what the screens say of its text, or the error."""

from __future__ import annotations

import pyarrow as pa
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from conf.scores import SCORES
from jobs.launch import Context, main
from jobs.prompt_screens import recipe_screens
from jobs.waves import answered, run_waves, work_left
from schemas.tables import STRATUM
from udfs.atoms import ARROW
from udfs.harness import Stage
from udfs.screens import COLUMNS, SAID, Screens

ROW = (
    ("prompt_id", pa.string()),
    ("text", pa.string()),
    ("task", pa.string()),
    ("category", pa.string()),
    ("style", pa.string()),
    ("atoms", ARROW),
)


def run(context: Context) -> None:
    screens = recipe_screens(context.recipe)
    _say_what_no_gate_reads(context)
    read = context.lakehouse.read
    kept = read("prompt_duplicates").where("kept_id = prompt_id").select("prompt_id")
    prompts = read("prompts").where("status = 'ok'").select(*(name for name, _ in ROW)).join(kept, "prompt_id")
    own = F.col("screener") == screens.model
    done, others = read("prompt_scores"), with_other_screens(read("prompt_scores"), screens.model)
    if context.retry == "stale":
        prompts, done = prompts.join(others, "prompt_id", "left_semi"), done.where(own)
    elif context.retry == "errors":
        done = done.where(own).unionByName(never_answered(done).where(~own))
    run_waves(
        context,
        "prompt_scores",
        work_left(prompts, done, ["prompt_id"], context.retry),
        lambda wave: screened(wave, read("prompt_duplicates"), read("prompt_scores"), screens),
        order=(*STRATUM, "prompt_id"),
        noun="prompts",
        alike=own,
    )
    if context.retry is None and (stale := others.count()):
        context.say(
            f"prompt_scores: {stale:,} prompts were screened by other screens than {screens.model}: the recipe, a list or a"
            " model changed since. Their scores count until --retry stale screens them again,"
            " and --retry errors where that fails."
        )


def _say_what_no_gate_reads(context: Context) -> None:
    gates = {threshold.gate for threshold in context.recipe.gates.thresholds}
    for judge in context.recipe.screen.judges:
        scores = [name for name, score in SCORES.items() if score.scorer == judge]
        if not gates.intersection(scores):
            context.say(
                f"prompt_scores: what {judge} answers rejects nothing: the policy {context.recipe.gates.name} has no gate for"
                f" {', '.join(scores)}."
            )


def with_other_screens(scores: DataFrame, screener: str) -> DataFrame:
    """The prompts whose newest answer is that of other screens."""
    newest = Window.partitionBy("prompt_id").orderBy(F.desc("created_at"), F.desc("screener"))
    rows = scores.where("status = 'ok'").withColumn("place", F.row_number().over(newest))
    return rows.where((F.col("place") == 1) & (F.col("screener") != screener)).select("prompt_id")


def never_answered(scores: DataFrame) -> DataFrame:
    """The rows of prompts that no screens have answered."""
    return scores.join(scores.where("status = 'ok'").select("prompt_id").distinct(), "prompt_id", "left_anti")


def screened(wave: DataFrame, compared: DataFrame, scores: DataFrame, screens: Screens) -> DataFrame:
    """prompts -> rows of prompt_scores; the embedding that de-duplication made, and what judges said before, are used again."""
    vectors = compared.where(F.col("model") == screens.embedder.model).select("prompt_id", "embedding")
    rows = wave.join(vectors, "prompt_id", "left")
    if screens.judges:
        said = F.max_by(F.struct(*SAID), "created_at").alias("said")
        rows = rows.join(scores.where("questions is not null").groupBy("prompt_id").agg(said), "prompt_id", "left")
    return answered(rows, Stage(screens, ROW[:1], COLUMNS)).select(
        "prompt_id",
        *(name for name, _ in COLUMNS),
        *("status", "error_class", "error_message"),
        F.lit(screens.model).alias("screener"),
        *("device", "seconds"),
    )


if __name__ == "__main__":
    main(run, plan=True, retry=("errors", "stale"))
