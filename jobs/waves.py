"""Waves: the unit of commit and of restart. Small rows in order, cut by the measured rate, each wave one commit with
its progress line.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame, Observation
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from jobs.endings import JobError
from jobs.launch import Context
from jobs.lock import table_lock
from jobs.session import task_slots
from schemas.delta import with_run
from schemas.tables import STRATUM, TABLES
from udfs.captioners import NoCaptionError
from udfs.chat import CutOffError, EmptyAnswerError, FilteredError, JsonAnswerError, RefusedError, ResidueError
from udfs.harness import Stage
from udfs.text_judges import VerdictError

STRATUM_ORDER = (*STRATUM, "image_id")
_PROBE_ROWS_A_TASK = 32  # the first wave of a table without history: enough to fill batches, over in seconds
_BESIDE_THE_MODEL = 4  # a row may take this many times its model's seconds (decoding, writing) before waves get smaller
_WAVES_A_WINDOW = 50
MIN_ROWS_FOR_CEILING = 20  # a few say little
# Answers of a language model that cannot be used, and files that people brought. They are expected and nobody can mend them
# here, so they have a ceiling of their own.
_UNUSABLE = [
    error.__name__
    for error in (
        CutOffError, EmptyAnswerError, FilteredError, JsonAnswerError, RefusedError, ResidueError, VerdictError, NoCaptionError
    )
]  # fmt: skip
_OF_FILES = "photos"  # its errors are all of that kind
_MAX_UNUSABLE_FRACTION = 0.5
_STRATA_SHOWN = 50  # of a plan
_PARTITION_BITS = 33  # monotonically_increasing_id: the partition above, the row in it below


@dataclass
class Progress:
    """Counts of a run so far and its rate."""

    total: int
    noun: str
    done: int = 0
    errors: int = 0
    unusable: int = 0  # of the errors
    started: float = 0.0

    @property
    def rate(self) -> float:
        """Rows a second, the whole run's; 0 before the first wave."""
        elapsed = time.monotonic() - self.started
        return self.done / elapsed if self.done else 0.0

    def line(self, table: str) -> str:
        left = (self.total - self.done) / self.rate if self.rate else 0
        failed = f", {self.errors:,} errors" if self.errors else ""
        return f"  {table}: {self.done:,} of {self.total:,} {self.noun}, {self.rate:.1f} a second, {duration(left)} left{failed}"


def run_waves(
    context: Context,
    table: str,
    todo: DataFrame,
    transform: Callable[[DataFrame], DataFrame],
    order: Sequence[str] = STRATUM_ORDER,
    noun: str = "pictures",
    alike: Column | None = None,
) -> None:
    """Transform and append `todo` (small rows, no bytes) wave by wave; with --plan only say what there is to do.

    todo: with a column `tried`, what failed least often comes first: rows that fail each time must not stop the others at the
    ceiling for ever.
    transform: a wave's rows -> rows of `table` without wave, run_id and created_at. alike: which rows of the table are of
    the same model, so that their seconds say how long these will take; all of them if None.
    Raises JobError when more than recipe.run.max_error_fraction of the rows are errors, or more than a half unusable answers
    of a language model or files; the committed waves stay.
    """
    order = ("tried", *order) if "tried" in todo.columns else order
    alike = F.lit(True) if alike is None else alike
    seconds = partial(_mean_seconds, context, table, alike)
    if context.plan:
        rows, total = numbered(todo, order)
        _say_plan(context, table, rows, total, noun, seconds(), alike)
        return
    with table_lock(context, table):
        rows, total = numbered(todo, order)
        if total == 0:
            context.say(f"{table}: nothing to do")
        else:
            _run(context, table, rows, Progress(total, noun), transform, seconds())


def work_left(inputs: DataFrame, done: DataFrame, key: Sequence[str], retry: str | None) -> DataFrame:
    """The inputs without a row in `done`; with retry 'errors' those whose rows there are errors only. tried: how often each
    was an error before.
    """
    if retry == "errors":
        good = done.where("status = 'ok'").select(*key)
        failed = done.where("status = 'error'").join(good, [*key], "left_anti")
        return inputs.join(failed.groupBy(*key).agg(F.count(F.lit(1)).alias("tried")), [*key])
    return inputs.join(done.select(*key), [*key], "left_anti").withColumn("tried", F.lit(0))


def answered(rows: DataFrame, stage: Stage) -> DataFrame:
    """rows -> the stage's answers; its model runs here."""
    return rows.mapInArrow(stage, schema=from_arrow_schema(stage.schema))


def numbered(todo: DataFrame, order: Sequence[str]) -> tuple[DataFrame, int]:
    """The rows, stored once, with `_n` = 0, 1, ... in `order`; and how many they are. Counts go to the driver, rows
    never do.
    """
    # Checkpoints and not caches: an append to a table that `todo` was compared with invalidates a cache, and the
    # numbers would move. Two of them: to sort, Spark samples the rows first, which would compute them twice.
    found = todo.localCheckpoint(storageLevel=StorageLevel.DISK_ONLY)
    if found.isEmpty():
        return found.withColumn("_n", F.lit(0)), 0
    keyed = (
        found.orderBy(*order)
        .withColumn("_id", F.monotonically_increasing_id())
        .localCheckpoint(storageLevel=StorageLevel.DISK_ONLY)
    )
    partition = F.shiftright("_id", _PARTITION_BITS).cast("int")
    counts = sorted((row["p"], row["count"]) for row in keyed.groupBy(partition.alias("p")).count().collect())
    offsets, total = {}, 0
    for number, count in counts:
        offsets[number] = total
        total += count
    within = F.col("_id").bitwiseAND((1 << _PARTITION_BITS) - 1)
    start = F.create_map(*[F.lit(x) for pair in offsets.items() for x in pair])[partition] if offsets else F.lit(0)
    return keyed.withColumn("_n", start + within).drop("_id"), total


def _run(
    context: Context,
    table: str,
    rows: DataFrame,
    progress: Progress,
    transform: Callable[[DataFrame], DataFrame],
    seconds: float | None,
) -> None:
    tasks = task_slots(context.spark)
    size = _first_wave(context, seconds, tasks)
    progress.started = time.monotonic()
    wave, window, covered = 0, rows, 0
    while progress.done < progress.total:
        rest = progress.total - progress.done
        end = progress.total if rest < 1.5 * size else progress.done + size  # a last wave of a few rows costs a commit
        if end > covered:
            # A wave reads its rows several times; of a million that would take seconds each.
            covered = min(progress.total, progress.done + _WAVES_A_WINDOW * size)
            window = _between(rows, progress.done, covered)
            if covered - progress.done < progress.total:
                window = window.localCheckpoint(storageLevel=StorageLevel.DISK_ONLY)
        part = _between(window, progress.done, end)
        errors, unusable, seconds = _commit(context, table, transform(spread(part, tasks)), wave)
        progress.done, progress.errors, wave = end, progress.errors + errors, wave + 1
        progress.unusable += unusable
        context.say(progress.line(table))
        _check_ceiling(context, table, progress)
        size = _next_wave(context.recipe.run.wave_seconds, size, progress.rate, seconds, tasks)
    version = context.lakehouse.version(table)
    ok = progress.total - progress.errors
    context.say(f"{table}: {ok:,} {progress.noun} ok, {progress.errors:,} errors; table version {version}")


def _between(rows: DataFrame, start: int, end: int) -> DataFrame:
    return rows.where(F.col("_n").between(start, end - 1))


def spread(rows: DataFrame, tasks: int) -> DataFrame:
    """A wave over the tasks, each a contiguous stretch of the order: balanced work, few files a stratum."""
    return rows.repartitionByRange(tasks, "_n").drop("_n")


def _next_wave(wanted: float, size: int, rate: float, seconds: float | None, tasks: int) -> int:
    """Rows of the next wave: `wanted` seconds of the model's own time, not of the run's: planning and committing a wave
    costs seconds whatever its size, and waves that count them get smaller and smaller where they are most of a wave.

    rate: the run's, rows a second. seconds: the model's a row and task; where the table has none, waves only grow.
    """
    by_rate = rate * wanted
    if seconds is None:
        return max(tasks, size, round(by_rate))
    by_model = tasks * wanted / seconds if seconds else math.inf
    return max(tasks, round(min(by_model, _BESIDE_THE_MODEL * by_rate)))


def _commit(context: Context, table: str, frame: DataFrame, wave: int) -> tuple[int, int, float | None]:
    """Append one wave; how many of its rows are errors, how many of these are unusable answers, and the mean of `seconds`.
    All are taken while writing: no model runs twice.
    """
    if "wave" in TABLES[table].column_names:
        frame = frame.withColumn("wave", F.lit(wave))
    counts = Observation()
    is_error = is_unusable = F.lit(False)
    if "status" in frame.columns:
        is_error = F.col("status") == "error"
        is_unusable = is_error & (F.lit(table == _OF_FILES) | F.col("error_class").isin(_UNUSABLE))
    seconds = F.avg("seconds") if "seconds" in frame.columns else F.lit(None).cast("double")
    seen = with_run(frame, context.run_id).observe(
        counts,
        F.count_if(is_error).alias("errors"),
        F.count_if(is_unusable).alias("unusable"),
        seconds.alias("seconds"),
    )
    context.lakehouse.append(table, seen)
    return int(counts.get["errors"]), int(counts.get["unusable"]), counts.get["seconds"]


def _first_wave(context: Context, seconds: float | None, tasks: int) -> int:
    return (
        max(tasks, round(tasks * context.recipe.run.wave_seconds / seconds)) if seconds else tasks * _PROBE_ROWS_A_TASK
    )


def _mean_seconds(context: Context, table: str, alike: Column) -> float | None:
    """Seconds a row of earlier runs, one task: the measured rate. None without history."""
    if "seconds" not in TABLES[table].column_names:
        return None
    rows = context.lakehouse.read(table).where(alike)
    if "status" in TABLES[table].column_names:
        rows = rows.where("status = 'ok'")
    return rows.agg(F.avg("seconds")).collect()[0][0]


def _check_ceiling(context: Context, table: str, progress: Progress) -> None:
    if progress.done < MIN_ROWS_FOR_CEILING:
        return
    ceiling = context.recipe.run.max_error_fraction
    failed, why = progress.errors - progress.unusable, f"run.max_error_fraction = {ceiling:g} allows"
    if failed <= ceiling * progress.done:
        ceiling = max(ceiling, _MAX_UNUSABLE_FRACTION)
        failed, why = progress.unusable, f"the {ceiling:.0%} of unusable answers or files that are tolerated"
    if failed > ceiling * progress.done:
        raise JobError(
            f"{table}: {failed:,} of {progress.done:,} {progress.noun} are errors, more than {why}."
            f" See why: {context.sql_command('select error_class, error_message, count(*) from errors group by all')}."
            " Mend it and run this again with --retry errors, then once more without it for the rest."
        )


def _say_plan(
    context: Context, table: str, rows: DataFrame, total: int, noun: str, seconds: float | None, alike: Column
) -> None:
    failed = 0
    if "status" in TABLES[table].column_names:
        own, key = context.lakehouse.read(table).where(alike), TABLES[table].key
        good = own.where("status = 'ok'").select(*key)
        failed = own.where("status = 'error'").select(*key).distinct().join(good, [*key], "left_anti").count()
    context.say(f"{table}: {total:,} {noun} to do, {failed:,} failed before")
    if seconds and total:
        tasks = task_slots(context.spark)
        hours = total * seconds / 3600
        context.say(
            f"  measured {seconds:.3f} s each: {hours:.2f} device-hours, about {duration(total * seconds / tasks)} on {tasks} task slots"
        )
    elif total:
        context.say("  no rate measured yet: the first wave will measure it")
    strata = [name for name in STRATUM if name in rows.columns]
    if strata and total:
        counts = rows.groupBy(*strata).count().orderBy(F.desc("count"), *strata).collect()
        for row in counts[:_STRATA_SHOWN]:
            context.say(f"  {row['count']:>8,}  {' / '.join(row[name] for name in strata)}")
        if len(counts) > _STRATA_SHOWN:
            rest = sum(row["count"] for row in counts[_STRATA_SHOWN:])
            context.say(f"  {rest:>8,}  in {len(counts) - _STRATA_SHOWN:,} more strata")


def duration(seconds: float) -> str:
    """'45 s', '12 min', '3.5 h'."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"
