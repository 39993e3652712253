"""One driver a table: a lock on the lakehouse's disk that ends with the process that holds it."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from jobs.endings import JobError
from jobs.launch import Context
from schemas.folders import local_root
from udfs.device import open_shared
from udfs.ids import content_id

_interrupted: list[ExitStack] = []  # what a lock that was held then keeps open


@contextmanager
def table_lock(context: Context, table: str) -> Iterator[None]:
    """Hold `table` while the block runs. JobError if another driver holds it, saying which.

    The lock is the kernel's (flock), so a killed driver leaves none behind; one that is interrupted holds it to its end. Of an
    object store it is this machine's own; between machines the workflow's max_concurrent_runs: 1 does the same.
    """
    root = local_root(context.recipe.lakehouse)
    if root is not None:
        path = root / "_locks" / f"{table}.lock"
    else:  # no folder of its own, in which a second user of this machine could make no file
        path = Path(tempfile.gettempdir()) / f"goldpan-{content_id(context.recipe.lakehouse)}-{table}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as until:
        handle = until.enter_context(
            open_shared(path, "r+")
        )  # for writing, whoever made it: it says who holds the table
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise JobError(
                f"{table} is being written by another run ({handle.read().strip()}). Wait until it has ended, or stop it; then run this again."
            ) from None
        handle.truncate(0)
        handle.write(
            json.dumps(
                {
                    "run": context.run_id,
                    "host": socket.gethostname(),
                    "pid": os.getpid(),
                    "since": f"{datetime.now(UTC):%FT%TZ}",
                }
            )
        )
        handle.flush()
        try:
            yield
        except KeyboardInterrupt:  # Spark may be at a commit still: it is stopped before this process ends
            _interrupted.append(until.pop_all())
            raise
