"""Rows of a small lakehouse, written down shortly: what a test does not name gets a plain value."""

from __future__ import annotations

import datetime
import functools
from collections import defaultdict
from typing import Any

import duckdb
import pyarrow as pa

from jobs.sql import create_empty
from jobs.sql_translation import register_views
from schemas.sql_views import view_texts
from schemas.tables import PROMPT_SCORES, TABLES

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
JUDGE, ENHANCER, CAPTIONER, SPEC = "judge@1", "enhancer@1", "captioner@1", "spec1"
RESTRICTED = "spec of a generator whose output may train no model"
PLAIN: dict[str, Any] = {
    "string": "x",
    "double": 0.0,
    "int": 0,
    "bigint": 0,
    "boolean": True,
    "timestamp": NOW,
    "array<float>": [1.0],
    "array<string>": [],
}
GOOD_PROMPT = {column.name: 0.5 for column in PROMPT_SCORES}
CIRCLE = {"kind": "object", "subject": "circle", "value": "circle", "other": None}
RED = {"kind": "color", "subject": "circle", "value": "red", "other": None}


class World:
    """tables: table -> rows. Every method adds rows; `policy` p is there from the start."""

    def __init__(self, **policy: Any) -> None:
        self.tables: dict[str, list[dict[str, Any]]] = defaultdict(list)
        models: dict[str, Any] = {"judge": JUDGE, "enhancer": ENHANCER, "captioner": CAPTIONER}
        models |= {"generator_specs": [SPEC, RESTRICTED], "trainable_specs": [SPEC]}
        self.add("policies", **({"policy": "p", "best_by": "scene_detector", "best_of": 1, **models} | policy))

    def add(self, table: str, **values: Any) -> None:
        """A row; a required column that is not named gets a plain value, the labels `none`, the status ok."""
        row: dict[str, Any] = {}
        for column in TABLES[table].columns:
            if column.name in values:
                row[column.name] = values.pop(column.name)
            elif column.name in ("task", "category", "style"):
                row[column.name] = "none" if column.required else None
            elif column.name == "status":
                row[column.name] = "ok"
            else:
                row[column.name] = PLAIN[column.type] if column.required else None
        assert not values, f"{table} has no column {sorted(values)}"
        self.tables[table].append(row)

    def prompt(self, prompt_id: str, atoms: list[dict[str, Any]] | None = None, **labels: Any) -> None:
        """A prompt that was compared, kept and screened."""
        self.add("prompts", prompt_id=prompt_id, text=f"text of {prompt_id}", atoms=atoms, **labels)
        self.add("prompt_duplicates", prompt_id=prompt_id, kept_id=prompt_id)
        self.add("prompt_scores", prompt_id=prompt_id, **GOOD_PROMPT)

    def enhanced(
        self, prompt_id: str, model: str = ENHANCER, atoms: list[dict[str, Any]] | None = None, **scores: Any
    ) -> None:
        text = f"enhanced text of {prompt_id}"
        self.add("enhanced_prompts", prompt_id=prompt_id, model=model, text=text, atoms=atoms, **(GOOD_PROMPT | scores))

    def picture(self, image_id: str, prompt_id: str = "p1", **values: Any) -> None:
        """A rendered picture of the policy's generator with a file of its own; its scores are `score`'s matter."""
        variant = values.get("variant", "original")
        text = f"{'enhanced text' if variant == 'enhanced' else 'text'} of {prompt_id}"
        plain = {
            "variant": variant,
            "regime": "square",
            "generator": "g",
            "spec_id": SPEC,
            "text": text,
            "licence": "Apache-2.0",
        }
        size = {"width": 64, "height": 64, "image": b"jpeg " + image_id.encode(), "sha256": f"sha of {image_id}"}
        self.add("images", **({"image_id": image_id, "prompt_id": prompt_id, **plain, **size} | values))

    def score(
        self,
        image_id: str,
        reasons: dict[str, str] | None = None,
        labels: dict[str, str] | None = None,
        **scores: Any,
    ) -> None:
        self.add("scores", image_id=image_id, reasons=reasons or {}, revisions={}, **(labels or {}), **scores)

    def photograph(self, image_id: str, caption: str | None = "a lake", model: str = CAPTIONER, **values: Any) -> None:
        size = {"width": 640, "height": 427, "image": b"photo " + image_id.encode(), "sha256": f"sha of {image_id}"}
        self.add("photos", **({"image_id": image_id, "source": "shelf", "licence": "CC0-1.0", **size} | values))
        if caption is not None:
            self.add(
                "captions", image_id=image_id, model=model, short_caption=caption, long_caption=f"{caption}, at length"
            )

    def answer(self, image_id: str, question: str, answer: float | None, model: str = JUDGE) -> None:
        """A judge's answer; None: an error."""
        status = "error" if answer is None else "ok"
        self.add("judgements", image_id=image_id, question=question, answer=answer, status=status, model=model)

    def gate(
        self,
        gate: str,
        kind: str = "generated",
        minimum: float | None = None,
        maximum: float | None = None,
        **labels: Any,
    ) -> None:
        self.add("thresholds", policy="p", gate=gate, kind=kind, minimum=minimum, maximum=maximum, **labels)

    def in_duckdb(self) -> duckdb.DuckDBPyConnection:
        """The session with these rows, and no others, as tables, and every view."""
        connection = _session()
        for name in TABLES:
            connection.execute(f"delete from {name}")
            insert(connection, name, self.tables[name])
        return connection

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        return self.in_duckdb().execute(query).fetchall()


@functools.cache
def _session() -> duckdb.DuckDBPyConnection:
    """Made once a run: binding views over views takes longer than any question of a test."""
    connection = duckdb.connect()
    for table in TABLES.values():
        create_empty(connection, table)
    register_views(connection, view_texts())
    return connection


def insert(connection: duckdb.DuckDBPyConnection, table: str, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    schema = connection.sql(f"select * from {table}").to_arrow_table().schema
    maps = [field.name for field in schema if pa.types.is_map(field.type)]
    plain = [row | {name: None if row[name] is None else list(row[name].items()) for name in maps} for row in rows]
    connection.register("incoming", pa.Table.from_pylist(plain, schema))
    connection.execute(f"insert into {table} select * from incoming")
    connection.unregister("incoming")
