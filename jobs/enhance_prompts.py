"""accepted prompts -> enhanced_prompts: one row per (prompt, enhancer), the longer text with its screens."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.launch import Context, main
from jobs.prompt_screens import enhancer, recipe_screens
from jobs.published_policy import check_published
from jobs.waves import answered, run_waves, work_left
from schemas.tables import STRATUM
from udfs.enhanced_texts import COLUMNS, EnhancedTexts
from udfs.harness import Stage
from udfs.ids import canonical, content_id
from udfs.screens import SAID
from udfs.versions import library_versions

ROW = ("prompt_id", "text", *STRATUM, "writer", "atoms")


def run(context: Context) -> None:
    recipe = context.recipe
    texts = EnhancedTexts(enhancer(recipe), recipe_screens(recipe))
    parameters = texts.enhancer.parameters | {
        "taxonomy": content_id(recipe.labels.model_dump(mode="json")),
        "screens": texts.screens.model,
    }
    accepted = context.view("accepted_prompts").select("prompt_id")
    inputs = context.lakehouse.read("prompts").where("status = 'ok'").select(*ROW).join(accepted, "prompt_id")
    own = F.col("model") == texts.model
    done = context.lakehouse.read("enhanced_prompts").where(own)
    others = with_other_screens(done, texts.screens.model)
    if context.retry == "stale":
        todo = inputs.join(others, "prompt_id", "left_semi").withColumn("tried", F.lit(0))
    else:
        todo = work_left(inputs, done, ["prompt_id"], context.retry)
    run_waves(
        context,
        "enhanced_prompts",
        with_made(todo, done) if context.retry else todo,
        lambda wave: enhanced(wave, texts, parameters),
        order=(*STRATUM, "prompt_id"),
        noun="prompts",
        alike=own,
    )
    if context.retry is None and (stale := others.count()):
        context.say(
            f"enhanced_prompts: {stale:,} texts were screened by other screens than {texts.screens.model}: the recipe, a list"
            " or a model changed since. Their scores count until --retry stale screens them again; the texts stay."
        )


def with_made(todo: DataFrame, done: DataFrame) -> DataFrame:
    """With the text that is there already, and what judges said of it: only its screens are wanted."""
    made = F.max_by(F.struct("text", "atoms", F.struct(*SAID).alias("said")), "created_at").alias("made")
    return todo.join(done.where("text is not null").groupBy("prompt_id").agg(made), "prompt_id", "left")


def with_other_screens(done: DataFrame, screener: str) -> DataFrame:
    """The prompts whose text has other screens than those of today; its newest row counts."""
    screens = F.max_by(F.get_json_object("parameters", "$.screens"), "created_at").alias("screens")
    newest = done.where("status = 'ok'").groupBy("prompt_id").agg(screens)
    return newest.where(F.col("screens") != screener).select("prompt_id")


def enhanced(wave: DataFrame, texts: EnhancedTexts, parameters: dict[str, Any]) -> DataFrame:
    """prompts -> rows of enhanced_prompts; the enhancer and the screens run here, in one operator."""
    stage = Stage(texts, (("prompt_id", pa.string()),), COLUMNS)
    constants = {
        "model": F.lit(texts.model),
        "parameters": F.lit(canonical(parameters)),
        "library_versions": F.lit(library_versions("py3langid", "torch", "transformers")),
        "licence": F.lit(texts.enhancer.licence),
    }
    return (
        answered(wave, stage)
        .withColumns(constants)
        .select(
            "prompt_id",
            *(name for name, _ in COLUMNS),
            *("status", "error_class", "error_message", "device", "seconds"),
            *constants,
        )
    )


if __name__ == "__main__":
    main(run, plan=True, retry=("errors", "stale"), check=check_published)
