"""scores -> image_duplicates: one row a scored picture, with the group of pictures that look the same.

Two pictures look the same when their perceptual hashes differ in at most 6 of 64 bits and their color grids by at
most 12 of 255 on average (the hash ignores hue). A group is everything that such pairs connect.
"""

from __future__ import annotations

from contextlib import nullcontext
from itertools import combinations, pairwise

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from jobs.launch import Context, main
from jobs.lock import table_lock
from schemas.delta import with_run

HASH_DISTANCE = 6  # bits, the usual cut for a 64-bit pHash
# levels; of the demo's generated pictures within 6 bits those that look the same differ by 1 to 11, equal forms in
# red and green by 26
COLOR_DISTANCE = 12.0
_HASH_BITS = 64
_FACTS = ("group_id", "phash_distance", "color_distance")


def run(context: Context) -> None:
    scores = context.lakehouse.read("scores").where("phash is not null")
    scored = scores.select("image_id", "phash", "mean_color", _compared().alias("now"))
    with nullcontext() if context.plan else table_lock(context, "image_duplicates"):
        rows = context.lakehouse.read("image_duplicates")
        known = rows.select("image_id", *_FACTS, "compared")
        both = scored.join(known, "image_id", "full")
        fresh, gone, changed = both.agg(
            F.count_if(F.col("compared").isNull()),
            F.count_if(F.col("now").isNull()),
            F.count_if(F.col("now") != F.col("compared")),
        ).collect()[0]
        # What a picture that is gone, or that has another hash now, held together falls apart.
        anew = gone > 0 or changed > 0
        if context.plan:
            total = scored.count()
            todo = f"all {total:,} would be grouped anew" if anew else f"they would be compared with all {total:,}"
            context.say(f"image_duplicates: {fresh:,} pictures not compared yet; {todo}")
        elif not fresh and not anew:
            context.say("image_duplicates: nothing to do")
        else:
            pictures = both.where("now is not null").drop("now", "compared")
            if anew:
                pictures = pictures.withColumns(
                    {name: F.lit(None).cast(known.schema[name].dataType) for name in _FACTS}
                )
            context.lakehouse.replace("image_duplicates", with_run(grouped(pictures), context.run_id))
            context.say(_summary(context.lakehouse.read("image_duplicates")))


def grouped(pictures: DataFrame) -> DataFrame:
    """image_id, phash, mean_color, group_id, phash_distance, color_distance -> image_id, the last three and `compared`.

    The three: null for a fresh picture; for the others what this gave for all of them together. Only fresh ones
    are compared, with all, and the rows are those that comparing all with all would give.
    """
    # pictures with equal hash and color are one node: a thousand equal frames must not become half a million pairs
    nodes = pictures.groupBy("phash", "mean_color").agg(
        F.min("image_id").alias("node"), F.count("*").alias("pictures"), *[F.min(name).alias(name) for name in _FACTS]
    )
    nodes = nodes.localCheckpoint()
    known = nodes.where("group_id is not null")
    pairs = near_pairs(nodes.where("group_id is null"), nodes).localCheckpoint()
    # one pair with the first of its group does for a node what all the pairs did that made the group
    first = F.min("node").over(Window.partitionBy("group_id"))
    held = known.select(F.col("node").alias("a"), first.alias("b")).where("a <> b")
    labels = components(pairs.select("a", "b").unionByName(held))
    distances = ("phash_distance", "color_distance")
    ends = pairs.select(F.col("a").alias("node"), *distances).unionByName(
        pairs.select(F.col("b").alias("node"), *distances)
    )
    ends = ends.unionByName(known.where("phash_distance is not null").select("node", *distances))
    nearest = ends.groupBy("node").agg(F.min(F.struct(*distances)).alias("nearest"))
    rows = (
        pictures.select("image_id", "phash", "mean_color")
        .join(nodes.select("phash", "mean_color", "node", "pictures"), ["phash", "mean_color"])
        .join(labels, "node", "left")
        .join(nearest, "node", "left")
    )
    several = F.col("pictures") > 1
    return rows.select(
        "image_id",
        F.coalesce("label", "node").alias("group_id"),
        F.when(several, F.lit(0)).otherwise(F.col("nearest.phash_distance")).cast("int").alias("phash_distance"),
        F.when(several, F.lit(0.0)).otherwise(F.col("nearest.color_distance")).alias("color_distance"),
        _compared().alias("compared"),
    )


def _compared() -> Column:
    return F.xxhash64("phash", "mean_color")


def near_pairs(some: DataFrame, nodes: DataFrame) -> DataFrame:
    """node, phash, mean_color of some nodes and of all -> a < b, phash_distance, color_distance of every pair that has
    one of `some` and is within both limits; only pairs that share two bands meet."""
    met = _banded(some).toDF("one", "one_bits", "bands", "value")
    met = met.join(_banded(nodes).toDF("other", "other_bits", "bands", "value"), ["bands", "value"])
    distance = F.bit_count(F.col("one_bits").bitwiseXOR(F.col("other_bits")))
    close = (
        met.where((F.col("one") != F.col("other")) & (distance <= HASH_DISTANCE))
        .select(
            F.least("one", "other").alias("a"), F.greatest("one", "other").alias("b"), distance.alias("phash_distance")
        )
        .distinct()
    )
    colors = nodes.select(F.col("node"), "mean_color")
    colored = close.join(colors.toDF("a", "a_color"), "a").join(colors.toDF("b", "b_color"), "b")
    apart = colored.withColumn("color_distance", _mean_difference("a_color", "b_color"))
    return apart.where(F.col("color_distance") <= COLOR_DISTANCE).select("a", "b", "phash_distance", "color_distance")


def components(pairs: DataFrame) -> DataFrame:
    """a, b -> node, label: the smallest node that it is connected with. Labels sink along the pairs, and to their
    label's label, until none moves."""
    ends = (
        pairs.select("a", "b").unionByName(pairs.select(F.col("b").alias("a"), F.col("a").alias("b"))).localCheckpoint()
    )
    labels = ends.select(F.col("a").alias("node")).distinct().withColumn("label", F.col("node")).localCheckpoint()
    moved = 1
    while moved:
        lowest = ends.join(labels, F.col("b") == F.col("node")).groupBy("a").agg(F.min("label").alias("lowest"))
        sunk = labels.join(lowest, F.col("node") == F.col("a")).select(
            "node", "label", F.least("label", "lowest").alias("next")
        )
        jump = sunk.select(F.col("node").alias("stop"), F.col("next").alias("after"))
        steps = sunk.join(jump, F.col("next") == F.col("stop")).select("node", "label", "after").localCheckpoint()
        moved = steps.where(F.col("after") != F.col("label")).count()
        labels = steps.select("node", F.col("after").alias("label"))
    return labels


def band_masks() -> list[int]:
    """Signed 64-bit masks, one for each two of the bands that a hash is cut into.

    A bit in which two hashes differ spoils one band, so of HASH_DISTANCE + 2 bands at least two are equal in hashes
    that are near enough. By two of 8 bands random hashes meet 30 times less often than by one of 7.
    """
    bands = HASH_DISTANCE + 2
    edges = [_HASH_BITS * band // bands for band in range(bands + 1)]
    single = [(1 << end) - (1 << start) for start, end in pairwise(edges)]
    masks = [one | other for one, other in combinations(single, 2)]
    return [mask - (1 << _HASH_BITS) if mask >> (_HASH_BITS - 1) else mask for mask in masks]


def _banded(nodes: DataFrame) -> DataFrame:
    """node, phash -> node, bits, and for each two bands their number and their value."""
    bits = nodes.select("node", F.conv("phash", 16, -10).cast("bigint").alias("bits"))
    values = F.array(*[F.col("bits").bitwiseAND(F.lit(mask).cast("bigint")) for mask in band_masks()])
    return bits.select("node", "bits", F.posexplode(values).alias("bands", "value"))


def _mean_difference(one: str, other: str) -> Column:
    differences = F.zip_with(one, other, lambda left, right: F.abs(left - right).cast("double"))
    return F.aggregate(differences, F.lit(0.0), lambda total, value: total + value) / F.size(one)


def _summary(rows: DataFrame) -> str:
    sizes = rows.groupBy("group_id").agg(F.count("*").alias("size")).groupBy("size").agg(F.count("*").alias("groups"))
    counts = {row["size"]: row["groups"] for row in sizes.collect()}
    pictures = sum(size * groups for size, groups in counts.items())
    several = sum(groups for size, groups in counts.items() if size > 1)
    return (
        f"image_duplicates: {pictures:,} pictures; {several:,} groups of several that look the same,"
        f" the largest of {max(counts, default=0):,}"
    )


if __name__ == "__main__":
    main(run, plan=True)
