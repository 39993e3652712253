"""Rounds of comparing: which prompt stands for which, over as many tasks as there are places to compare in.

A round first asks what is new among the kept: every open prompt is compared with those that live in the cells it
visits and with those that visit its own, and one that is like them is a duplicate. Then every place (a set that the guard makes, or a cell of a large one)
is gone through in order of precedence: a prompt like a kept one of its place is that one's duplicate, another is kept
there for now. Last, those that are kept for now visit the next nearest cells. One that meets no similar prompt ahead of
it is kept for good; one that meets a prompt so kept is its duplicate, whichever of the two visited the other. What is
left goes to the next round: prompts that met one whose own fate is open, and prompts that stood behind them.

So no duplicate stands for another, each is itself like the one that was kept, a prompt that was kept stays kept, and
nothing depends on how Spark cuts the rows. The first open prompt is decided in every round, so the rounds end; they are
few, because all that have nothing open like them before them are decided at once (greedy independent sets in a random
order take a logarithm of rounds: Fischer and Noever, SODA 2018; ids are hashes).
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

# Prompts; every pair of a smaller set is compared, which costs less than cells and their rounds: 25 MB of vectors and some
# seconds of one core.
WHOLE_SET = 16_384
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
    kept = fresh = placed.where("known")
    pending = placed.where("not known")
    compare = second_pass(similarity)
    while True:
        if not fresh.isEmpty():
            there, back = (
                _visits(*sides, tasks).mapInArrow(compare, schema=from_arrow_schema(NEAR))
                for sides in ((fresh, pending), (pending, fresh))
            )
            yield (gone := stored(_most_similar(there.unionByName(back))))
            pending = stored(pending.join(gone, "prompt_id", "left_anti"))
        places = _by_place(kept, pending, tasks)
        local = stored(places.mapInArrow(first_pass(similarity), schema=from_arrow_schema(LOCAL)))
        for_now = local.where(F.col("kept_id") == F.col("prompt_id")).where(F.col("cell") != NO_CELL)
        for_now = for_now.select(*PLACED.names)
        near = stored(_visits(for_now, for_now, tasks).mapInArrow(compare, schema=from_arrow_schema(NEAR)))
        met = stored(near.select(F.col("prompt_id").alias("kept_id")).distinct())
        yield local.join(met, "kept_id", "left_anti").select(*_ANSWER)
        if met.isEmpty():
            return
        fresh = stored(for_now.join(met, F.col("prompt_id") == F.col("kept_id"), "left_anti"))
        fresh = fresh.withColumn("known", F.lit(True))
        kept = kept.unionByName(fresh)
        yield (gone := stored(_most_similar(near.join(fresh.select(F.col("prompt_id").alias("other")), "other"))))
        left = local.join(met, "kept_id", "left_semi").select("prompt_id").join(gone, "prompt_id", "left_anti")
        pending = stored(pending.join(left, "prompt_id", "left_semi"))
        if pending.isEmpty():
            return


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


def _visits(hosts: DataFrame, guests: DataFrame, tasks: int) -> DataFrame:
    """The guests in the cells that they visit, with the hosts that live there, for the second pass."""
    columns = [name for name in PLACED.names if name != "cell"]
    inhabited = hosts.select("set", "cell").distinct()
    visitors = guests.select(*columns, F.explode("visits").alias("cell"), F.lit(True).alias("visitor"))
    visitors = visitors.join(inhabited, ["set", "cell"], "left_semi")
    visited = visitors.select("set", "cell").distinct()
    living = hosts.join(visited, ["set", "cell"], "left_semi").withColumn("visitor", F.lit(False))
    return _spread(living.unionByName(visitors), tasks)


def _most_similar(near: DataFrame) -> DataFrame:
    """One answer for each prompt that met a kept one."""
    best = near.groupBy("prompt_id").agg(F.max(F.struct("similarity", F.col("other").alias("kept_id"))).alias("best"))
    return best.select("prompt_id", "best.kept_id", "best.similarity")


def _spread(rows: DataFrame, tasks: int, *order: Column | str) -> DataFrame:
    """Every place whole in one task, place by place."""
    return rows.repartition(tasks, "set", "cell").sortWithinPartitions("set", "cell", *order)
