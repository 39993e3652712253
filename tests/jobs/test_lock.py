"""A table's lock on a machine that several people share. What it refuses is tested with the waves."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jobs.endings import JobError
from jobs.lock import table_lock
from tests.users import another_user


def context(run: str, lakehouse: str) -> Any:
    return SimpleNamespace(run_id=run, recipe=SimpleNamespace(lakehouse=lakehouse))


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Like /tmp; tmp_path is the first user's alone."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o1777)
        monkeypatch.setattr("tempfile.tempdir", folder)
        yield Path(folder)


@pytest.mark.parametrize(("lakehouse", "umask"), [("s3://bucket/house", 0o077), ("{shared}/house", 0o022)])
def test_a_second_user_is_told_who_holds_the_table_and_gets_it_afterwards(
    shared: Path, lakehouse: str, umask: int
) -> None:
    house = lakehouse.format(shared=shared)
    before = os.umask(umask)
    try:
        with (
            table_lock(context("first", house), "captions"),
            another_user(),
            pytest.raises(JobError, match='another run .*"run": "first"'),
            table_lock(context("second", house), "captions"),
        ):
            pass
        with another_user(), table_lock(context("second", house), "captions"):
            pass
    finally:
        os.umask(before)
    (file,) = shared.rglob("*captions.lock")
    assert file.stat().st_mode & 0o777 == 0o666
    assert '"run": "second"' in file.read_text()


def test_a_second_user_may_hold_another_table_of_an_object_store(shared: Path) -> None:
    with (
        table_lock(context("first", "s3://bucket/house"), "captions"),
        another_user(),
        table_lock(context("second", "s3://bucket/house"), "scores"),
    ):
        assert len(list(shared.glob("goldpan-*.lock"))) == 2, "none lies in a folder of the first user's"
