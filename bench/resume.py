"""Planning a resume of generate_images over a million pictures that are there: how long, and how much is read.

What is timed is what `--plan` does once Spark has started and the texts are known: which pictures are not there yet, in
their order, what failed before, and how long a picture took. Each round is a process of its own, with a JVM just started.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tempfile
from contextlib import redirect_stdout
from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from bench.pairs import ROUNDS, seconds
from conf.recipe import Recipe, load_recipe
from jobs.generate_images import requests
from jobs.launch import Context
from jobs.session import start_spark
from jobs.specs import generator_spec
from jobs.waves import run_waves, work_left
from schemas.delta import Lakehouse, with_run
from schemas.tables import STRATUM, TABLES

ROWS = 1_000_000
LEFT = 1_000  # of them not rendered yet
PICTURE = 512  # bytes of a picture
STRATA = ("colors", "counting", "none", "style")


def measure(spark: SparkSession) -> tuple[list[float], float, float]:
    """(seconds to plan, each round's; MB read for it, at most; MB of pictures in the table)."""
    recipe = load_recipe("conf/demo.yaml")
    with tempfile.TemporaryDirectory() as folder:
        house = Lakehouse(spark, str(Path(folder) / "lakehouse"), recipe.name)
        house.create()
        _fill(spark, house, recipe)
        command = [sys.executable, "-m", "bench.resume", house.root]
        rounds = [json.loads(subprocess.check_output(command, text=True).splitlines()[-1]) for _ in range(ROUNDS)]
        pictures = sum(file.stat().st_size for file in Path(house.path("images")).rglob("*.parquet"))
    read = max(round_["read"] for round_ in rounds)
    return [round_["seconds"] for round_ in rounds], read / 1e6, pictures / 1e6


def _round(root: str) -> None:
    """Plan in this process, once for the time and once for the bytes; its last line is JSON."""
    recipe = load_recipe("conf/demo.yaml")
    spark = start_spark("goldpan bench")
    context = Context(spark, recipe, Lakehouse(spark, root, recipe.name), "bench", plan=True)
    texts = spark.read.parquet(f"{root}/texts")
    generation = recipe.generation
    generator = generation.generators[0]
    spec = generator_spec(generator, generation.quality)

    def plan() -> None:
        wanted = requests(texts, generation, generator.name, spec, recipe.seed)
        done = context.lakehouse.read("images").select("image_id", "status")
        own = F.col("spec_id") == spec.spec_id
        run_waves(context, "images", work_left(wanted, done, ["image_id"], None), lambda wave: wave, alike=own)

    said = io.StringIO()
    with redirect_stdout(said):
        spent = seconds(plan)
        before = _read(spark)  # the first time the JVM reads its classes too
        plan()
    assert said.getvalue().startswith(f"images: {LEFT:,} pictures to do, 0 failed before"), said.getvalue()
    print(json.dumps({"seconds": spent, "read": _read(spark) - before}))
    spark.stop()


def _fill(spark: SparkSession, house: Lakehouse, recipe: Recipe) -> None:
    """images with ROWS pictures of the texts in the folder `texts`, whose other LEFT pictures are not there."""
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
    # bytes that no codec makes smaller
    noise = [F.unhex(F.sha2(F.concat("image_id", F.lit(str(part))), 256)) for part in range(PICTURE // 32)]
    wanted = requests(spark.read.parquet(stored), generation, generator.name, spec, recipe.seed)
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


if __name__ == "__main__":
    _round(sys.argv[1])
