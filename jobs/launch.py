"""How every job starts: read the recipe, check the lakehouse, only then start Spark; errors that a person can mend are
one sentence.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from py4j.protocol import Py4JError

from conf.loading import RecipeError
from conf.recipe import Recipe, load_recipe
from jobs.endings import guarded, interrupt, quiet_about_the_jvm
from jobs.session import on_databricks, start_spark
from schemas.folders import has_commits, local_root, local_table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from schemas.delta import Lakehouse


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
        if local_root(self.recipe.lakehouse) is None:  # make sql reads what lies on this machine
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
    sys.exit(guarded(lambda: _launch(run, options, check)))


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
        quiet_about_the_jvm(context.spark)
    # Spark's own handler asks the JVM to cancel its jobs, on the connection that waits for an answer.
    signal.signal(signal.SIGINT, interrupt)
    try:
        check(context)
        run(context)
    finally:
        # The tasks of a Databricks job share their cluster's session: another task may be at work in it.
        if not on_databricks():
            with contextlib.suppress(Py4JError, ConnectionError):  # Ctrl-C reaches the JVM of spark-submit too
                context.spark.stop()


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


def check_owner(recipe: Recipe) -> None:
    """Stop before Spark does any work if the lakehouse belongs to another recipe or a table has another schema version."""
    from deltalake import DeltaTable

    from schemas.tables import TABLES

    for name in TABLES:
        path = local_table(recipe.lakehouse, name)
        if has_commits(path):
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
