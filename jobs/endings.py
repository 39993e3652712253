"""How a job ends: what a person can mend is one sentence, and a signal leaves what was committed."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import shlex
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from py4j.protocol import Py4JError

from conf.loading import RecipeError
from udfs.errors import ExplainedError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class JobError(RuntimeError):
    """A job cannot go on; the message says why and what to do. What was committed stays."""


def guarded(work: Callable[[], None]) -> int:
    """Run `work`; turn what a person can mend into one sentence on stderr, and SIGTERM into what Ctrl-C does."""
    signal.signal(signal.SIGTERM, interrupt)
    try:
        work()
    except (RecipeError, JobError) as error:
        print(error, file=sys.stderr, flush=True)
        return 2 if isinstance(error, RecipeError) else 1
    except KeyboardInterrupt as stopped:
        if not stopped.args:
            _say_stopped()
        return 130
    except Exception as error:
        said = explained(error)
        if said is None:
            raise
        print(f"{said} What was committed stays; then go on with: {_same_command()}", file=sys.stderr, flush=True)
        return 1
    return 0


def explained(error: Exception) -> str | None:
    """The sentence in an error that a person can mend: the driver's own, a worker's, or one of the JVM's."""
    text = str(error)
    if isinstance(error, ExplainedError):
        return text
    for module, name, sentence in re.findall(r"^(udfs\.[\w.]+)\.(\w+): (.+)$", text, re.MULTILINE):
        found = getattr(import_module(module), name, None)
        if isinstance(found, type) and issubclass(found, ExplainedError):
            return str(sentence)
    if raised := re.search(r"\[USER_RAISED_EXCEPTION\] (.+?)(?: SQLSTATE|$)", text, re.MULTILINE):
        return raised[1]
    if not _jvm_answers():
        return "Spark's JVM has ended: it was stopped, or killed because the machine was short of memory."
    if os.strerror(errno.ENOSPC) in text:
        return (
            f"{os.strerror(errno.ENOSPC)}: the disk of the lakehouse or of Spark's own files (spark.local.dir) is full."
            " Make room."
        )
    return None


def _jvm_answers() -> bool:
    """True also where no JVM was started yet. A dead one shows as many errors: refused, reset, a class that is not there."""
    from pyspark import SparkContext

    if SparkContext._gateway is None:
        return True
    try:
        cast(Any, SparkContext._gateway.jvm).System.nanoTime()
    except (Py4JError, OSError):
        return False
    return True


def quiet_about_the_jvm(spark: SparkSession) -> None:
    """That the JVM has ended is said once, by `explained`; PySpark and py4j would print a traceback each besides."""
    logging.getLogger().addFilter(lambda record: record.msg != "Exception while sending command.")
    server = cast(Any, spark.sparkContext)._accumulatorServer
    printed = server.handle_error

    def handle_error(request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), (EOFError, ConnectionError)):
            printed(request, client_address)

    server.handle_error = handle_error


def interrupt(signum: int, frame: object) -> None:
    logging.disable()  # py4j logs the traceback of what it was waiting for
    _say_stopped()  # at once: what is printed goes through the JVM of spark-submit, which ends as well
    raise KeyboardInterrupt("said")


def _say_stopped() -> None:
    print(f"Stopped. What was committed stays; go on with: {_same_command()}", file=sys.stderr, flush=True)


def _same_command() -> str:
    script, *arguments = sys.argv
    with contextlib.suppress(ValueError):  # a script elsewhere keeps its whole path
        script = str(Path(script).resolve().relative_to(Path.cwd()))
    return shlex.join([spark_submit(), script, *arguments])


def spark_submit() -> str:
    """What to type: where the set-up has put it, it is on no PATH."""
    own = Path(".venv/bin/spark-submit")
    return str(own) if own.exists() else "spark-submit"
