"""taxonomy and files -> prompts: one row per prompt, as it was written or brought."""

from __future__ import annotations

from functools import reduce

import pyarrow as pa
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from conf.paths import resolve
from jobs.launch import Context, JobError, main
from jobs.waves import run_waves
from udfs.allotment import Stratum, allotted, to_add
from udfs.prompt_files import BroughtPrompts, PromptFileError
from udfs.writers import GrammarWriter
from udfs.written_prompts import PROMPT, WrittenPrompts

ORDER = ("task", "category", "style", "prompt_id")
_LISTED = 5


def run(context: Context) -> None:
    recipe = context.recipe
    writer = WrittenPrompts(GrammarWriter(recipe.labels, recipe.seed))
    targets = allotted(recipe.labels, recipe.prompts.written)
    frames = [*_written(context, writer, targets), *_brought(context)]
    if not frames:
        context.say("prompts: nothing to do")
        return
    todo = context.lakehouse.missing(first_of_each(frames), "prompts")
    run_waves(context, "prompts", todo, prompts, order=ORDER, noun="prompts")
    if not context.plan:
        _say_what_is_short(context, targets, written_counts(context.lakehouse.read("prompts"), writer.model))


def prompts(wave: DataFrame) -> DataFrame:
    """The wave is whole already: a grammar prompt costs less than a task."""
    return wave.select(*PROMPT.names)


def first_of_each(frames: list[DataFrame]) -> DataFrame:
    """All frames, each prompt_id once; where several hold it, the first of them does."""
    numbered = [frame.withColumn("_frame", F.lit(number)) for number, frame in enumerate(frames)]
    window = Window.partitionBy("prompt_id").orderBy("_frame", "source", "writer")
    every = reduce(DataFrame.unionByName, numbered).withColumn("_place", F.row_number().over(window))
    return every.where("_place = 1").select(*PROMPT.names)


def written_counts(prompts: DataFrame, writer: str) -> dict[Stratum, int]:
    """Prompts of this writer in each stratum."""
    rows = prompts.where(F.col("writer") == writer).groupBy("task", "category", "style").count().collect()
    return {(row["task"], row["category"], row["style"]): row["count"] for row in rows}


def _written(context: Context, writer: WrittenPrompts, targets: dict[Stratum, int]) -> list[DataFrame]:
    """The prompts that the strata lack; none where they lack none: no worker starts for nothing."""
    present = written_counts(context.lakehouse.read("prompts"), writer.model)
    more = to_add(targets, present, context.recipe.prompts.written)
    if not more:
        return []
    rows = [(*stratum, present.get(stratum, 0) + count) for stratum, count in more.items()]
    strata = context.spark.createDataFrame(rows, "task string, category string, style string, wanted int")
    tasks = context.spark.sparkContext.defaultParallelism
    return [strata.repartition(4 * tasks).mapInArrow(writer, schema=from_arrow_schema(PROMPT))]


def _brought(context: Context) -> list[DataFrame]:
    frames = []
    for file in context.recipe.prompts.files:
        reader = BroughtPrompts(resolve(file.path), file.path, file.source, context.recipe.labels)
        try:
            rows = pa.Table.from_pylist(list(reader.rows()), schema=PROMPT)
        except PromptFileError as error:
            raise JobError(str(error)) from None
        frames.append(context.spark.createDataFrame(rows, schema=from_arrow_schema(PROMPT)))
    return frames


def _say_what_is_short(context: Context, targets: dict[Stratum, int], present: dict[Stratum, int]) -> None:
    short = {
        stratum: (present.get(stratum, 0), count)
        for stratum, count in targets.items()
        if present.get(stratum, 0) < count
    }
    missing = context.recipe.prompts.written - sum(present.values())
    if not short or missing <= 0:
        return
    listed = "; ".join(
        f"{' / '.join(stratum)} {have} of {want}" for stratum, (have, want) in list(short.items())[:_LISTED]
    )
    more = f"; {len(short) - _LISTED} more" if len(short) > _LISTED else ""
    context.say(
        f"prompts: the grammar has no more to say in {len(short)} strata"
        f" ({missing:,} prompts fewer than asked for): {listed}{more}"
    )


if __name__ == "__main__":
    main(run, plan=True)
