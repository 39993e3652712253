"""The offline grammar over fine_t2i: prompts a second on one core, and the share that de-duplication keeps."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark.sql import SparkSession

from bench.deduplication import Bench
from conf.recipe import load_recipe
from udfs.allotment import Cell, allotted
from udfs.writers import GrammarWriter
from udfs.written_prompts import PROMPT, WrittenPrompts

PROMPTS = 50_000
_READ = ("text", "atoms", "task", "category", "style")


def speed() -> float:
    """Prompts a second of this process's CPU time, over a plan of PROMPTS."""
    writer, plan = _writer_and_plan()
    next(_prompts(writer, plan))
    started = time.process_time()
    written = sum(1 for _ in _prompts(writer, plan))
    assert written == PROMPTS
    return written / (time.process_time() - started)


def survival(spark: SparkSession) -> dict[bool, float]:
    """guard -> the share that is kept of a plan of PROMPTS, by the steps of the job and the recipe's rules."""
    prompts = list(_prompts(*_writer_and_plan()))
    random.Random(0).shuffle(prompts)  # the order of precedence is that of the ids, which are hashes
    schema = pa.schema([PROMPT.field(name) for name in _READ])
    rules = load_recipe("conf/fine_t2i.yaml").deduplication
    kept: dict[bool, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(spark, Path(folder) / "prompts")
        bench.fill(pa.Table.from_pylist([{name: each[name] for name in _READ} for each in prompts], schema=schema))
        bench.embed()
        for guard in (True, False):
            table = Path(folder) / str(guard)
            bench.compare(rules.model_copy(update={"guard": guard}), table)
            kept[guard] = 1 - len(bench.pairs(table)) / PROMPTS
    return kept


def _writer_and_plan() -> tuple[WrittenPrompts, dict[Cell, int]]:
    taxonomy = load_recipe("conf/fine_t2i.yaml").labels
    writer = WrittenPrompts(GrammarWriter(taxonomy))
    return writer, allotted(taxonomy, {writer.model: 1.0}, PROMPTS)


def _prompts(writer: WrittenPrompts, plan: dict[Cell, int]) -> Iterator[dict[str, Any]]:
    for (_, *labels), count in plan.items():
        task, category, style, template = labels
        yield from writer.prompts(task, category, style, template, count)
