"""The scoring loop inside Spark against the same models in two bare processes over the same bytes.

Ours is the whole job of a wave: read the pictures from Parquet, score, append to a Delta table. The baseline has its
pictures in memory already and keeps nothing.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from bench.pairs import Pair, paired
from bench.pictures import jpegs
from conf.recipe import load_recipe
from jobs.score_images import scored
from jobs.scoring import scorer_set, scorer_specs
from schemas.delta import IMAGE_PROPERTIES
from udfs.atoms import atom
from udfs.scorers.fused import ScorerSet

PROCESSES = 2
PICTURES = 2_560  # about as long as a wave or two
SIDE = 512  # pixels
SCORERS = ("technical", "clip_scenes", "scene_detector", "nsfw_opennsfw")


def measure(spark: SparkSession) -> Pair:
    recipe = load_recipe("conf/demo.yaml")
    scorers = scorer_set(recipe, scorer_specs(recipe), SCORERS)
    atoms = [atom("object", "circle", "circle"), atom("color", "circle", "red")]
    labels = {"task": "colors", "category": "snow", "style": "flat"}
    rows = [
        labels | {"image_id": f"{number:032x}", "image": image, "text": "a red circle", "atoms": atoms}
        for number, image in enumerate(jpegs(PICTURES, SIDE))
    ]
    with tempfile.TemporaryDirectory() as folder:
        stored, few, table = (str(Path(folder) / name) for name in ("pictures", "few", "raw_scores"))
        kinds = "array<struct<kind: string, subject: string, value: string, other: string>>"
        ddl = f"image_id string, image binary, text string, atoms {kinds}, task string, category string, style string"
        for path, some in ((stored, rows), (few, rows[: scorers.batch_size * PROCESSES])):
            frame = spark.createDataFrame([{**row} for row in some], ddl).repartition(PROCESSES)
            frame.write.options(**IMAGE_PROPERTIES).parquet(path)  # as they lie in the table images
            partitions = spark.read.parquet(path).rdd.getNumPartitions()
            assert partitions == PROCESSES, f"{partitions} tasks"

        def in_spark(path: str = stored) -> None:
            scored(spark.read.parquet(path), scorers).write.format("delta").mode("append").save(table)

        # Spark ends a Python worker that idles for a minute, as it does in two rounds of the baseline.
        with Bare(scorers, rows) as bare:
            return paired(in_spark, bare.run, warm_up=lambda: in_spark(few))


class Bare:
    """Processes with the model loaded and their share of the pictures in memory; `run` scores all of them once."""

    def __init__(self, scorers: ScorerSet, rows: list[dict[str, Any]]):
        context = multiprocessing.get_context("spawn")
        os.environ["OMP_NUM_THREADS"] = "1"  # as Spark's workers have it
        self.pipes, self.workers = [], []
        for number in range(PROCESSES):
            ours, theirs = context.Pipe()
            worker = context.Process(target=_loop, args=(theirs, scorers, rows[number::PROCESSES]), daemon=True)
            worker.start()
            self.pipes.append(ours)
            self.workers.append(worker)

    def run(self) -> None:
        for pipe in self.pipes:
            pipe.send("go")
        done = sum(pipe.recv() for pipe in self.pipes)
        assert done == PICTURES, f"{done} of {PICTURES} pictures scored"

    def __enter__(self) -> Bare:
        return self

    def __exit__(self, *error: object) -> None:
        for worker in self.workers:
            worker.kill()
            worker.join()


def _loop(pipe: Connection, scorers: ScorerSet, rows: list[dict[str, Any]]) -> None:
    model = scorers.load("cpu")
    while pipe.recv():
        done = 0
        for start in range(0, len(rows), scorers.batch_size):
            batch = rows[start : start + scorers.batch_size]
            results = model.run([model.prepare(row) for row in batch])
            done += len([model.finish(row, result) for row, result in zip(batch, results, strict=True)])
        pipe.send(done)
