"""Rows that kill their worker process: a fault in a decoder's C code, a device that is lost over one picture's size.

Spark does a dead worker's task again in a new process. That one would die at the same row, until the job ends; and so
would the next run of the job. So each process notes in a file which rows it is at work on. The next one does those last
and alone, and a row that was alone when a process died gets an error row.

What is known of the dead outlives the run: of many such rows in one task each run finds some, until one gets through. A
file counts once a later process of the same parent, Spark's daemon, has found it: the parent outlived that death. A run
that somebody kills as a whole has no such process, so it puts nobody under suspicion.
"""

from __future__ import annotations

import fcntl
import hashlib
import mmap
import os
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_ALONE, _AMONG = b"1", b"+"  # with others
_SLOT = 64  # bytes of a note: how and the row's id
_FREE = bytes(_SLOT)
_DIED = ".died"  # ends the name of a file that counts
_KEPT_SECONDS = 2 * 86_400  # a job of every night finds what the last one left
_PROCESSES = Path("/proc")
_START_TIME = 19  # its place in /proc/<pid>/stat behind the name


class WorkerDiedError(RuntimeError):
    """The row was alone in hand when a worker process died."""


class CrashRecord:
    """The rows that this process has in hand, and those that others had when they died.

    work: what tells one stage from another; rows: how many are in hand at most. The others are of this machine. The
    lock on a process's file says that it lives. Where there is no room for the file, the work goes on without it.
    """

    def __init__(self, work: str, rows: int) -> None:
        folder = Path(tempfile.gettempdir())
        name = f"goldpan-rows-{hashlib.sha256(work.encode()).hexdigest()[:12]}"
        self.alone = False  # from now on one row at a time is in hand
        self._died: dict[bytes, bytes] = {}
        parent = _parent()
        for path in folder.glob("goldpan-rows-*"):
            _look_after(path, parent)
        for path in folder.glob(f"{name}-*{_DIED}"):
            self._read(path)
        self._path = folder / f"{name}-{parent}-{os.getpid()}-{id(self)}"
        self._free: list[int] = []
        self._file = self._notes = None
        with suppress(OSError):
            self._file = self._path.open("xb+")
            fcntl.flock(self._file, fcntl.LOCK_EX)
            # before it is mapped: a write into a hole of a full disk would kill the process
            self._file.write(_FREE * rows)
            self._file.flush()
            self._notes = mmap.mmap(self._file.fileno(), 0)
            self._free = [*range(0, _SLOT * rows, _SLOT)]

    def is_suspect(self, key: object) -> bool:
        return _name(key) in self._died

    def check(self, key: object) -> None:
        """WorkerDiedError where a process died while it had this row alone in hand."""
        if self._died.get(_name(key)) == _ALONE:
            raise WorkerDiedError(
                "the worker process died with this row in hand, and again with this row alone. Spark's log says of what: a signal,"
                " no memory, a lost device. --retry errors tries the row again"
            )

    def take(self, keys: Iterable[object]) -> list[int]:
        """Note that these rows are being worked on; the places of the notes, for `put_down`. Threads may call both."""
        how, places = _ALONE if self.alone else _AMONG, []
        for key in keys:
            with suppress(IndexError):  # no room for another note
                place = self._free.pop()
                places.append(place)
                if self._notes is not None:
                    self._notes[place : place + _SLOT] = how + _name(key)
        return places

    def put_down(self, places: list[int]) -> None:
        for place in places:
            if self._notes is not None:
                self._notes[place : place + _SLOT] = _FREE
            self._free.append(place)

    def close(self, died: bool = False) -> None:
        """died: this process cannot go on, though it still runs; its notes stay."""
        if self._file is None:
            return
        if not died:
            self._path.unlink(missing_ok=True)
        if self._notes is not None:
            self._notes.close()
        self._file.close()
        self._file = self._notes = None

    def _read(self, path: Path) -> None:
        with suppress(FileNotFoundError, PermissionError), path.open("rb") as file:
            while note := file.read(_SLOT):
                how, key = note[:1], note[1:]
                if note != _FREE and self._died.get(key) != _ALONE:
                    self._died[key] = how


def _look_after(path: Path, parent: str) -> None:
    """The file of a dead process: remove an old one; from now on one of this parent counts."""
    # the lock of one that lives, a file that has gone meanwhile, another user's
    with suppress(BlockingIOError, FileNotFoundError, PermissionError), path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: two may look at the same file at once
        found = os.fstat(file.fileno())
        if time.time() - found.st_mtime > _KEPT_SECONDS:
            path.unlink()
        elif (
            found.st_size and f"-{parent}-" in path.name and path.suffix != _DIED
        ):  # an empty one is about to be locked
            path.rename(f"{path}{_DIED}")


def _parent() -> str:
    """The parent process, by its id and its start: in a container that starts again processes have the same ids."""
    pid, started = os.getppid(), "0"
    with suppress(OSError):  # a system without /proc
        started = (_PROCESSES / str(pid) / "stat").read_text().rpartition(")")[2].split()[_START_TIME]
    return f"{pid}.{started}"


def _name(key: object) -> bytes:
    return str(key).encode()[: _SLOT - 1].ljust(_SLOT - 1, b"\0")
