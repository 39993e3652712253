"""Spark's SQL in DuckDB: the views, their types, and questions asked in Spark's dialect."""

from __future__ import annotations

import re
from collections.abc import Iterable

import duckdb
import sqlglot

from schemas.sql_views import view_texts, with_sources


def translate(text: str) -> str:
    """Spark SQL as DuckDB SQL."""
    return sqlglot.transpile(text, read="spark", write="duckdb")[0]


def duckdb_type(spark_type: str) -> str:
    """'array<string>' -> 'TEXT[]'"""
    return sqlglot.exp.DataType.build(spark_type, dialect="spark").sql(dialect="duckdb")


def register_views(connection: duckdb.DuckDBPyConnection, names: Iterable[str]) -> None:
    """The named views and what they read, where the session lacks them.

    Binding a view opens the files of every table below it, so a question gets its own views only.
    """
    texts = view_texts()
    there = {row[0] for row in connection.execute("select view_name from duckdb_views()").fetchall()}
    for name in with_sources(texts, names):
        if name not in there:
            connection.execute(f"create view {name} as {translate(texts[name])}")


def views_in(question: str) -> set[str]:
    """The views that a question may read: every word that is the name of one."""
    return set(re.findall(r"\w+", question.lower())) & set(view_texts())
