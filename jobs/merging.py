"""raw_scores -> rows for scores: of every score the answer that counts, for the pictures whose scores lack it."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from schemas.tables import IMAGE_SCORES, STRATUM


def unmerged(raw_scores: DataFrame, scores: DataFrame, current: dict[str, str]) -> DataFrame:
    """One row a picture, in the columns of scores without run_id and created_at; only pictures whose row would change.

    current: score -> the recipe's name@revision. The answer that counts is the newest of that revision, else the
    newest of any.
    """
    ok = raw_scores.where("status = 'ok'")
    merged = scores.select("image_id", F.col("revisions").alias("_merged"))
    open_ids = (
        ok.select("image_id", "revisions")
        .join(merged, "image_id", "left")
        .where(_differs("revisions"))
        .select("image_id")
        .distinct()
    )
    rows = ok.join(open_ids, "image_id", "left_semi")
    best = best_answers(rows, current).join(merged, "image_id", "left").where(_differs("revisions")).drop("_merged")
    pictures = rows.groupBy("image_id", *STRATUM).agg(
        F.max_by("phash", "created_at").alias("phash"),
        F.max_by("mean_color", "created_at").alias("mean_color"),
        F.sum("seconds").alias("seconds"),
    )
    wide = [F.col("values")[column.name].alias(column.name) for column in IMAGE_SCORES]
    return pictures.join(best, "image_id").select(
        "image_id", *STRATUM, *wide, "phash", "mean_color", "reasons", "revisions", "seconds"
    )


def best_answers(rows: DataFrame, current: dict[str, str]) -> DataFrame:
    """ok rows of raw_scores -> one row a picture: values, reasons and revisions, the answer that counts of every
    score."""
    cells = rows.select("image_id", "created_at", "values", "reasons", F.explode("revisions").alias("score", "model"))
    wanted = F.create_map(*[F.lit(text) for pair in sorted(current.items()) for text in pair])
    answer = F.struct(
        "model", F.col("values")[F.col("score")].alias("value"), F.col("reasons")[F.col("score")].alias("reason")
    )
    order = F.struct(F.coalesce(wanted[F.col("score")] == F.col("model"), F.lit(False)), "created_at")
    best = (
        cells.groupBy("image_id", "score")
        .agg(F.max_by(answer, order).alias("best"))
        .select("image_id", "score", "best.*")
    )
    return best.groupBy("image_id").agg(
        _map_of("value").alias("values"), _map_of("reason").alias("reasons"), _map_of("model").alias("revisions")
    )


def _map_of(name: str) -> Column:
    """score -> the column, for the scores where it is there."""
    return F.map_from_entries(F.collect_list(F.when(F.col(name).isNotNull(), F.struct("score", name))))


def _differs(name: str) -> Column:
    """Whether a score of the map has another revision than the merged one, or none has been merged."""
    changed = F.exists(F.map_entries(name), lambda cell: ~cell["value"].eqNullSafe(F.col("_merged")[cell["key"]]))
    return F.col("_merged").isNull() | changed
