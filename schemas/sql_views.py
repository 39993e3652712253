"""The views that decide: schemas/views/*.sql in the order in which they read each other, for every engine."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
from importlib.resources import files
from typing import TYPE_CHECKING

from schemas.tables import TABLES

if TYPE_CHECKING:  # readers without a JVM do not wait for it
    from pyspark.sql import SparkSession

_SOURCE = re.compile(r"\b(?:from|join)\s+([a-z_][a-z0-9_]*)")
_CTE = re.compile(r"(?:\bwith|,)\s+([a-z_][a-z0-9_]*)\s+as\s*\(")
# Spark keeps common table expressions as nodes and inlines them again in every later analysis and query; put in their
# place at once they cost nothing more. The policies differ in nested ones only, and no view nests them.
_CTE_POLICY = "spark.sql.legacy.ctePrecedencePolicy"
_NOISE = re.compile(r"--[^\n]*|'[^']*'")


def view_texts() -> dict[str, str]:
    """Name -> SQL of every view, a view after all those that it reads.

    ValueError where a view reads an unknown name, or where views read each other in a circle.
    """
    folder = files("schemas") / "views"
    texts = {
        entry.name.removesuffix(".sql"): entry.read_text(encoding="utf-8")
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".sql")
    }
    return in_order(texts, TABLES)


def in_order(texts: dict[str, str], tables: Iterable[str]) -> dict[str, str]:
    """`texts` sorted by what they read; the same errors as `view_texts`. Always the same order."""
    known = set(tables)
    sources = {name: sorted(_sources(name, text, known | set(texts)) - known) for name, text in texts.items()}
    try:
        order = [*TopologicalSorter(sources).static_order()]
    except CycleError as error:
        circle = " -> ".join(error.args[1])
        raise ValueError(
            f"schemas/views: the views {circle} read each other in a circle; let one of them read tables only"
        ) from None
    return {name: texts[name] for name in order}


def register_views(spark: SparkSession, names: Iterable[str] | None = None) -> None:
    """Make views temporary views of the session: all, or those named and what they read, where the session lacks them.

    The tables must be known by their bare names (Lakehouse.register). A view is kept as its analysed plan: kept as
    text, Spark would analyse it anew, and all views below it, wherever it is read.
    """
    texts = view_texts()
    lacking = [name for name in (texts if names is None else names) if not spark.catalog.tableExists(name)]
    before = str(spark.conf.get(_CTE_POLICY, "CORRECTED"))
    spark.conf.set(_CTE_POLICY, "LEGACY")
    try:
        for name in with_sources(texts, lacking):
            if not spark.catalog.tableExists(name):
                spark.sql(texts[name]).createOrReplaceTempView(name)
    finally:
        spark.conf.set(_CTE_POLICY, before)


def forget_views(spark: SparkSession) -> None:
    """Drop the session's temporary views: they read the tables that were registered before."""
    for name in view_texts():
        spark.catalog.dropTempView(name)


def publish_views(spark: SparkSession) -> None:
    """Make every view persistent in the session's current schema, beside its tables."""
    for name, text in view_texts().items():
        spark.sql(f"create or replace view {name} as\n{text}")


def with_sources(texts: dict[str, str], names: Iterable[str]) -> list[str]:
    """Of `texts` (in order, as view_texts gives them) the `names` and every view that they read, directly or not."""
    needed = set(names)
    for name in reversed(texts):  # in order: a view stands after all that it reads
        if name in needed:
            needed |= _sources(name, texts[name], set(TABLES) | set(texts)) & set(texts)
    return [name for name in texts if name in needed]


def _sources(name: str, text: str, known: set[str]) -> set[str]:
    """The tables and views that a text reads; its own common table expressions are none."""
    plain = _NOISE.sub(" ", text)
    read = set(_SOURCE.findall(plain)) - set(_CTE.findall(plain))
    for source in sorted(read - known):
        near = difflib.get_close_matches(source, sorted(known), n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"schemas/views/{name}.sql reads {source!r}, which is neither a table, nor a view, nor one of its own"
            f" common table expressions.{hint} Tables: {', '.join(sorted(TABLES))}."
        )
    return read
