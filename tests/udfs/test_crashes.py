"""Rows that kill the process which works on them -> the row's own error expected, and the answers of all others."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import re
import signal
import tempfile
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from udfs import crashes
from udfs.crashes import CrashRecord, WorkerDiedError
from udfs.harness import Stage

KILLER = 5
DIED = -signal.SIGKILL
TRIES = 3  # of a task, as conf/spark-defaults.conf has it
ROWS = [{"id": number} for number in range(12)]


class AcceleratorError(RuntimeError):
    """Named like torch's: the device is lost."""


@dataclass(frozen=True)
class Deadly:
    """Answers the row's id; the killers end the process, or its device, where `where` says."""

    where: str
    killers: tuple[int, ...] = (KILLER,)
    in_flight: int = 0
    batch_size: int = 4
    needs_device: bool = False

    def load(self, device: str) -> Deadly:
        return self

    def prepare(self, row: dict[str, Any]) -> int:
        return self._at("prepare", row["id"])

    def group(self, prepared: int) -> None:
        """All share a batch."""

    def run(self, batch: list[int]) -> list[int]:
        if self.where == "device" and set(self.killers) & {*batch}:
            raise AcceleratorError("CUDA error: an illegal memory access was encountered")
        return [self._at("run", number) for number in batch]

    def finish(self, row: dict[str, Any], result: int) -> dict[str, Any]:
        return {"value": self._at("finish", result)}

    def _at(self, place: str, number: int) -> int:
        if self.where == place and number in self.killers:
            os.kill(os.getpid(), signal.SIGKILL)
        return number


def answers(spec: Deadly, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    stage = Stage(spec, (("id", pa.int64()),), (("value", pa.int64()),))
    return list(stage.answers(iter(rows)))


def work(spec: Deadly, rows: list[dict[str, Any]], pipe: Connection) -> None:
    pipe.send(answers(spec, rows))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def a_try(where: str) -> list[dict[str, Any]] | int:
    """What a fresh process of this parent answers, or how it ended."""
    processes = multiprocessing.get_context("spawn")
    ours, its = processes.Pipe()
    process = processes.Process(target=work, args=(Deadly(where), ROWS, its))
    process.start()
    its.close()
    try:
        return ours.recv()
    except EOFError:
        process.join()
        return process.exitcode or 0


def run(spec: Deadly, pipe: Connection) -> None:
    """A run's parent process and its task's tries, one after the other: the answers of one, or None if all died."""
    for _ in range(TRIES):
        ours, its = multiprocessing.Pipe()
        process = multiprocessing.get_context("fork").Process(target=work, args=(spec, ROWS, its))
        process.start()
        its.close()
        try:
            pipe.send(ours.recv())
            return
        except EOFError:
            process.join()
    pipe.send(None)


def a_run(spec: Deadly) -> list[dict[str, Any]] | None:
    """The answers of a whole run, or None where its task failed as often as Spark tries it."""
    processes = multiprocessing.get_context("spawn")
    ours, its = processes.Pipe()
    process = processes.Process(target=run, args=(spec, its))
    process.start()
    got: list[dict[str, Any]] | None = ours.recv()
    process.join()
    return got


@pytest.mark.parametrize(
    ("killers", "in_flight", "runs"),
    [
        ((5, 6), 0, 2),  # of one batch
        ((5, 9), 0, 2),
        ((5, 9), 2, 2),
        ((0, 4, 5, 9, 11), 0, 4),
    ],
)
def test_of_several_killers_in_one_task_each_run_finds_some_until_one_gets_through(
    killers: tuple[int, ...], in_flight: int, runs: int
) -> None:
    spec = Deadly("run", killers, in_flight)
    got = [a_run(spec) for _ in range(runs)]
    assert got[:-1] == [None] * (runs - 1)
    assert got[-1] is not None, "the last run ends"
    assert sorted(row["id"] for row in got[-1]) == [row["id"] for row in ROWS]
    failed = {row["id"]: row["error_class"] for row in got[-1] if row["status"] == "error"}
    assert failed == dict.fromkeys(killers, "WorkerDiedError")


@pytest.mark.parametrize("where", ["prepare", "run", "finish", "device"])
def test_a_row_that_kills_its_process_is_an_error_row_at_the_third_try(where: str, folder: Path) -> None:
    ends = {DIED} if where != "device" else {1}
    assert {a_try(where), a_try(where)} == ends
    got = a_try(where)
    assert isinstance(got, list), f"ended with {got}"
    assert sorted(row["id"] for row in got) == [*range(12)]
    (failed,) = [row for row in got if row["status"] == "error"]
    assert (failed["id"], failed["error_class"], failed["value"]) == (KILLER, "WorkerDiedError", None)
    assert "again with this row alone" in failed["error_message"]
    assert all(row["value"] == row["id"] for row in got if row["status"] == "ok")


def test_a_process_that_ends_well_leaves_nothing(folder: Path) -> None:
    assert isinstance(a_try("nowhere"), list)
    assert not list(folder.glob("goldpan-rows-*"))


def dead(record: CrashRecord) -> None:
    """The record of a process that has died: the kernel frees its lock."""
    record.close(died=True)


def test_what_was_put_down_is_not_under_suspicion() -> None:
    record = CrashRecord("work", rows=4)
    first, _ = record.take(["a"]), record.take(["b", "c"])
    record.put_down(first)
    dead(record)
    after = CrashRecord("work", rows=4)
    assert [after.is_suspect(key) for key in "abc"] == [False, True, True]
    after.check("b")  # it was not alone
    after.close()
    other = CrashRecord("other work", rows=4)
    assert not other.is_suspect("b")
    other.close()


def test_only_the_row_that_was_alone_is_blamed() -> None:
    record = CrashRecord("work", rows=4)
    record.take(["a", "b"])
    dead(record)
    record = CrashRecord("work", rows=4)
    record.alone = True
    record.take(["b"])
    dead(record)
    after = CrashRecord("work", rows=4)
    after.check("a")
    with pytest.raises(WorkerDiedError, match="again with this row alone"):
        after.check("b")
    after.close()


def test_retry_errors_tries_a_row_again_that_was_blamed() -> None:
    spec = Deadly("nowhere")
    record = CrashRecord(repr(spec), rows=1)
    record.alone = True
    record.take([5])
    dead(record)
    (blamed,) = answers(spec, [{"id": 5}])
    assert blamed["error_class"] == "WorkerDiedError"
    (again,) = answers(spec, [{"id": 5, "tried": 1}])
    assert again["status"] == "ok"
    record = CrashRecord(repr(spec), rows=1)
    record.alone = True
    record.take(["1 5"])
    dead(record)
    (again,) = answers(spec, [{"id": 5, "tried": 1}])
    assert again["error_class"] == "WorkerDiedError"


def another_run(monkeypatch: pytest.MonkeyPatch, pid: int) -> None:
    """From now on this process has another parent: the daemon of a later run."""
    monkeypatch.setattr(crashes.os, "getppid", lambda: pid)


def test_the_living_and_the_workers_of_a_run_that_was_killed_blame_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    lives = CrashRecord("work", rows=4)
    lives.take(["a"])
    among, alone = CrashRecord("work", rows=4), CrashRecord("work", rows=4)
    assert not among.is_suspect("a")
    among.take(["b"])
    alone.alone = True
    alone.take(["c"])
    dead(among)
    dead(alone)
    another_run(monkeypatch, 1)
    after = CrashRecord("work", rows=4)
    assert not any(after.is_suspect(key) for key in "abc")
    after.close()
    lives.close()


def test_what_a_later_process_of_the_same_parent_has_found_counts_in_later_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    record = CrashRecord("work", rows=1)
    record.alone = True
    record.take(["a"])
    dead(record)
    CrashRecord("other work", rows=1).close()
    another_run(monkeypatch, 1)
    after = CrashRecord("work", rows=1)
    with pytest.raises(WorkerDiedError):
        after.check("a")
    after.close()


def test_what_is_too_old_is_removed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lives = CrashRecord("work", rows=1)
    dead(CrashRecord("work", rows=1))
    CrashRecord("other work", rows=1).close()
    another_run(monkeypatch, 1)
    dead(CrashRecord("work", rows=1))
    assert len([*folder.iterdir()]) == 3, "of one that lives, one that counts and one of the other run"
    days_ago = time.time() - 3 * 86_400
    for path in folder.iterdir():
        os.utime(path, (days_ago, days_ago))
    another_run(monkeypatch, 2)
    CrashRecord("other work", rows=1).close()
    assert len([*folder.iterdir()]) == 1, "of the one that lives"
    lives.close()


def test_a_file_that_is_not_locked_yet_is_no_dead_ones(folder: Path) -> None:
    CrashRecord("work", rows=1).close()
    made = folder / f"goldpan-rows-0-{crashes._parent()}-1-1"
    made.touch()
    CrashRecord("work", rows=1).close()
    assert [*folder.iterdir()] == [made]


def test_a_parent_of_the_same_id_that_started_at_another_time_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stat = tmp_path / "7" / "stat"
    stat.parent.mkdir()
    monkeypatch.setattr(crashes, "_PROCESSES", tmp_path)
    another_run(monkeypatch, 7)
    parents = [crashes._parent()]
    for start in (100, 200):
        stat.write_text(f"7 (a name) S) S 1 7 7 0 -1 4194560 100 0 0 0 3 4 0 0 20 0 1 0 {start} 9 9\n")
        parents.append(crashes._parent())
    assert parents == ["7.0", "7.100", "7.200"]
    monkeypatch.undo()
    real = crashes._parent()
    assert re.fullmatch(rf"{os.getppid()}\.\d+", real)


def test_two_may_read_the_notes_of_the_dead_at_once(folder: Path) -> None:
    record = CrashRecord("work", rows=1)
    record.take(["a"])
    dead(record)
    (path,) = folder.iterdir()
    with path.open() as file:
        fcntl.flock(file, fcntl.LOCK_SH)  # another worker, which has just started too
        after = CrashRecord("work", rows=1)
        assert after.is_suspect("a")
        after.close()


def test_more_rows_than_notes_and_a_disk_without_room_do_no_harm(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = CrashRecord("work", rows=2)
    places = record.take(["a", "b", "c"])
    assert len(places) == 2
    record.put_down(places)
    record.close()

    def full(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(crashes.mmap, "mmap", full)
    record = CrashRecord("work", rows=2)
    record.put_down(record.take(["a"]))
    record.close()
    assert not list(folder.iterdir())


def test_a_long_id_is_recognised() -> None:
    key = "photo:" + "x" * 100
    record = CrashRecord("work", rows=1)
    record.take([key])
    dead(record)
    after = CrashRecord("work", rows=1)
    assert after.is_suspect(key)
    after.close()


def test_the_lock_is_the_kernels(folder: Path) -> None:
    record = CrashRecord("work", rows=1)
    (path,) = folder.iterdir()
    with path.open() as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    record.close()
