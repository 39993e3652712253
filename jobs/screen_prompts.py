"""kept prompts -> prompt_scores: one row per prompt, what the cheap screens say of its text."""

from __future__ import annotations

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.launch import Context, main
from jobs.prompt_screens import recipe_screens
from jobs.waves import answered, run_waves
from schemas.tables import STRATUM
from udfs.atoms import ARROW
from udfs.harness import Stage
from udfs.screens import COLUMNS, Screens

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
    read = context.lakehouse.read
    kept = read("prompt_duplicates").where("kept_id = prompt_id").select("prompt_id")
    prompts = read("prompts").where("status = 'ok'").select(*(name for name, _ in ROW))
    todo = context.lakehouse.missing(prompts.join(kept, "prompt_id"), "prompt_scores")
    run_waves(
        context,
        "prompt_scores",
        todo,
        lambda wave: screened(wave, read("prompt_duplicates"), screens),
        order=(*STRATUM, "prompt_id"),
        noun="prompts",
    )


def screened(wave: DataFrame, compared: DataFrame, screens: Screens) -> DataFrame:
    """prompts -> rows of prompt_scores; the embedding that de-duplication made is used again."""
    vectors = compared.where(F.col("model") == screens.embedder.model).select("prompt_id", "embedding")
    stage = Stage(screens, ROW[:1], COLUMNS)
    answers = answered(wave.join(vectors, "prompt_id", "left"), stage)
    refusal = F.concat(F.lit("prompt "), "prompt_id", F.lit(" could not be screened: "), "error_message")
    checked = F.when(F.col("status") == "error", F.raise_error(refusal)).otherwise(F.col("prompt_id"))
    return answers.select(
        checked.alias("prompt_id"), *(name for name, _ in COLUMNS), F.lit(screens.model).alias("screener"), "seconds"
    )


if __name__ == "__main__":
    main(run, plan=True)
