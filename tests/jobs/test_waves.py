"""Waves: every row once, in order; errors above the ceiling stop; one driver a table."""

from __future__ import annotations

import multiprocessing
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from conf.recipe import Run
from jobs import lock, waves
from jobs.endings import JobError
from jobs.launch import Context
from jobs.lock import table_lock
from jobs.session import task_slots
from jobs.waves import Progress, _next_wave, duration, numbered, run_waves, work_left
from schemas.delta import Lakehouse
from tests.recipes import Killed, small_recipe


@pytest.fixture
def context(spark: SparkSession, lakehouse: Lakehouse) -> Context:
    return Context(spark, small_recipe(lakehouse, run=Run(wave_seconds=2, max_error_fraction=0.5)), lakehouse, "run1")


def captioned(status: str = "ok") -> Any:
    def transform(wave: DataFrame) -> DataFrame:
        null = F.lit(None).cast("string")
        texts = dict.fromkeys(
            (
                "short_caption",
                "long_caption",
                "error_class",
                "error_message",
                "parameters",
                "library_versions",
                "licence",
                "device",
            ),
            null,
        )
        return wave.withColumns(texts | {"status": F.lit(status), "model": F.lit("test@1"), "seconds": F.lit(0.1)})

    return transform


def test_rows_are_numbered_without_gaps_in_order(spark: SparkSession) -> None:
    rows = spark.range(0, 1000, 1, 7).select(F.sha2(F.col("id").cast("string"), 256).alias("image_id"))
    frame, total = numbered(rows, ["image_id"])
    got = [(row["_n"], row["image_id"]) for row in frame.collect()]
    assert total == 1000
    assert sorted(n for n, _ in got) == list(range(1000))
    assert [image for _, image in sorted(got)] == sorted(image for _, image in got)


@pytest.mark.parametrize("window", [1, 50])
def test_every_row_is_written_once_in_several_waves(
    context: Context, window: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waves, "_WAVES_A_WINDOW", window)
    todo = context.spark.range(100).select(F.format_string("%03d", "id").alias("image_id"))
    run_waves(context, "captions", todo, captioned(), order=["image_id"])
    table = context.lakehouse.read("captions")
    assert table.count() == table.select("image_id").distinct().count() == 100
    assert context.lakehouse.version("captions") >= 2, "the first wave measures the rate, another follows"


def test_as_many_tasks_run_at_once_as_there_are_cores(spark: SparkSession) -> None:
    assert task_slots(spark) == spark.sparkContext.defaultParallelism


def test_nothing_to_do_writes_nothing(context: Context, capsys: pytest.CaptureFixture[str]) -> None:
    todo = context.spark.range(0).select(F.col("id").cast("string").alias("image_id"))
    run_waves(context, "captions", todo, captioned(), order=["image_id"])
    assert "captions: nothing to do" in capsys.readouterr().out
    assert context.lakehouse.version("captions") == 0


def test_too_many_errors_stop_the_run_and_keep_what_was_committed(context: Context) -> None:
    todo = context.spark.range(200).select(F.format_string("%03d", "id").alias("image_id"))
    with pytest.raises(
        JobError, match=r"64 of 64 pictures are errors, more than run.max_error_fraction = 0.5 allows.*--retry errors"
    ):
        run_waves(context, "captions", todo, captioned("error"), order=["image_id"])
    assert context.lakehouse.read("captions").where("status = 'error'").count() == 64


def test_of_rows_to_retry_those_that_failed_least_often_come_first(spark: SparkSession) -> None:
    """Else rows that fail each time would stop the others at the ceiling for ever."""
    inputs = spark.createDataFrame([(name,) for name in "abcd"], "image_id string")
    rows = [("a", "error"), ("a", "error"), ("b", "error"), ("c", "error"), ("c", "ok")]
    done = spark.createDataFrame(rows, "image_id string, status string")
    todo = work_left(inputs, done, ["image_id"], "errors")
    assert sorted(map(tuple, todo.collect())) == [("a", 2), ("b", 1)]
    assert [tuple(row) for row in work_left(inputs, done, ["image_id"], None).collect()] == [("d", 0)]


def test_a_wave_takes_first_what_failed_least_often(context: Context) -> None:
    todo = context.spark.range(200).selectExpr("format_string('%03d', id) image_id", "if(id < 100, 2, 1) tried")
    with pytest.raises(JobError):
        run_waves(context, "captions", todo, captioned("error"), order=["image_id"])
    assert context.lakehouse.read("captions").where("image_id < '100'").isEmpty()


@pytest.mark.parametrize(("unusable", "stops"), [("image_id % 2 = 0", False), ("image_id % 3 > 0", True)])
def test_answers_of_no_use_have_a_ceiling_of_their_own(context: Context, unusable: str, stops: bool) -> None:
    """A model that refuses now and then must not stop every run: nothing is broken that one could mend."""
    few = replace(context, recipe=small_recipe(context.lakehouse, run=Run(wave_seconds=2, max_error_fraction=0.05)))
    todo = context.spark.range(200).select(F.format_string("%03d", "id").alias("image_id"))

    def answered(wave: DataFrame) -> DataFrame:
        refused = F.expr(unusable)
        states = {"status": F.when(refused, "error").otherwise("ok"), "error_class": F.when(refused, "RefusedError")}
        return captioned()(wave).withColumns(states)

    with (
        pytest.raises(JobError, match="than the 50% of unusable answers or files that are tolerated")
        if stops
        else nullcontext()
    ):
        run_waves(few, "captions", todo, answered, order=["image_id"])


def _hold(context_root: str, ready: Any, done: Any) -> None:
    import fcntl

    folder = Path(context_root) / "_locks"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "captions.lock").open("a+") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        handle.write("the other run")
        handle.flush()
        ready.set()
        done.wait(30)


def test_a_second_driver_is_told_who_holds_the_table_and_a_killed_one_holds_nothing(context: Context) -> None:
    spawn = multiprocessing.get_context("spawn")
    ready, done = spawn.Event(), spawn.Event()
    other = spawn.Process(target=_hold, args=(context.recipe.lakehouse, ready, done))
    other.start()
    assert ready.wait(30)
    with (
        pytest.raises(JobError, match=r"captions is being written by another run \(the other run\)"),
        table_lock(context, "captions"),
    ):
        pass
    other.kill()
    other.join()
    with table_lock(replace(context, run_id="run2"), "captions"):
        pass


def test_a_driver_that_is_interrupted_holds_its_lock_to_its_end(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Spark may still be at the commit that Python no longer waits for."""
    held: list[ExitStack] = []
    monkeypatch.setattr(lock, "_interrupted", held)
    with pytest.raises(KeyboardInterrupt), table_lock(context, "captions"):
        raise KeyboardInterrupt
    with pytest.raises(JobError, match="captions is being written by another run"), table_lock(context, "captions"):
        pass
    held.pop().close()
    with pytest.raises(Killed), table_lock(context, "captions"):
        raise Killed
    with table_lock(context, "captions"):
        pass


def test_the_lock_of_an_object_store_lies_outside_the_working_directory(
    context: Context, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    monkeypatch.chdir(tmp_path)
    remote = replace(context, recipe=context.recipe.model_copy(update={"lakehouse": "s3://bucket/house"}))
    with (
        table_lock(remote, "captions"),
        pytest.raises(JobError, match="captions is being written by another run"),
        table_lock(remote, "captions"),
    ):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {"lakehouse", "temporary"}


def test_progress_tells_count_rate_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.monotonic", lambda: 110.0)
    line = Progress(total=1000, noun="pictures", done=250, errors=3, started=100.0).line("images")
    assert line == "  images: 250 of 1,000 pictures, 25.0 a second, 30 s left, 3 errors"
    assert [duration(s) for s in (45, 720, 12600)] == ["45 s", "12 min", "3.5 h"]


@pytest.mark.parametrize("beside", [0.0, 20.0, 60.0])
def test_waves_hold_the_wanted_seconds_of_work_whatever_a_commit_costs(beside: float) -> None:
    """Rows of half a second on two tasks, waves of 30 s wanted, `beside` seconds of planning and commit each."""
    done, elapsed, size, tasks = 0, 0.0, 64, 2
    for _ in range(20):
        done, elapsed = done + size, elapsed + beside + size * 0.5 / tasks
        size = _next_wave(30, size, done / elapsed, 0.5, tasks)
    assert size == 120
    assert _next_wave(30, 64, rate=1.0, seconds=1e-6, tasks=2) == 120, "rows whose cost is not the model's"
    assert _next_wave(30, 64, rate=0.1, seconds=None, tasks=2) == 64, "never smaller without a measure"
    assert _next_wave(30, 64, rate=0.001, seconds=900.0, tasks=2) == 2


def test_one_run_may_write_a_table_twice(context: Context) -> None:
    """Two generators or two passes of one run: the second one's first wave is not taken for the first one's."""
    for name in ("a", "b"):
        todo = context.spark.range(10).select(F.format_string(f"{name}%03d", "id").alias("image_id"))
        run_waves(context, "captions", todo, captioned(), order=["image_id"])
    assert context.lakehouse.read("captions").count() == 20
