"""Photographs given -> rows of captions expected."""

from __future__ import annotations

from typing import Any

import pytest
from pyspark.sql import SparkSession

from conf.recipe import Run
from jobs import caption_photos
from jobs.launch import Context
from schemas.delta import Lakehouse, with_run
from schemas.tables import TABLES
from tests.recipes import small_recipe

PHOTOS = [
    ("p1", "a pagoda", "a red pagoda above a lake", "ok"),
    ("p2", "a flower", None, "ok"),
    ("p3", None, None, "ok"),
    ("p4", "never read", None, "error"),
]


def put(lakehouse: Lakehouse, run: str, photos: list[tuple[Any, ...]]) -> None:
    rows = [
        {
            "image_id": image_id, "source": "s", "source_id": image_id, "licence": "CC0-1.0", "source_caption": short,
            "source_long_caption": long, "image": b"x" if status == "ok" else None,
            "sha256": "h" if status == "ok" else None, "task": "none", "category": "none", "style": "none",
            "status": status,
        }
        for image_id, short, long, status in photos
    ]  # fmt: skip
    columns = [c for c in TABLES["photos"].columns if c.name not in ("run_id", "created_at")]
    full = [tuple(row.get(c.name) for c in columns) for row in rows]
    frame = lakehouse.spark.createDataFrame(full, ", ".join(f"{c.name} {c.type}" for c in columns))
    lakehouse.append("photos", with_run(frame, run))


def test_every_photograph_gets_its_sources_captions_once(
    spark: SparkSession, lakehouse: Lakehouse, capsys: pytest.CaptureFixture[str]
) -> None:
    put(lakehouse, "photos1", PHOTOS)
    recipe = small_recipe(lakehouse, run=Run(max_error_fraction=1))
    caption_photos.run(Context(spark, recipe, lakehouse, "run1"))
    rows = {row["image_id"]: row for row in lakehouse.read("captions").collect()}
    seen = {
        key: (row["status"], row["short_caption"], row["long_caption"], row["error_class"]) for key, row in rows.items()
    }
    assert seen == {
        "p1": ("ok", "a pagoda", "a red pagoda above a lake", None),
        "p2": ("ok", "a flower", "a flower", None),
        "p3": ("error", None, None, "NoCaptionError"),
    }
    assert {(row["model"], row["licence"], row["device"]) for row in rows.values()} == {
        ("source_text@1", "CC0-1.0", "cpu")
    }

    capsys.readouterr()
    version = lakehouse.version("captions")
    caption_photos.run(Context(spark, recipe, lakehouse, "run2"))
    assert "captions: nothing to do" in capsys.readouterr().out
    assert lakehouse.version("captions") == version

    put(lakehouse, "photos2", [("p5", "a hat", None, "ok")])
    caption_photos.run(Context(spark, recipe, lakehouse, "run3"))
    caption_photos.run(Context(spark, recipe, lakehouse, "run4", retry="errors"))
    later = {row["image_id"]: row["run_id"] for row in lakehouse.read("captions").where("run_id > 'run1'").collect()}
    assert later == {"p5": "run3", "p3": "run4"}
