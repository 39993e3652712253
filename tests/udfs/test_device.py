"""Devices that torch is said to have, given to workers: each worker one of its own, and none twice."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from udfs import device
from udfs.device import NoDeviceError, accelerators, claim_device


@pytest.fixture
def two_devices(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: SimpleNamespace(uuid=f"test-{index}"))
    monkeypatch.setattr(device.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(device, "_held", [])
    monkeypatch.setattr(torch, "set_num_threads", lambda number: None)


def test_a_worker_gets_a_device_that_no_other_holds(two_devices: None) -> None:
    claim = claim_device.__wrapped__  # each call as from another process: a lease is an open file's
    assert [claim(), claim()] == ["cuda:0", "cuda:1"]
    with pytest.raises(NoDeviceError, match=r"all 2 accelerators are held .* --master 'local\[2,3\]'"):
        claim()
    device._held.pop(0).close()  # what the kernel does when the first process ends
    assert claim() == "cuda:0"


def test_devices_are_counted_where_a_driver_is(
    two_devices: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(device, "_DRIVERS", (str(tmp_path / "none"),))
    assert accelerators() == 0
    (tmp_path / "driver").touch()
    monkeypatch.setattr(device, "_DRIVERS", (str(tmp_path / "none"), str(tmp_path / "driver")))
    assert accelerators() == 2
