"""scores -> image_duplicates: one row a scored picture, with the group of pictures that look the same.

Two pictures look the same when their perceptual hashes differ in at most 6 of 64 bits and their color grids by at
most 12 of 255 on average (the hash ignores hue). A group is everything that such pairs connect.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.launch import Context, main
from jobs.lock import table_lock
from schemas.delta import with_run

HASH_DISTANCE = 6  # bits, the usual cut for a 64-bit pHash
# levels; of the demo's generated pictures within 6 bits those that look the same differ by 1 to 11, equal forms in
# red and green by 26
COLOR_DISTANCE = 12.0
_BAND_BITS = (10, 9, 9, 9, 9, 9, 9)  # of two hashes that differ in 6 bits at least one of 7 bands is equal (pigeonhole)


def run(context: Context) -> None:
    scored = context.lakehouse.read("scores").where("phash is not null").select("image_id", "phash", "mean_color")
    with table_lock(context, "image_duplicates"):
        known = context.lakehouse.read("image_duplicates").select("image_id")
        fresh = scored.join(known, "image_id", "left_anti").count()
        gone = known.join(scored, "image_id", "left_anti").count()
        if context.plan:
            context.say(
                f"image_duplicates: {fresh:,} pictures not compared yet; all {scored.count():,} would be grouped anew"
            )
        elif not fresh and not gone:
            context.say("image_duplicates: nothing to do")
        else:
            context.lakehouse.replace("image_duplicates", with_run(grouped(scored), context.run_id))
            context.say(_summary(context.lakehouse.read("image_duplicates")))


def grouped(scored: DataFrame) -> DataFrame:
    """image_id, phash, mean_color -> image_id, group_id, phash_distance, color_distance."""
    # pictures with equal hash and color are one node: a thousand equal frames must not become half a million pairs
    nodes = scored.groupBy("phash", "mean_color").agg(F.min("image_id").alias("node"), F.count("*").alias("pictures"))
    nodes = nodes.localCheckpoint()
    pairs = near_pairs(nodes).localCheckpoint()
    ends = pairs.unionByName(
        pairs.select(F.col("b").alias("a"), F.col("a").alias("b"), "phash_distance", "color_distance")
    )
    nearest = ends.groupBy("a").agg(F.min(F.struct("phash_distance", "color_distance")).alias("nearest"))
    rows = (
        scored.join(nodes, ["phash", "mean_color"])
        .join(components(pairs), "node", "left")
        .join(nearest.withColumnRenamed("a", "node"), "node", "left")
    )
    several = F.col("pictures") > 1
    return rows.select(
        "image_id",
        F.coalesce("label", "node").alias("group_id"),
        F.when(several, F.lit(0)).otherwise(F.col("nearest.phash_distance")).cast("int").alias("phash_distance"),
        F.when(several, F.lit(0.0)).otherwise(F.col("nearest.color_distance")).alias("color_distance"),
    )


def near_pairs(nodes: DataFrame) -> DataFrame:
    """node, phash, mean_color -> a < b, phash_distance, color_distance of every pair within both limits; only pairs
    that share a band meet."""
    bits = nodes.select("node", F.conv("phash", 16, -10).cast("bigint").alias("bits"))
    banded = bits.select("node", "bits", F.posexplode(F.array(*_bands())).alias("band", "value"))
    other = banded.select(F.col("node").alias("b"), F.col("bits").alias("b_bits"), "band", "value")
    distance = F.bit_count(F.col("bits").bitwiseXOR(F.col("b_bits")))
    close = (
        banded.withColumnRenamed("node", "a")
        .join(other, ["band", "value"])
        .where((F.col("a") < F.col("b")) & (distance <= HASH_DISTANCE))
        .select("a", "b", distance.alias("phash_distance"))
        .distinct()
    )
    colors = nodes.select(F.col("node"), "mean_color")
    met = close.join(colors.toDF("a", "a_color"), "a").join(colors.toDF("b", "b_color"), "b")
    apart = met.withColumn("color_distance", _mean_difference("a_color", "b_color"))
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


def _bands() -> list[Column]:
    start, bands = 0, []
    for width in _BAND_BITS:
        bands.append(F.shiftrightunsigned("bits", start).bitwiseAND((1 << width) - 1))
        start += width
    return bands


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
