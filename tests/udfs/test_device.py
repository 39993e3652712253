"""Devices that torch is said to have, given to workers: each worker one of its own, and none twice."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from tests.users import another_user
from udfs import device
from udfs.device import NoDeviceError, accelerators, claim_device, open_shared, threads_a_worker


@pytest.fixture
def two_devices(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: SimpleNamespace(uuid=f"test-{index}"))
    monkeypatch.setattr(device.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(device, "_held", [])
    monkeypatch.setattr(torch, "set_num_threads", lambda number: None)
    monkeypatch.setattr(device, "_WAIT_SECONDS", 0.0)


def test_a_worker_gets_a_device_that_no_other_holds(two_devices: None) -> None:
    claim = claim_device.__wrapped__  # each call as from another process: a lease is an open file's
    assert [claim(), claim()] == ["cuda:0", "cuda:1"]
    with pytest.raises(NoDeviceError, match=r"all 2 accelerators are held .* --master 'local\[2,3\]'"):
        claim()
    device._held.pop(0).close()  # what the kernel does when the first process ends
    assert claim() == "cuda:0"


def test_a_lease_of_a_worker_that_is_about_to_end_is_waited_for(
    two_devices: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = claim_device.__wrapped__
    claim(), claim()
    monkeypatch.setattr(device, "_WAIT_SECONDS", 60.0)
    monkeypatch.setattr(device.time, "sleep", lambda seconds: device._held.pop(0).close())  # it ends meanwhile
    assert claim() == "cuda:0"


def test_an_accelerators_worker_has_its_share_of_the_cores(
    two_devices: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(device.os, "sched_getaffinity", lambda process: {*range(16)}, raising=False)
    found = []
    for driver in ("none", "."):
        monkeypatch.setattr(device, "_DRIVERS", (str(tmp_path / driver),))
        found.append(threads_a_worker())
    assert found == [1, 8]


@pytest.fixture
def shared() -> Iterator[Path]:
    """Like /tmp; tmp_path is the first user's alone."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o1777)
        yield Path(folder)


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_a_second_user_gets_the_device_when_the_first_has_ended(
    shared: Path, two_devices: None, umask: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = claim_device.__wrapped__
    monkeypatch.setattr(device.tempfile, "gettempdir", lambda: str(shared))
    before = os.umask(umask)
    try:
        assert claim() == "cuda:0"
    finally:
        os.umask(before)
    (file,) = shared.glob("*.lock")
    assert file.stat().st_mode & 0o777 == 0o666
    file.chmod(0o444)  # what a file of 0644 is to another user, whoever runs the tests
    with another_user():
        assert claim() == "cuda:1"
        device._held.pop(0).close()
        monkeypatch.setattr(device.os, "open", refused)
        assert claim() == "cuda:0"
    while device._held:
        device._held.pop().close()


def refused(*arguments: object) -> int:
    """O_CREAT on another user's file in /tmp (fs.protected_regular)."""
    raise PermissionError


def test_two_who_make_the_file_at_once_open_the_same_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make = os.open

    def late(path: Path, *arguments: int) -> int:
        path.write_text("the other's")
        return make(path, *arguments)

    monkeypatch.setattr(device.os, "open", late)
    with open_shared(tmp_path / "lock", "r+") as handle:
        assert handle.read() == "the other's"


def test_devices_are_counted_where_a_driver_is(
    two_devices: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(device, "_DRIVERS", (str(tmp_path / "none"),))
    assert accelerators() == 0
    (tmp_path / "driver").touch()
    monkeypatch.setattr(device, "_DRIVERS", (str(tmp_path / "none"), str(tmp_path / "driver")))
    assert accelerators() == 2
