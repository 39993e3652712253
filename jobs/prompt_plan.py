"""The plan of the prompts: how many each writer is asked for in each cell, kept in prompt_plan, and what a cell lacks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from conf.recipe import GRAMMAR, Recipe
from jobs.launch import Context
from jobs.lock import table_lock
from jobs.specs import chat_spec
from udfs.allotment import Cell, allotted, to_add
from udfs.chat import Chat
from udfs.writers import GrammarWriter
from udfs.written_prompts import CELL, WrittenPrompts

COLUMNS = ("writer", *CELL)


def grammar(recipe: Recipe) -> WrittenPrompts:
    return WrittenPrompts(GrammarWriter(recipe.labels, recipe.seed))


def chats(recipe: Recipe) -> dict[str, Chat]:
    """The recipe's entry -> its spec, for every language model among the writers."""
    names = [writer.name for writer in recipe.prompts.writers if writer.name != GRAMMAR]
    return {name: chat_spec(recipe.language_model(name)) for name in names}


def planned(recipe: Recipe) -> dict[Cell, int]:
    """The plan; a writer stands in it by its name@revision, as in the rows that it makes."""
    models = {name: spec.model for name, spec in chats(recipe).items()} | {GRAMMAR: grammar(recipe).model}
    weights = {models[writer.name]: writer.weight for writer in recipe.prompts.writers}
    return allotted(recipe.labels, weights, recipe.prompts.written)


def keep(context: Context, plan: Mapping[Cell, int]) -> None:
    """Replace the table if it says something else; with --plan only say the plan in short."""
    if context.plan:
        sums: Counter[str] = Counter()
        for cell, asked in plan.items():
            sums[cell[0]] += asked
        said = "; ".join(f"{writer} {asked:,}" for writer, asked in sorted(sums.items()))
        context.say(f"prompt_plan: {sum(plan.values()):,} prompts in {len(plan):,} cells{': ' if said else ''}{said}")
        return
    with table_lock(context, "prompt_plan"):
        rows = context.lakehouse.read("prompt_plan").select(*COLUMNS, "asked").collect()
        if {tuple(row[:-1]): row["asked"] for row in rows} == dict(plan):
            return
        cells = [dict(zip(COLUMNS, cell, strict=True)) | {"asked": asked} for cell, asked in plan.items()]
        context.lakehouse.replace("prompt_plan", context.lakehouse.rows("prompt_plan", cells, context.run_id))


def of_writer(plan: Mapping[Cell, int], writer: str) -> dict[Cell, int]:
    return {cell: asked for cell, asked in plan.items() if cell[0] == writer}


def counts(prompts: DataFrame) -> dict[Cell, int]:
    """Prompts in each cell, whatever their status: what was asked for is not asked for again."""
    rows = prompts.where("template is not null").groupBy(*COLUMNS).agg(F.countDistinct("prompt_id")).collect()
    return {(row[0], row[1], row[2], row[3], row[4]): row[5] for row in rows}


def wanted(context: Context, targets: Mapping[Cell, int], present: Mapping[Cell, int]) -> DataFrame | None:
    """The cells of one writer that lack prompts, with how many each is to have then, and how many more these are; None
    where none lacks any.
    """
    more = to_add(targets, present, sum(targets.values()))
    return _cells(context, {cell: (present.get(cell, 0) + count, count) for cell, count in more.items()})


def numbered(context: Context, targets: Mapping[Cell, int], present: Mapping[Cell, int]) -> DataFrame | None:
    """The cells of one writer that prompts were asked for in, with all the numbers that may have been given there. Those
    that the taxonomy no longer has are left out, and said.
    """
    labels = context.recipe.labels
    slugs = [
        {label.slug for label in axis} for axis in (labels.tasks, labels.categories, labels.styles, labels.templates)
    ]
    known = {cell: n for cell, n in present.items() if all(s in of for s, of in zip(cell[1:], slugs, strict=True))}
    if gone := len(present) - len(known):
        context.say(
            f"prompts: {gone:,} cells of {min(present)[0]} are not in the taxonomy any more and are left as they are"
        )
    numbers = {cell: max(count, targets.get(cell, 0)) for cell, count in known.items()}
    return _cells(context, {cell: (count, count) for cell, count in numbers.items()})


def at_most(requests: DataFrame, cells: DataFrame) -> DataFrame:
    """No more requests of a cell than it lacks: under another seed each number of a cell is another prompt."""
    place = F.row_number().over(Window.partitionBy(*CELL).orderBy("prompt_id"))
    rows = requests.join(F.broadcast(cells.select(*CELL, "more")), [*CELL]).withColumn("_place", place)
    return rows.where(F.col("_place") <= F.col("more")).drop("_place", "more")


def _cells(context: Context, wanted: Mapping[Cell, tuple[int, int]]) -> DataFrame | None:
    if not wanted:
        return None
    rows = [(*cell[1:], *counts) for cell, counts in wanted.items()]
    columns = ", ".join(f"{name} string" for name in CELL) + ", wanted int, more int"
    frame = context.spark.createDataFrame(rows, columns)
    return frame.repartition(4 * context.spark.sparkContext.defaultParallelism)
