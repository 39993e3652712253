"""taxonomy, language models and files -> prompts: one row per prompt, as it was written or brought, or an error."""

from __future__ import annotations

from functools import reduce

import pyarrow as pa
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from conf.instruction import load_instruction
from conf.paths import resolve
from conf.recipe import GRAMMAR
from jobs import prompt_plan
from jobs.launch import Context, main
from jobs.waves import answered, run_waves, work_left
from schemas.tables import TABLES
from udfs.allotment import Cell
from udfs.chat import Chat
from udfs.harness import Stage
from udfs.ids import canonical, content_id
from udfs.language_writer import COLUMNS, LanguageWriter
from udfs.prompt_files import BroughtPrompts
from udfs.prompt_requests import REQUEST, PromptRequests
from udfs.versions import library_versions
from udfs.written_prompts import PROMPT

ORDER = ("task", "category", "style", "prompt_id")
_KEEP = (*((field.name, field.type) for field in REQUEST), ("seed", pa.int64()))
_LISTED = 5


def run(context: Context) -> None:
    plan = prompt_plan.planned(context.recipe)
    prompt_plan.keep(context, plan)
    if context.retry is None:
        _without_a_model(context, plan)
    for name, chat in prompt_plan.chats(context.recipe).items():
        _by_a_model(context, name, chat, plan)


def _without_a_model(context: Context, plan: dict[Cell, int]) -> None:
    """The grammar's prompts and those that were brought: one loop of waves, since several may hold the same prompt."""
    frames = [*_written(context, plan), *_brought(context)]
    if frames:
        todo = context.lakehouse.missing(first_of_each(frames), "prompts")
        own = F.col("seconds").isNull()
        run_waves(context, "prompts", todo, offline, order=ORDER, noun="prompts", alike=own)
    elif len(context.recipe.prompts.writers) == 1:
        context.say("prompts: nothing to do")
    if not context.plan:
        _say_what_is_short(context, plan)


def _by_a_model(context: Context, name: str, chat: Chat, plan: dict[Cell, int]) -> None:
    """The prompts that one language model is asked for. What is in the table, answer or error, is not asked again, whatever
    it was asked with; with --retry errors those that are errors are, in today's words, each with the next seed.
    """
    entry = context.recipe.language_model(name)
    instruction = load_instruction(context.recipe.prompts.instruction)
    parameters = canonical(chat.parameters | {"instruction": content_id(instruction.model_dump(mode="json"))[:12]})
    done = context.lakehouse.read("prompts").where(F.col("writer") == chat.model)
    own = (F.col("writer") == chat.model) & (F.col("parameters") == parameters)
    targets, present = prompt_plan.of_writer(plan, chat.model), prompt_plan.counts(done)
    if context.retry is None:
        _say_what_was_asked_otherwise(context, chat, done.where(~own).count())
        cells = prompt_plan.wanted(context, targets, present)
    else:
        cells = prompt_plan.numbered(context, targets, present)
    if cells is None:
        context.say(f"prompts: nothing to do for {chat.model}")
        return
    requests = PromptRequests(context.recipe.labels, instruction, chat.model, context.recipe.seed)
    asked = cells.mapInArrow(requests, schema=from_arrow_schema(REQUEST))
    todo = prompt_plan.at_most(work_left(asked, done, ["prompt_id"], context.retry), cells)
    constants = {
        "source": entry.model,
        "writer": chat.model,
        "parameters": parameters,
        "library_versions": library_versions("jsonschema", "json-repair", "openai", "torch", "transformers"),
        "licence": entry.licence,
    }
    run_waves(
        context,
        "prompts",
        with_seeds(todo, done),
        lambda wave: answers(wave, chat, constants),
        order=ORDER,
        noun="prompts",
        alike=own,
    )


def _say_what_was_asked_otherwise(context: Context, chat: Chat, prompts: int) -> None:
    if prompts:
        context.say(
            f"prompts: {prompts:,} answers of {chat.model} were asked for with other parameters or another instruction than"
            " the recipe's. They count; give the language model another revision to ask for all of them anew."
        )


def offline(wave: DataFrame) -> DataFrame:
    """The wave is whole already: a grammar prompt costs less than a task."""
    rows = wave.withColumn("status", F.lit("ok"))
    return _whole(rows.select(*PROMPT.names, "status"))


def answers(requests: DataFrame, chat: Chat, constants: dict[str, str]) -> DataFrame:
    """requests -> rows of prompts; the language model is asked here."""
    rows = answered(requests, Stage(LanguageWriter(chat), _KEEP, COLUMNS))
    return _whole(rows.withColumns({name: F.lit(value) for name, value in constants.items()}))


def with_seeds(requests: DataFrame, done: DataFrame) -> DataFrame:
    """Each request with the seed of its draws: from its id and how often it was tried, so that a second try differs."""
    tried = done.groupBy("prompt_id").agg(F.count(F.lit(1)).alias("_tried"))
    digest = "sha2(concat(prompt_id, '/', coalesce(_tried, 0)), 256)"
    seed = F.expr(f"cast(conv(substring({digest}, 1, 7), 16, 10) as bigint)")
    return requests.join(tried, "prompt_id", "left").withColumn("seed", seed).drop("_tried")


def first_of_each(frames: list[DataFrame]) -> DataFrame:
    """All frames, each prompt_id once; where several hold it, the first of them does."""
    numbered = [frame.withColumn("_frame", F.lit(number)) for number, frame in enumerate(frames)]
    window = Window.partitionBy("prompt_id").orderBy("_frame", "source", "writer")
    every = reduce(DataFrame.unionByName, numbered).withColumn("_place", F.row_number().over(window))
    return every.where("_place = 1").select(*PROMPT.names)


def _whole(rows: DataFrame) -> DataFrame:
    """The rows with every column of prompts but run_id and created_at; null where they say nothing."""
    columns = [column for column in TABLES["prompts"].columns if column.name not in ("run_id", "created_at")]
    return rows.select(*(c.name if c.name in rows.columns else F.lit(None).cast(c.type).alias(c.name) for c in columns))


def _written(context: Context, plan: dict[Cell, int]) -> list[DataFrame]:
    """The grammar's prompts in the cells that lack some; none where they lack none: no worker starts for nothing."""
    writer = prompt_plan.grammar(context.recipe)
    own = context.lakehouse.read("prompts").where(F.col("writer") == writer.model)
    targets = prompt_plan.of_writer(plan, writer.model)
    cells = prompt_plan.wanted(context, targets, prompt_plan.counts(own)) if targets else None
    return [] if cells is None else [cells.mapInArrow(writer, schema=from_arrow_schema(PROMPT))]


def _brought(context: Context) -> list[DataFrame]:
    frames = []
    for file in context.recipe.prompts.files:
        reader = BroughtPrompts(resolve(file.path), file.path, file.source, context.recipe.labels)
        parts, schema = reader.parts(), from_arrow_schema(PROMPT)
        if parts == 1:
            frames.append(context.spark.createDataFrame(pa.Table.from_batches(reader.batches(), PROMPT), schema=schema))
        else:
            numbers = context.spark.range(0, parts, 1, parts)
            frames.append(numbers.mapInArrow(reader, schema=schema))
    return frames


def _say_what_is_short(context: Context, plan: dict[Cell, int]) -> None:
    """Where the grammar has fewer prompts than the plan asks for."""
    writer = prompt_plan.grammar(context.recipe).model
    targets = prompt_plan.of_writer(plan, writer)
    if not targets:
        return
    present = prompt_plan.counts(context.lakehouse.read("prompts").where(F.col("writer") == writer))
    short = {cell: (present.get(cell, 0), count) for cell, count in targets.items() if present.get(cell, 0) < count}
    missing = sum(targets.values()) - sum(present.values())
    if not short or missing <= 0:
        return
    widest = sorted(short.items(), key=lambda item: (item[1][0] - item[1][1], item[0]))[:_LISTED]
    listed = "; ".join(f"{' / '.join(cell[1:])} {have} of {want}" for cell, (have, want) in widest)
    more = f"; {len(short) - _LISTED} more" if len(short) > _LISTED else ""
    context.say(
        f"prompts: the {GRAMMAR} has no more to say in {len(short)} cells"
        f" ({missing:,} prompts fewer than asked for): {listed}{more}"
    )


if __name__ == "__main__":
    main(run, plan=True, retry=("errors",))
