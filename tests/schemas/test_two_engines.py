"""One text, two engines: every view gives the same rows on Spark and on DuckDB, over the same Delta files."""

from __future__ import annotations

import datetime
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from pyspark.sql import Row, SparkSession

from jobs.sql import open_lakehouse
from schemas.delta import Lakehouse
from schemas.sql_views import register_views, view_texts
from schemas.tables import TABLES
from tests.schemas.world import CIRCLE, NOW, RED, World

ADAPTIVE = "spark.sql.adaptive.enabled"
SHARED = ("prompt_checks", "candidates", "image_checks", "image_decisions")


def rich_world() -> World:
    """Something of everything that the views tell apart."""
    world = World(licences=["CC0-1.0"], best_by="judge")
    labels: dict[str, Any] = {"category": "snow"}
    snow: dict[str, Any] = labels | {"style": "flat"}
    world.prompt("p1", [CIRCLE, RED], **snow)
    world.prompt("p2", None, task="colors")
    world.prompt("short", [CIRCLE])
    world.prompt("copy")
    world.add("prompts", prompt_id="new", text="new", writer="llm@1", template="tags")
    for status, text in (("error", None), ("ok", "mended")):
        world.add("prompts", prompt_id="mended", writer="llm@1", template="tags", status=status, text=text, seconds=0.5)
    world.add(
        "prompts", prompt_id="refused", writer="llm@1", template="tags", status="error", error_class="RefusedError"
    )
    world.add("prompt_plan", writer="llm@1", template="tags", asked=5)
    world.add("prompt_plan", writer="grammar@1", template="tags", asked=2)
    world.tables["prompt_duplicates"][3] |= {"kept_id": "p1", "reason": "exact", "similarity": 0.99}
    world.tables["prompt_scores"][2] |= {"prompt_words": 0.1, "prompt_language": None, "seconds": 0.5}
    world.enhanced("p1", atoms=[CIRCLE, RED])
    world.enhanced("p2", prompt_words=0.1)
    world.enhanced("p2", model="another@1")
    world.enhanced(
        "p1", atoms=[CIRCLE], prompt_words=7.0, created_at=NOW + datetime.timedelta(hours=1)
    )  # screened again
    for kind in ("prompt", "generated", "photograph"):
        world.gate(
            {"prompt": "prompt_words"}.get(kind, "blur"), kind, minimum=0.2 if kind == "prompt" else None, maximum=0.6
        )
    world.gate("prompt_language", "prompt", minimum=0.3)
    world.gate("blur", maximum=0.4, **snow)
    world.gate("entropy", minimum=0.123456)
    world.gate("judge", minimum=0.3)
    world.gate("judge_weakest", minimum=0.05)
    world.add("quotas", policy="p", at_most=1)
    world.add("quotas", policy="p", at_most=2, **labels)
    blurs = [0.1, 0.1, 0.2, 0.2, 0.3, 0.5, 0.5, None]
    for n, blur in enumerate(blurs):
        for prompt_id, names in (("p1", snow), ("p2", {"task": "colors"}), ("short", {})):
            for variant in ("original", "enhanced") if prompt_id == "p1" else ("original",):
                image_id = f"{prompt_id}_{variant}_{n}"
                world.picture(
                    image_id,
                    prompt_id,
                    variant=variant,
                    generator=f"g{n % 2}",
                    candidate=n,
                    seconds=1.5,
                    model="g@1",
                    **names,
                )
                reasons = {"blur": "too small"} if blur is None else {}
                world.score(image_id, reasons, labels=names, blur=blur, entropy={3: 0.12, 5: 0.12345}.get(n, 2.0))
                world.add("image_duplicates", image_id=image_id, group_id=f"p1_{variant}_0" if n < 2 else image_id)
                if n not in (4, 7):
                    world.answer(image_id, "q0", 0.9 if n else 0.0)
                    world.answer(image_id, "q1", None if n == 2 else 0.1 * n)
    world.answer("p1_original_2", "q1", 0.5)
    world.picture("failed", status="error", image=None, sha256=None, error_class="ValueError", error_message="black")
    world.picture("failed", seconds=1.0)
    world.picture(
        "failed_for_good", status="error", image=None, sha256=None, error_class="ValueError", error_message="black"
    )
    world.photograph("photo")
    world.photograph("gpl", licence="GPL-2.0")
    world.photograph("uncaptioned", caption=None)
    world.score("photo", blur=0.2)
    world.score("gpl", blur=0.9)
    world.add("photos", image_id="broken", status="error", error_class="OSError", error_message="truncated")
    world.add("captions", image_id="photo", model="captioner@2", status="error", error_class="ValueError")
    world.add("enhanced_prompts", prompt_id="short", model="enhancer@1", status="error", error_class="ValueError")
    world.add("raw_scores", **{"image_id": "photo", "pass": "1"}, seconds=2.0, values={"blur": 0.2})
    world.add("raw_scores", **{"image_id": "gpl", "pass": "1"}, status="error", error_class="OSError")
    later = NOW + datetime.timedelta(hours=1)
    world.add("reviews", image_id="p1_original_3", verdict="reject", reviewer="ann")
    world.add("reviews", image_id="p1_original_3", verdict="keep", reviewer="bob", created_at=later)
    world.add("reviews", image_id="p2_original_3", verdict="reject", reviewer="ann")
    world.add("denylist", kind="sha256", value="sha of p2_original_5", reason="taken down")
    world.add("denylist", kind="prompt_id", value="short", reason="a name")
    return world


@pytest.fixture(scope="module")
def engines(
    spark: SparkSession, lakehouse_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[SparkSession, duckdb.DuckDBPyConnection]]:
    """Both engines over one lakehouse; one of its tables was written before and after a column came."""
    root = tmp_path_factory.mktemp("engines") / "lakehouse"
    lakehouse = filled(spark, lakehouse_template, root, rich_world())
    spark.sql(f"alter table delta.`{lakehouse.path('images')}` add columns (upscaler string)")
    last = rich_world().tables["images"][0] | {"image_id": "newest", "sha256": "newest", "candidate": 99}
    spark.createDataFrame([last], TABLES["images"].ddl).write.format("delta").mode("append").save(
        lakehouse.path("images")
    )
    lakehouse.register()
    before = str(spark.conf.get(ADAPTIVE))
    spark.conf.set(ADAPTIVE, "false")  # a view over views is planned for seconds, and adaptively at every stage
    register_views(spark)
    for view in SHARED:
        spark.catalog.cacheTable(view)
    yield spark, open_lakehouse(str(root))
    spark.catalog.clearCache()
    spark.conf.set(ADAPTIVE, before)


def filled(spark: SparkSession, template: Path, root: Path, world: World) -> Lakehouse:
    shutil.copytree(template, root)
    lakehouse = Lakehouse(spark, str(root), "test")
    for name, rows in world.tables.items():
        if rows:
            lakehouse.append(name, spark.createDataFrame(rows, TABLES[name].ddl).coalesce(1))
    return lakehouse


@pytest.mark.parametrize("view", view_texts())
def test_a_view_is_the_same_on_both(view: str, engines: tuple[SparkSession, duckdb.DuckDBPyConnection]) -> None:
    spark, connection = engines
    frame = spark.table(view)
    result = connection.execute(f"select * from {view}")
    assert [name for name, *_ in result.description] == frame.columns
    on_duckdb = [dict(zip(frame.columns, map(plain, row), strict=True)) for row in result.fetchall()]
    on_spark = [{name: plain(value) for name, value in row.asDict().items()} for row in frame.collect()]
    assert on_spark, f"{view} has no row in the rich world: nothing is compared"
    assert sorted(on_spark, key=repr) == sorted(on_duckdb, key=repr)


def plain(value: Any) -> Any:
    """A value as both engines say it: rows as dicts, bytes as bytes, floats to 12 digits, times in UTC."""
    if isinstance(value, Row):
        return {key: plain(item) for key, item in value.asDict().items()}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in sorted(value.items())}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, bytearray):
        return bytes(value)
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.UTC).replace(tzinfo=None) if value.tzinfo else value
    if isinstance(value, float) and math.isfinite(value):
        return float(f"{value:.12g}")
    return value


def test_the_rich_world_meets_every_step_of_the_funnel(engines: tuple[SparkSession, duckdb.DuckDBPyConnection]) -> None:
    _, connection = engines
    rows = connection.execute("select distinct step from funnel where fail > 0").fetchall()
    assert {row[0] for row in rows} == {
        "duplicates",
        "gate",
        "denied",
        "licence",
        "review",
        "best of n",
        "quota",
        "text",
    }


def test_a_query_without_the_picture_reads_no_picture(spark: SparkSession, lakehouse: Lakehouse) -> None:
    register_views(spark)

    def read(view: str, *columns: str) -> bool:
        frame = spark.table(view).select(*columns) if columns else spark.table(view)
        return "image:binary" in frame._jdf.queryExecution().executedPlan().toString()

    assert read("candidates")
    assert not read("candidates", "image_id", "atoms")
    assert not read("training_set")
