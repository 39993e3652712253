"""How every job starts: read the recipe, check the lakehouse, only then start Spark; errors that a person can mend are
one sentence.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import logging
import os
import re
import shlex
import signal
import sys
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from py4j.protocol import Py4JError

from conf.loading import RecipeError
from conf.recipe import Recipe, load_recipe
from udfs.device import accelerators
from udfs.errors import ExplainedError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from schemas.delta import Lakehouse


EVERY_CORE = "local[*,3]"  # the master of conf/spark-defaults.conf


class JobError(RuntimeError):
    """A job cannot go on; the message says why and what to do. What was committed stays."""


@dataclass(frozen=True)
class Context:
    """What a job works with. plan, retry, sample: the flags of the same names; jobs without a flag see its default."""

    spark: SparkSession
    recipe: Recipe
    lakehouse: Lakehouse
    run_id: str
    plan: bool = False
    retry: str | None = None
    sample: int | None = None

    def say(self, text: str) -> None:
        """One line for the person who waits; Spark's own log goes to its file."""
        print(text, flush=True)

    def view(self, name: str) -> DataFrame:
        """A view's rows of the recipe's policy. Views are registered as they are asked for: analysing all of them takes
        longer than most jobs.
        """
        from pyspark.sql import functions as F

        from schemas.sql_views import register_views

        register_views(self.spark, [name])
        return self.spark.table(name).where(F.col("policy") == self.recipe.gates.name)

    def table_versions(self, names: Iterable[str]) -> dict[str, int]:
        """The current version of these tables."""
        return {name: self.lakehouse.version(name) for name in names}

    def sql_command(self, query: str) -> str:
        """What to type to ask this recipe's tables."""
        if "://" in self.recipe.lakehouse:  # make sql reads what lies on this machine
            return f"in a notebook or SQL editor: {query}"
        config = "" if self.recipe.path.as_posix() == "conf/demo.yaml" else f" CONFIG={self.recipe.path}"
        return f'make sql{config} QUERY="{query}"'

    def sample_path(self, name: str) -> Path:
        """Where --sample puts its contact sheet: beside the shards, outside the lakehouse."""
        folder = Path(self.recipe.release.folder) / "samples"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{name}.png"


Job = Callable[[Context], None]


def main(
    run: Job, *, plan: bool = False, retry: Sequence[str] = (), sample: bool = False, check: Job = lambda context: None
) -> None:
    """The whole of a job's command line. check: raises JobError where the job cannot begin.

    Exit status: 0 done, 1 stopped by an error, 2 a mistake in the recipe or arguments, 130 interrupted.
    """
    parser = argparse.ArgumentParser(
        description=(sys.modules["__main__"].__doc__ or "").strip(), formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--config", required=True, help="the recipe, a YAML file; conf/demo.yaml is one")
    parser.add_argument("--catalog", help="catalog that holds the tables; without it they are registered by path")
    parser.add_argument("--schema", help="schema in the catalog")
    without_work = parser.add_mutually_exclusive_group()
    if plan:
        without_work.add_argument(
            "--plan", action="store_true", help="say what there is to do and how long it would take; start no model"
        )
    if retry:
        parser.add_argument("--retry", choices=retry, help="do only these rows again")
    if sample:
        without_work.add_argument(
            "--sample",
            type=_positive,
            metavar="N",
            help="try N rows into a contact sheet; write nothing to the lakehouse",
        )
    options = vars(parser.parse_args())
    sys.exit(_guarded(lambda: _launch(run, options, check)))


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of rows; give 1 or more")
    return int(text)


def _launch(run: Job, options: dict[str, Any], check: Job) -> None:
    recipe = load_recipe(options["config"])
    if bool(options["catalog"]) != bool(options["schema"]):
        raise RecipeError("--catalog and --schema go together; give both or neither.")
    catalog_schema = f"{options['catalog']}.{options['schema']}" if options["catalog"] else None
    if on_databricks():
        check_shared(recipe)
    check_owner(recipe)
    context = open_context(
        recipe, catalog_schema, **{k: options[k] for k in ("plan", "retry", "sample") if k in options}
    )
    if not on_databricks():
        _quiet_about_the_jvm(context.spark)
    # Spark's own handler asks the JVM to cancel its jobs, on the connection that waits for an answer.
    signal.signal(signal.SIGINT, _interrupt)
    try:
        check(context)
        run(context)
    finally:
        # The tasks of a Databricks job share their cluster's session: another task may be at work in it.
        if not on_databricks():
            with contextlib.suppress(Py4JError, ConnectionError):  # Ctrl-C reaches the JVM of spark-submit too
                context.spark.stop()


def on_databricks() -> bool:
    return "DATABRICKS_RUNTIME_VERSION" in os.environ


def check_shared(recipe: Recipe) -> None:
    """RecipeError where a relative path would be a folder of the driver, which no other machine of the cluster sees."""
    for key, path, allowed in (
        ("lakehouse", recipe.lakehouse, "an external location such as s3://bucket/lakehouse"),
        ("release: folder", recipe.release.folder, "a volume such as /Volumes/main/goldpan/shards"),
    ):
        if "://" not in path and not Path(path).is_absolute():
            raise RecipeError(
                f"{recipe.path}: {key}: {path} is a folder of one machine, and a cluster has several. Give {allowed}."
            )


def open_context(recipe: Recipe, catalog_schema: str | None = None, **flags: Any) -> Context:
    """A Spark session with this recipe's tables registered by their bare names, and views when they are asked for."""
    from schemas.delta import Lakehouse

    spark = start_spark(f"goldpan {recipe.name}")
    lakehouse = Lakehouse(spark, recipe.lakehouse, recipe.name, catalog_schema)
    # `check_owner` saw no file of a lakehouse in an object store
    properties = lakehouse.properties("policies") if "://" in recipe.lakehouse else {}
    if properties:
        check_properties(recipe, "policies", properties)
    lakehouse.create()
    return Context(spark, recipe, lakehouse, uuid.uuid4().hex[:16], **flags)


def task_slots(spark: SparkSession) -> int:
    """Tasks that run at once: the cores, or on a cluster whose tasks take a GPU each, the GPUs."""
    context = cast(Any, spark)._jsc.sc()
    profile = context.resourceProfileManager().defaultResourceProfile()
    return max(1, context.maxNumConcurrentTasks(profile))


def start_spark(name: str) -> SparkSession:
    """The session; its properties come from spark-submit's properties file (set-up puts the embedded default's into the
    environment).
    """
    from pyspark import SparkConf, SparkContext
    from pyspark.sql import SparkSession

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    # Here for every cluster: the views' long case expressions make the optimizer's inferred constraints grow without end
    # (3 GB and minutes).
    builder = SparkSession.builder.config("spark.sql.constraintPropagation.enabled", "false")
    # A worker holds an accelerator and its model as long as it lives: no more workers than accelerators.
    cast(Any, SparkContext)._ensure_initialized()  # before it a SparkConf reads neither the defaults nor spark-submit's
    if (devices := accelerators()) and SparkConf().get("spark.master") == EVERY_CORE:
        builder = builder.master(f"local[{devices},3]")
    spark = builder.appName(name).getOrCreate()
    try:
        cast(Any, spark)._jvm.io.delta.tables.DeltaTable  # noqa: B018
        spark.sql("select 1 as one").first()
    except Exception as error:
        raise JobError(
            f"Spark does not start with Delta Lake ({error}). Run `make set-up`, or pass --packages with the Delta jar of conf/spark-defaults.conf."
        ) from None
    return spark


def check_owner(recipe: Recipe) -> None:
    """Stop before Spark does any work if the lakehouse belongs to another recipe or a table has another schema version."""
    from deltalake import DeltaTable

    from schemas.delta import local_table
    from schemas.tables import TABLES

    for name in TABLES:
        path = local_table(recipe.lakehouse, name)
        if (path / "_delta_log").is_dir():
            check_properties(recipe, name, DeltaTable(path).metadata().configuration)


def check_properties(recipe: Recipe, table: str, properties: Mapping[str, str]) -> None:
    """RecipeError unless a table with these properties is this recipe's, and of this Goldpan's schema version."""
    from schemas.tables import SCHEMA_VERSION

    owner, version = properties.get("goldpan.recipe"), properties.get("goldpan.schema_version")
    if owner != recipe.name:
        raise RecipeError(
            f"{recipe.path}: lakehouse: {recipe.lakehouse} belongs to the recipe {owner!r}, this one is {recipe.name!r}."
            " Give this recipe a folder of its own, or give it that name."
        )
    if version != SCHEMA_VERSION:
        raise RecipeError(
            f"{recipe.path}: lakehouse: the table {table} in {recipe.lakehouse} has schema version {version},"
            f" this Goldpan writes version {SCHEMA_VERSION}. Use the Goldpan that wrote it, or another folder."
        )


def _guarded(work: Callable[[], None]) -> int:
    """Run `work`; turn what a person can mend into one sentence on stderr, and SIGTERM into what Ctrl-C does."""
    signal.signal(signal.SIGTERM, _interrupt)
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


def _quiet_about_the_jvm(spark: SparkSession) -> None:
    """That the JVM has ended is said once, by `explained`; PySpark and py4j would print a traceback each besides."""
    logging.getLogger().addFilter(lambda record: record.msg != "Exception while sending command.")
    server = cast(Any, spark.sparkContext)._accumulatorServer
    printed = server.handle_error

    def handle_error(request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), (EOFError, ConnectionError)):
            printed(request, client_address)

    server.handle_error = handle_error


def _interrupt(signum: int, frame: object) -> None:
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
