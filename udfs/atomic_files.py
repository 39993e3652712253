"""Files that are whole or not there: written under a temporary name, synced, then renamed; hashed on the way."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from udfs.errors import ExplainedError


class FileWriteError(ExplainedError):
    """A file could not be written; nothing of it stays. The message says which and why."""


class HashedFile:
    """An open binary file that knows its length and its SHA-256."""

    def __init__(self, file: IO[bytes]):
        self._file = file
        self._digest = hashlib.sha256()
        self.bytes = 0

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self._digest.update(data)
        self.bytes += len(data)


@contextmanager
def atomic_file(path: Path) -> Iterator[HashedFile]:
    """A file that appears at `path` when the block ends well, and leaves nothing behind otherwise. FileWriteError where
    the disk refuses."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")  # unlike any other attempt's
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb", buffering=1 << 20) as file:
            hashed = HashedFile(file)
            yield hashed
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise FileWriteError(
            f"{path} cannot be written: {error.strerror or error}. Free some space there, or choose another folder."
        ) from error
    finally:
        if temporary.exists():
            temporary.unlink()


def write_file(path: Path, data: bytes) -> tuple[int, str]:
    """Write a small file in one go; (bytes, SHA-256)."""
    with atomic_file(path) as out:
        out.write(data)
    return out.bytes, out.sha256


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remove_temporaries(folder: Path) -> None:
    """What killed writers left below `folder`. Only for a caller that knows that nobody writes there."""
    for path in folder.rglob(".*.tmp"):
        path.unlink()


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
