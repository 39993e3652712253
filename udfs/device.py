"""Which device this worker process computes on: an accelerator that no other worker holds, else the CPU."""

from __future__ import annotations

import fcntl
import functools
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Literal

from udfs.errors import ExplainedError

_DRIVERS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")  # NVIDIA's, AMD's, and either's in WSL
_WAIT_SECONDS = 30.0
_LOOK_SECONDS = 0.5
_MIN_THREADS = 2  # beside an accelerator
_held: list[IO[str]] = []  # an open lock file is the lease; the kernel ends it with the process


class NoDeviceError(ExplainedError):
    """Every accelerator is held by another worker process."""


@functools.cache
def claim_device() -> str:
    """'cuda:<i>' leased to this process until it ends, or 'cpu' where there is no accelerator.

    A lease and not Spark's task resource: a reused worker gets another address from task to task, while its model stays
    where it is.
    Raises NoDeviceError when there are accelerators and all stay taken: more task slots than devices. It waits for a
    while, since a worker that ends holds its lease until the driver has cleared the device's memory.
    """
    import torch

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if count == 0:
        return "cpu"
    uuids = [torch.cuda.get_device_properties(index).uuid for index in range(count)]
    until = time.monotonic() + _WAIT_SECONDS
    while True:
        for index, uuid in enumerate(uuids):
            if _lease(f"goldpan-{uuid}"):
                return f"cuda:{index}"
        if time.monotonic() >= until:
            break
        time.sleep(_LOOK_SECONDS)
    raise NoDeviceError(
        f"all {count} accelerators are held by other workers. Give Spark one task slot a device: --master"
        f" 'local[{count},3]' on one machine, spark.task.resource.gpu.amount=1 on a cluster; or hide them with"
        " CUDA_VISIBLE_DEVICES= to compute on the CPU."
    )


def accelerators() -> int:
    """How many there are on this machine. Where no driver has made a device file there is none, and torch, which takes
    seconds to import, is not asked."""
    if not any(Path(file).exists() for file in _DRIVERS):
        return 0
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def threads_a_worker() -> int:
    """Threads that prepare and finish rows: a worker's share of the cores where there is one worker an accelerator, whether
    it needs that or not; elsewhere every core has a worker, whose model would wait for more of them.
    """
    count = accelerators()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(_MIN_THREADS, cores // count) if count else 1


def device_name(device: str) -> str:
    """What the table records: 'cpu', or the accelerator's product name."""
    if device == "cpu":
        return device
    import torch

    return str(torch.cuda.get_device_name(device))


def open_shared(path: Path, mode: Literal["r", "r+"]) -> IO[str]:
    """A file that every user of this machine may open, made where there is none.

    What exists is opened without O_CREAT: Linux refuses that flag for another user's file in /tmp (fs.protected_regular).
    """
    with suppress(FileNotFoundError):
        return path.open(mode)
    with suppress(FileExistsError):  # another process was faster
        fresh = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666)
        os.fchmod(fresh, 0o666)  # the umask does not let others in
        os.close(fresh)
    return path.open(mode)


def _lease(name: str) -> bool:
    handle = open_shared(Path(tempfile.gettempdir()) / f"{name}.lock", "r")  # a lock needs no more than reading
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        return False
    _held.append(handle)
    return True
