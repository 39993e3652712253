"""Rounds of comparing: which prompt stands for which, over as many tasks as there are places to compare in.

A round has two passes. The first goes through every place (a set that the guard makes, or a cell of a large one) in
order of precedence: a prompt like a kept one of its place is that one's duplicate, another is kept there for now. In
the second those that are kept for now visit the next nearest cells. One that meets nothing like it that comes before it
is kept for good. One that meets a prompt that is kept for good is its duplicate. What is left, few, goes to the next
round: prompts that met one whose own fate is open, and prompts whose keeper of the first pass was not kept.

So no duplicate stands for another, each is itself like the one that was kept, a prompt that was kept stays kept, and
nothing depends on how Spark cuts the rows. The first undecided prompt is decided in every round, so the rounds end.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from udfs.prompt_cells import CENTERS, SAMPLE_A_CELL, celling, training
from udfs.prompt_groups import LOCAL, NEAR, NO_CELL, PLACED, Vectors, first_pass, second_pass

WHOLE_SET = 4096  # prompts; every pair of a smaller set is compared, which costs less than finding cells
_ROWS_A_TASK = 20_000  # 30 MB of vectors; in the second pass as many visitors for each cell that is visited
_HASH_RANGE = 1 << 30
_ANSWER = ("prompt_id", "kept_id", "similarity")


def compared_in_places(placed: DataFrame, similarity: float, cells: int, probes: int) -> Iterator[DataFrame]:
    """PLACED, stored -> answers (prompt_id, kept_id, similarity; null: itself), for each prompt that is not known one.

    cells = 1 compares every pair of a set, however large it is.
    """
    tasks = max(placed.sparkSession.sparkContext.defaultParallelism, placed.count() // _ROWS_A_TASK)
    sizes = placed.groupBy("set").agg(F.count(F.lit(1)).alias("size")).where(F.col("size") > WHOLE_SET)
    if cells > 1 and not (large := stored(sizes)).isEmpty():
        yield from _rounds(_with_cells(placed, large, cells, probes), similarity, tasks)
        return
    places = _by_place(placed.where("known"), placed.where("not known"), tasks)
    yield stored(places.mapInArrow(first_pass(similarity), schema=from_arrow_schema(LOCAL)).select(*_ANSWER))


def _with_cells(placed: DataFrame, large: DataFrame, cells: int, probes: int) -> DataFrame:
    """PLACED -> PLACED, stored, with cells in the large sets."""
    found = _centers(placed, cells)
    marked = placed.join(F.broadcast(large), "set", "left")
    inside = marked.where("size is not null").select(*PLACED.names)
    celled = inside.mapInArrow(celling(found, probes), schema=from_arrow_schema(PLACED))
    return stored(marked.where("size is null").select(*PLACED.names).unionByName(celled))


def _rounds(placed: DataFrame, similarity: float, tasks: int) -> Iterator[DataFrame]:
    known, pending = placed.where("known"), placed.where("not known")
    while True:
        places = _by_place(known, pending, tasks)
        local = stored(places.mapInArrow(first_pass(similarity), schema=from_arrow_schema(LOCAL)))
        for_now = local.where(F.col("kept_id") == F.col("prompt_id")).where(F.col("cell") != NO_CELL)
        meetings = _visits(known, for_now, tasks)
        near = stored(meetings.mapInArrow(second_pass(similarity), schema=from_arrow_schema(NEAR)))
        if near.isEmpty():
            yield local.select(*_ANSWER)
            return
        met = near.select("prompt_id").distinct()
        good = stored(for_now.join(met, "prompt_id", "left_anti").select(*PLACED.names))
        gone = stored(_duplicates(near, good))
        lost = local.join(met.withColumnRenamed("prompt_id", "kept_id"), "kept_id", "left_semi")  # the met ones too
        yield local.join(lost.select("prompt_id"), "prompt_id", "left_anti").select(*_ANSWER)
        yield gone
        left = stored(lost.select("prompt_id").join(gone, "prompt_id", "left_anti"))
        if left.isEmpty():
            return
        known = known.unionByName(good.withColumn("known", F.lit(True)))
        pending = placed.join(left, "prompt_id", "left_semi")


def stored(frame: DataFrame) -> DataFrame:
    """Computed once, and kept on the executors' disks."""
    return frame.localCheckpoint(storageLevel=StorageLevel.DISK_ONLY)


def _centers(placed: DataFrame, cells: int) -> Vectors:
    """(k, d) centers, trained by one task on a sample of bounded size: by a hash of the id, so always the same one."""
    wanted = cells * SAMPLE_A_CELL
    share = min(1.0, wanted / placed.count())
    sample = placed.where(F.pmod(F.xxhash64("prompt_id"), F.lit(_HASH_RANGE)) < F.lit(int(share * _HASH_RANGE)))
    trained = sample.select("prompt_id", "vector").coalesce(1).mapInArrow(training(cells), from_arrow_schema(CENTERS))
    return np.array([row["center"] for row in trained.collect()], dtype=np.float32)


def _by_place(known: DataFrame, pending: DataFrame, tasks: int) -> DataFrame:
    """What lives in the places where something is pending, sorted for the first pass."""
    places = pending.select("set", "cell").distinct()
    rows = known.join(places, ["set", "cell"], "left_semi").select(*PLACED.names).unionByName(pending)
    return _spread(rows, tasks, F.desc("known"), "started", "prompt_id")


def _visits(known: DataFrame, for_now: DataFrame, tasks: int) -> DataFrame:
    """Prompts that are kept for now in the cells that they visit, with what lives there, sorted for the second pass."""
    columns = [name for name in PLACED.names if name != "cell"]
    guests = for_now.select(*columns, F.explode("visits").alias("cell"), F.lit(True).alias("visitor"))
    visited = guests.select("set", "cell").distinct()
    hosts = known.where(F.col("cell") != NO_CELL).join(visited, ["set", "cell"], "left_semi")
    hosts = hosts.unionByName(for_now.select(*PLACED.names)).withColumn("visitor", F.lit(False))
    return _spread(hosts.unionByName(guests), tasks)


def _duplicates(near: DataFrame, good: DataFrame) -> DataFrame:
    """The prompts that met one that is kept for good, with the most similar such one."""
    fixed = good.select(F.col("prompt_id").alias("other"), F.lit(True).alias("good"))
    certain = near.join(fixed, "other", "left").where("known or good")
    best = certain.groupBy("prompt_id").agg(
        F.max(F.struct("similarity", F.col("other").alias("kept_id"))).alias("best")
    )
    return best.select("prompt_id", "best.kept_id", "best.similarity")


def _spread(rows: DataFrame, tasks: int, *order: Column | str) -> DataFrame:
    """Every place whole in one task, place by place."""
    return rows.repartition(tasks, "set", "cell").sortWithinPartitions("set", "cell", *order)
