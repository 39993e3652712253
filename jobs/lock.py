"""One driver a table: a lock on the lakehouse's disk that ends with the process that holds it."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from jobs.launch import Context, JobError
from udfs.ids import content_id


@contextmanager
def table_lock(context: Context, table: str) -> Iterator[None]:
    """Hold `table` while the block runs. JobError if another driver holds it, saying which.

    The lock is the kernel's (flock), so a killed driver leaves none behind. Of an object store it is this machine's own;
    between machines the workflow's max_concurrent_runs: 1 does the same.
    """
    root = context.recipe.lakehouse.removeprefix("file:")
    if "://" in root:
        root = str(Path(tempfile.gettempdir()) / f"goldpan-{content_id(root)}")
    folder = Path(root) / "_locks"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{table}.lock").open("a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.seek(0)
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
        yield
