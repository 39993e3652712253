"""Rows that kill the process which works on them -> the row's own error expected, and the answers of all others."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import signal
import tempfile
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


class AcceleratorError(RuntimeError):
    """Named like torch's: the device is lost."""


@dataclass(frozen=True)
class Deadly:
    """Answers the row's id; row KILLER ends the process, or its device, where `where` says."""

    where: str
    batch_size: int = 4
    needs_device: bool = False

    def load(self, device: str) -> Deadly:
        return self

    def prepare(self, row: dict[str, Any]) -> int:
        return self._at("prepare", row["id"])

    def group(self, prepared: int) -> None:
        """All share a batch."""

    def run(self, batch: list[int]) -> list[int]:
        if self.where == "device" and KILLER in batch:
            raise AcceleratorError("CUDA error: an illegal memory access was encountered")
        return [self._at("run", number) for number in batch]

    def finish(self, row: dict[str, Any], result: int) -> dict[str, Any]:
        return {"value": self._at("finish", result)}

    def _at(self, place: str, number: int) -> int:
        if self.where == place and number == KILLER:
            os.kill(os.getpid(), signal.SIGKILL)
        return number


def work(where: str, pipe: Connection) -> None:
    stage = Stage(Deadly(where), (("id", pa.int64()),), (("value", pa.int64()),))
    pipe.send(list(stage.answers(iter([{"id": number} for number in range(12)]))))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def a_try(where: str) -> list[dict[str, Any]] | int:
    """What a fresh process of this parent answers, or how it ended."""
    processes = multiprocessing.get_context("spawn")
    ours, its = processes.Pipe()
    process = processes.Process(target=work, args=(where, its))
    process.start()
    its.close()
    try:
        return ours.recv()
    except EOFError:
        process.join()
        return process.exitcode or 0


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


def test_the_living_and_the_workers_of_a_run_that_was_killed_blame_nobody(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lives = CrashRecord("work", rows=4)
    lives.take(["a"])
    second = CrashRecord("work", rows=4)
    assert not second.is_suspect("a")
    second.take(["b"])
    dead(second)
    monkeypatch.setattr(crashes.os, "getppid", lambda: 1)  # the daemon of the next run
    third = CrashRecord("work", rows=4)
    assert not third.is_suspect("b")
    third.close()
    assert len(list(folder.iterdir())) == 1, "what the dead of other runs left is removed, the living keep theirs"
    lives.close()


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
