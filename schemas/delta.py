"""The only writer of Delta tables: creates them, appends waves, replaces, merges scores, and reports every table
version.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from delta.tables import DeltaTable
from pyspark.sql import Column as SqlColumn
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from schemas.folders import has_commits, local_root, local_table
from schemas.sql_views import forget_views
from schemas.tables import IMAGE_SCORES, SCHEMA_VERSION, TABLES, Column, Table

# Small row groups, no statistics and no dictionary on the picture column: a range of ids is read without its
# neighbours' bytes.
IMAGE_PROPERTIES = {
    "parquet.block.size": str(32 * 1024 * 1024),
    "parquet.column.statistics.enabled#image": "false",
    "parquet.enable.dictionary#image": "false",
}
_COMMIT = "[0-9]" * 20 + ".json"  # a commit's file is named by its version: Delta's PROTOCOL.md, Delta Log Entries


class Lakehouse:
    """The tables of one recipe below one folder (or in one catalog schema); every write goes through here.

    root: the folder, one table a subfolder. recipe: the owner's name, kept in every table's properties.
    catalog_schema: `catalog.schema` where a catalog holds the tables; None registers them by path in the session.
    """

    def __init__(self, spark: SparkSession, root: str, recipe: str, catalog_schema: str | None = None):
        self.spark = spark
        # Delta takes a relative location for a table's name
        self.root = root.rstrip("/") if ":" in root else str(Path(root).resolve())
        self.recipe = recipe
        self.catalog_schema = catalog_schema

    def path(self, table: str) -> str:
        return f"{self.root}/{TABLES[table].name}"

    def create(self) -> None:
        """Create what is missing, and register every table under its bare name in this session."""
        with _alone_in(local_root(self.root)), ThreadPoolExecutor(4) as pool:
            # a commit waits for the disk and the log, hardly for a core
            list(pool.map(self._create, TABLES.values()))
        self.register()

    def register(self) -> None:
        """Make every table known by its bare name; without a catalog as temporary views over the paths. Views are
        registered when asked for.
        """
        forget_views(self.spark)
        for name in TABLES:
            if self.catalog_schema:
                location = self.path(name)
                self.spark.sql(
                    f"create table if not exists {self.catalog_schema}.{name} using delta location '{location}'"
                )
            else:
                self.read(name).createOrReplaceTempView(name)
        if self.catalog_schema:
            catalog, schema = self.catalog_schema.split(".")
            self.spark.sql(f"use catalog {catalog}")
            self.spark.sql(f"use schema {schema}")

    def read(self, table: str) -> DataFrame:
        return self.spark.read.format("delta").load(self.path(table))

    def rows(self, table: str, rows: list[dict[str, Any]], run_id: str) -> DataFrame:
        """Rows made on the driver, with the table's types; a key that a row lacks is null."""
        columns = [column for column in TABLES[table].columns if column.name not in ("run_id", "created_at")]
        ddl = ", ".join(f"{column.name} {column.type}" for column in columns)
        return with_run(self.spark.createDataFrame(rows, ddl), run_id)

    def append(self, table: str, frame: DataFrame) -> None:
        """Append the rows in one commit. What must not be there twice, the caller takes out by an anti-join (`missing`)."""
        # No txnAppId: Delta would gather the table's state before each commit, which takes longer than the commit.
        frame.select(*TABLES[table].column_names).write.format("delta").mode("append").save(self.path(table))

    def replace(self, table: str, frame: DataFrame, where: str | None = None) -> None:
        """Replace the whole table, or the rows that meet `where`, in one commit."""
        self._refuse_pictures(table)
        writer = frame.select(*TABLES[table].column_names).write.format("delta").mode("overwrite")
        if where is not None:
            writer = writer.option("replaceWhere", where)
        writer.save(self.path(table))

    def merge_scores(self, frame: DataFrame) -> None:
        """Merge one row a picture into scores: what the new passes answered replaces the old answer, a null with its
        reason included.

        new.revisions names every score that was asked for; of the others the old value, reason and revision stay.
        """
        answered = "map_contains_key(new.revisions, '{}')"
        updates: dict[str, str | SqlColumn] = {
            column.name: f"case when {answered.format(column.name)} then new.{column.name} else old.{column.name} end"
            for column in IMAGE_SCORES
        }
        updates |= {name: f"coalesce(new.{name}, old.{name})" for name in ("phash", "mean_color")}
        updates |= {name: _newer(name) for name in ("reasons", "revisions")}
        updates |= {name: f"new.{name}" for name in ("seconds", "run_id", "created_at")}
        same = " and ".join(f"old.{name} = new.{name}" for name in ("task", "category", "style", "image_id"))
        (
            DeltaTable.forPath(self.spark, self.path("scores"))
            .alias("old")
            .merge(frame.select(*TABLES["scores"].column_names).alias("new"), same)
            .whenMatchedUpdate(set=updates)
            .whenNotMatchedInsertAll()
            .execute()
        )

    def missing(
        self, inputs: DataFrame, table: str, key: Iterable[str] | None = None, done: DataFrame | None = None
    ) -> DataFrame:
        """The input rows whose key is not in the table yet: the work to do. `done` narrows what counts as being there."""
        on = list(key or TABLES[table].key)
        rows = self.read(table) if done is None else done
        return inputs.join(rows.select(*on), on=on, how="left_anti")

    def version(self, table: str) -> int:
        """Of a folder here the name of the last commit's file says it; Spark takes a job."""
        if commits := sorted((local_table(self.root, table) / "_delta_log").glob(_COMMIT)):
            return int(commits[-1].stem)
        return int(DeltaTable.forPath(self.spark, self.path(table)).history(1).select("version").collect()[0][0])

    def properties(self, table: str) -> dict[str, str]:
        """The table's properties; none where it is not there yet."""
        path = self.path(table)
        if not DeltaTable.isDeltaTable(self.spark, path):
            return {}
        return dict(DeltaTable.forPath(self.spark, path).detail().select("properties").collect()[0][0])

    def _create(self, table: Table) -> None:
        # On this machine's disk the log's first file says it at once; Spark takes a job for each table.
        folder = local_table(self.root, table.name)
        if has_commits(folder):
            return
        # A run that was killed here left a log without a commit: Delta neither reads it nor makes the table.
        shutil.rmtree(folder / "_delta_log", ignore_errors=True)
        builder = DeltaTable.createIfNotExists(self.spark).location(self.path(table.name)).comment(table.comment)
        for column in table.columns:
            builder = builder.addColumn(column.name, column.type, nullable=not column.required, comment=column.comment)
        if table.partitioned_by:
            builder = builder.partitionedBy(*table.partitioned_by)
        for name, value in self._properties(table).items():
            builder = builder.property(name, value)
        builder.execute()

    def _properties(self, table: Table) -> dict[str, str]:
        indexed = [column.name for column in table.columns if _can_be_skipped(column, table)]
        properties = {
            "goldpan.recipe": self.recipe,
            "goldpan.schema_version": SCHEMA_VERSION,
            "delta.enableDeletionVectors": "false",
            "delta.dataSkippingStatsColumns": ",".join(indexed),
        }
        # As properties of the first commit, the constraints hold from version 0; ALTER TABLE would cost a commit each.
        properties |= {f"delta.constraints.{name}": condition for name, condition in table.checks}
        return properties | (IMAGE_PROPERTIES if "image" in table.column_names else {})

    @staticmethod
    def _refuse_pictures(table: str) -> None:
        if "image" in TABLES[table].column_names:
            raise ValueError(f"{table} holds pictures and is append-only; a take-down is a DELETE by id")


def _can_be_skipped(column: Column, table: Table) -> bool:
    """Whether Delta keeps minimum and maximum of the column a file: long texts and nested, boolean and binary ones
    would cost more than they save.
    """
    simple = column.type in ("string", "int", "bigint", "double", "timestamp")
    return simple and column.name not in (*table.unindexed, *table.partitioned_by)


@contextmanager
def _alone_in(folder: Path | None) -> Iterator[None]:
    """One process at a time makes the tables below the folder; another waits for it."""
    if folder is None:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _newer(name: str) -> str:
    return f"map_concat(map_filter(old.{name}, (k, v) -> not map_contains_key(new.revisions, k)), new.{name})"


def with_run(frame: DataFrame, run_id: str) -> DataFrame:
    """The frame with the two columns that every fact carries: run_id and created_at."""
    return frame.withColumn("run_id", F.lit(run_id)).withColumn("created_at", F.current_timestamp())
