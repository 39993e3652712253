"""Candidates for tests: drawn pictures with their prompts in images, so that the real views show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from schemas.delta import Lakehouse, with_run
from schemas.sql_views import register_views
from schemas.tables import TABLES
from tests.tiny_scorers import drawn, jpeg
from udfs.atoms import Atom, atom


@dataclass(frozen=True)
class Shown:
    """One rendered picture: its id, bytes, and the prompt that asked for it."""

    image_id: str
    image: bytes = jpeg(drawn())
    text: str = "a red circle"
    atoms: tuple[Atom, ...] = (atom("object", "circle", "circle"), atom("color", "circle", "red"))
    task: str = "colors"
    category: str = "snow"
    style: str = "flat"


def show(spark: SparkSession, lakehouse: Lakehouse, pictures: Sequence[Shown], run_id: str = "rendered") -> None:
    """Append the pictures and their prompts, and the policy 'test' which counts them; register the views."""
    labels = [{"task": p.task, "category": p.category, "style": p.style} for p in pictures]
    prompts = [
        label
        | {
            "prompt_id": f"of_{p.image_id}",
            "text": p.text,
            "atoms": list(p.atoms),
            "source": "test",
            "writer": "test@1",
            "status": "ok",
        }
        for p, label in zip(pictures, labels, strict=True)
    ]
    images = [
        label
        | {"image_id": p.image_id, "prompt_id": f"of_{p.image_id}", "variant": "original", "regime": "square"}
        | {"generator": "tiny", "spec_id": "spec", "candidate": 0, "seed": 1, "text": p.text, "width": 64, "height": 64}
        | {
            "image": p.image,
            "sha256": "0",
            "status": "ok",
            "model": "tiny@1",
            "seconds": 0.1,
            "wave": 0,
        }
        for p, label in zip(pictures, labels, strict=True)
    ]
    append(spark, lakehouse, "prompts", prompts, run_id)
    append(spark, lakehouse, "images", images, run_id)
    policy = {
        "policy": "test",
        "best_by": "judge",
        "best_of": 1,
        "judge": "tiny_judge@1",
        "enhancer": "none",
        "captioner": "none",
    }
    if not lakehouse.read("policies").count():
        append(
            spark,
            lakehouse,
            "policies",
            [policy | {"generator_specs": ["spec"], "trainable_specs": ["spec"], "licences": [], "digest": "0"}],
            run_id,
        )
    register_views(spark)


def append(spark: SparkSession, lakehouse: Lakehouse, table: str, rows: list[dict[str, Any]], run_id: str) -> None:
    """Append rows given as dicts; a column that is not named is null."""
    columns = [column for column in TABLES[table].columns if column.name not in ("run_id", "created_at")]
    ddl = ", ".join(f"{column.name} {column.type}" for column in columns)
    values = [tuple(row.get(column.name) for column in columns) for row in rows]
    frame = spark.createDataFrame(values, ddl).withColumns(
        {"run_id": F.lit(run_id), "created_at": F.current_timestamp()}
    )
    lakehouse.append(table, with_run(frame, run_id))
