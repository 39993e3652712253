"""Ask the lakehouse in SQL without Spark: DuckDB over the Delta files, tables and views by bare name. Writes nothing.

    python jobs/sql.py --config conf/demo.yaml --query "select * from funnel order by ordinal"

Without --query a prompt opens. The tables that people decide with are copies of the session: update them, ask again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

import duckdb
from deltalake import DeltaTable

from conf.loading import RecipeError
from conf.recipe import load_recipe
from jobs.sql_prompt import ask, prompt
from jobs.sql_translation import duckdb_type, register_views
from schemas.folders import has_commits, local_root
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
        connection = open_lakehouse(load_recipe(options.config).lakehouse, views=())
    except RecipeError as error:
        print(error, file=sys.stderr)
        return 2
    if options.query is None:
        prompt(connection)
        return 0
    answer = ask(connection, options.query)
    print(answer.text, file=sys.stdout if answer.ok else sys.stderr)
    return 0 if answer.ok else 1


def open_lakehouse(root: str, views: Iterable[str] | None = None) -> duckdb.DuckDBPyConnection:
    """A DuckDB session with the tables below `root` as they are now, and the views (None: all). RecipeError if nothing ran."""
    folder = local_root(root)
    if folder is None:
        raise RecipeError(
            f"{root}: `make sql` reads a lakehouse in a folder of this machine only. Ask this one in Spark SQL."
        )
    if not any(has_commits(folder / name) for name in TABLES):
        raise RecipeError(f"{folder}: there is no lakehouse yet. Run `make demo` (or the jobs of this recipe) first.")
    connection = duckdb.connect(config={"python_enable_replacements": False})
    connection.execute("set timezone = 'UTC'")
    for table in TABLES.values():
        register_table(connection, table, folder / table.name)
    register_views(connection, view_texts() if views is None else views)
    return connection


def register_table(connection: duckdb.DuckDBPyConnection, table: Table, path: Path) -> None:
    """The Delta table at `path` under its bare name; a column, or a table, that is not there yet is there and empty."""
    files = DeltaTable(path).file_uris() if has_commits(path) else []
    if not files:
        create_empty(connection, table)
        return
    types = {column.name: duckdb_type(column.type) for column in table.columns}
    typed = ", ".join(f'cast("{name}" as {kind}) as "{name}"' for name, kind in types.items())
    nulls = ", ".join(f'cast(null as {kind}) as "{name}"' for name, kind in types.items())
    names = ", ".join(f'"{name}"' for name in types)
    rows = f"select * from {read_parquet(files, table.partitioned_by)} union all by name select {nulls} where false"
    what = "table" if table.name in COPIED else "view"
    connection.execute(f"create {what} {table.name} as select {typed}, * exclude ({names}) from ({rows})")


def read_parquet(files: list[str], partitioned_by: tuple[str, ...]) -> str:
    """The rows of Delta's live files; the labels are read from the folders' names, a column that came later is null."""
    listed = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
    options = "union_by_name = true, hive_partitioning = false"
    if partitioned_by:
        kinds = ", ".join(f"{name}: varchar" for name in partitioned_by)
        options = f"union_by_name = true, hive_partitioning = true, hive_types = {{{kinds}}}"
    return f"read_parquet([{listed}], {options})"


def create_empty(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    """The table with all its columns and no row."""
    columns = ", ".join(f'"{column.name}" {duckdb_type(column.type)}' for column in table.columns)
    connection.execute(f"create table {table.name} ({columns})")


if __name__ == "__main__":
    sys.exit(main())
