"""Ask the lakehouse in SQL without Spark: DuckDB over the Delta files, tables and views by bare name. Writes nothing.

    python jobs/sql.py --config conf/demo.yaml --query "select * from funnel order by ordinal"

Without --query a prompt opens. The tables that people decide with are copies of the session: update them, ask again.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import duckdb
import sqlglot
from deltalake import DeltaTable

from conf.loading import RecipeError
from conf.recipe import load_recipe
from jobs.sql_prompt import ask, prompt
from schemas.sql_views import view_texts
from schemas.tables import TABLES, Table

# Small, and copied, so that a what-if changes nothing on disk.
COPIED = ("policies", "thresholds", "quotas", "reviews", "denylist")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", required=True, help="the recipe whose lakehouse is asked")
    parser.add_argument("--query", help="one question; its answer is printed")
    options = parser.parse_args()
    try:
        connection = open_lakehouse(load_recipe(options.config).lakehouse)
    except RecipeError as error:
        print(error, file=sys.stderr)
        return 2
    if options.query is None:
        prompt(connection)
        return 0
    answer = ask(connection, options.query)
    print(answer.text, file=sys.stdout if answer.ok else sys.stderr)
    return 0 if answer.ok else 1


def open_lakehouse(root: str) -> duckdb.DuckDBPyConnection:
    """A DuckDB session with the tables below `root` as they are now, and every view. RecipeError if nothing ran yet."""
    folder = Path(root.removeprefix("file:"))
    if not any((folder / name / "_delta_log").is_dir() for name in TABLES):
        raise RecipeError(f"{folder}: there is no lakehouse yet. Run `make demo` (or the jobs of this recipe) first.")
    connection = duckdb.connect(config={"python_enable_replacements": False})
    for table in TABLES.values():
        register_table(connection, table, folder / table.name)
    register_views(connection)
    return connection


def register_table(connection: duckdb.DuckDBPyConnection, table: Table, path: Path) -> None:
    """The Delta table at `path` under its bare name; a column, or a table, that is not there yet is there and empty."""
    if not (path / "_delta_log").is_dir():
        create_empty(connection, table)
        return
    # A dataset of Arrow has files, statistics and schema from the log: no file is opened before it is asked for.
    dataset = DeltaTable(path).to_pyarrow_dataset()
    connection.register(f"delta_{table.name}", dataset)
    there = set(dataset.schema.names)
    columns = [f'"{name}"' for name in dataset.schema.names]
    columns += [f'cast(null as {duckdb_type(c.type)}) as "{c.name}"' for c in table.columns if c.name not in there]
    what = "table" if table.name in COPIED else "view"
    connection.execute(f"create {what} {table.name} as select {', '.join(columns)} from delta_{table.name}")


def create_empty(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    """The table with all its columns and no row."""
    columns = ", ".join(f'"{column.name}" {duckdb_type(column.type)}' for column in table.columns)
    connection.execute(f"create table {table.name} ({columns})")


def register_views(connection: duckdb.DuckDBPyConnection) -> None:
    """Every view of schemas/views, translated from Spark's SQL."""
    for name, text in view_texts().items():
        connection.execute(f"create view {name} as {translate(text)}")


def translate(text: str) -> str:
    """Spark SQL as DuckDB SQL."""
    return sqlglot.transpile(text, read="spark", write="duckdb")[0]


def duckdb_type(spark_type: str) -> str:
    """'array<string>' -> 'TEXT[]'"""
    return sqlglot.exp.DataType.build(spark_type, dialect="spark").sql(dialect="duckdb")


if __name__ == "__main__":
    sys.exit(main())
