"""Where tables lie on this machine's disk, for readers without a JVM."""

from __future__ import annotations

from pathlib import Path


def local_root(root: str) -> Path | None:
    """The lakehouse's folder; None of one in an object store."""
    path = root.removeprefix("file:")
    return None if "://" in path else Path(path)


def local_table(root: str, table: str) -> Path:
    """A table's folder; of an object store one that is not there."""
    return Path(root.removeprefix("file:")) / table


def has_commits(table: Path) -> bool:
    """Whether the table is there: a run that was killed while it made the table leaves a log without a commit."""
    return any((table / "_delta_log").glob("*.json"))
