"""Planning a resume of generate_images over a million pictures that are there: how long, and how much is read."""

from __future__ import annotations

import tempfile
from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from bench.pairs import seconds
from conf.recipe import Recipe, load_recipe
from jobs.generate_images import requests
from jobs.specs import generator_spec
from jobs.waves import STRATUM_ORDER, numbered, work_left
from schemas.delta import Lakehouse, with_run
from schemas.tables import STRATUM, TABLES

ROWS = 1_000_000
LEFT = 1_000  # of them not rendered yet
PICTURE = 512  # bytes of a picture
STRATA = ("colors", "counting", "none", "style")


def measure(spark: SparkSession) -> tuple[float, float, float]:
    """(seconds to plan, MB read for it, MB of pictures in the table)."""
    recipe = load_recipe("conf/demo.yaml")
    with tempfile.TemporaryDirectory() as folder:
        house = Lakehouse(spark, str(Path(folder) / "lakehouse"), recipe.name)
        house.create()
        _fill(spark, house, recipe)
        texts = spark.table("bench_texts")
        spec = generator_spec(recipe.generation.generators[0], recipe.generation.quality)
        left = 0

        def plan() -> None:
            nonlocal left
            generator = recipe.generation.generators[0].name
            wanted = requests(texts, recipe.generation, generator, spec, recipe.seed)
            done = house.read("images").select("image_id", "status")
            _, left = numbered(work_left(wanted, done, ["image_id"], None), STRATUM_ORDER)

        store = Path(folder) / "lakehouse" / "images"
        before = _read(spark)
        spent = seconds(plan)
        assert left == LEFT, f"{left} pictures are left, {LEFT} expected"
        pictures = sum(file.stat().st_size for file in store.rglob("*.parquet"))
        return spent, (_read(spark) - before) / 1e6, pictures / 1e6


def _fill(spark: SparkSession, house: Lakehouse, recipe: Recipe) -> None:
    """images with ROWS pictures of the texts in the view bench_texts, whose other LEFT pictures are not there."""
    generation = recipe.generation
    generator = generation.generators[0]
    spec = generator_spec(generator, generation.quality)
    each = len(generation.regimes) * generation.candidates
    task = F.element_at(F.array(*[F.lit(name) for name in STRATA]), (F.col("id") % len(STRATA) + 1).cast("int"))
    texts = spark.range((ROWS + LEFT) // each).select(
        F.substring(F.sha2(F.col("id").cast("string"), 256), 1, 32).alias("prompt_id"),
        F.lit("original").alias("variant"),
        F.concat(F.lit("a red circle above blue squares, number "), "id").alias("text"),
        *(task.alias(name) for name in STRATUM),
    )
    stored = str(Path(house.root) / "texts")
    texts.write.parquet(stored)
    spark.read.parquet(stored).createOrReplaceTempView("bench_texts")
    # bytes that no codec makes smaller
    noise = [F.unhex(F.sha2(F.concat("image_id", F.lit(str(part))), 256)) for part in range(PICTURE // 32)]
    wanted = requests(spark.table("bench_texts"), generation, generator.name, spec, recipe.seed)
    rows = (
        wanted.orderBy("image_id")
        .limit(ROWS)
        .withColumns(
            {
                "image": F.concat(*noise),
                "sha256": F.sha2("image_id", 256),
                "generator": F.lit(generator.name),
                "spec_id": F.lit(spec.spec_id),
                "status": F.lit("ok"),
                "model": F.lit(f"{generator.name}@{spec.revision}"),
                "wave": F.lit(0),
            }
        )
    )
    lacking = {c.name: F.lit(None).cast(c.type) for c in TABLES["images"].columns if c.name not in rows.columns}
    house.append("images", with_run(rows.withColumns(lacking), "bench"))


def _read(spark: SparkSession) -> int:
    """Bytes that the JVM has read from files so far, its shuffles among them (Hadoop's own counts miss vectored reads)."""
    process = spark._jvm.java.lang.ProcessHandle.current().pid()  # type: ignore[union-attr]
    counts = dict(line.split(": ") for line in Path(f"/proc/{process}/io").read_text().splitlines())
    return int(counts["rchar"])
