"""raw_scores -> rows for scores: of every score the answer that counts, for the pictures whose scores lack it."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from conf.scores import SCORES
from schemas.tables import IMAGE_SCORES, STRATUM
from udfs.scorers.fused import NOT_FINITE


def unmerged(raw_scores: DataFrame, scores: DataFrame, current: dict[str, str]) -> DataFrame:
    """One row a picture, in the columns of scores without run_id and created_at; only pictures whose row would change.

    current: score -> the recipe's name@revision. The answer that counts is the newest of that revision, else the
    newest of any; where a scorer failed and was asked again, its answer and not its failure.
    """
    ok = raw_scores.where("status = 'ok'")
    merged = scores.select("image_id", F.col("revisions").alias("_merged"), F.col("reasons").alias("_reasons"))
    failed = F.exists(F.map_entries("_reasons"), lambda cell: scorer_failed(cell["key"], cell["value"]))
    open_ids = (
        ok.select("image_id", "revisions")
        .join(merged, "image_id", "left")
        .where(_differs("revisions", "_merged") | failed)
        .select("image_id")
        .distinct()
    )
    rows = ok.join(open_ids, "image_id", "left_semi")
    best = best_answers(rows, current).join(merged, "image_id", "left")
    # the revisions are all there; a reason comes or goes where a scorer that failed was asked again
    changed = _differs("revisions", "_merged") | _differs("reasons", "_reasons") | _differs("_reasons", "reasons")
    best = best.where(changed).drop("_merged", "_reasons")
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
    reason = F.col("reasons")[F.col("score")]
    answer = F.struct("model", F.col("values")[F.col("score")].alias("value"), reason.alias("reason"))
    order = F.struct(
        F.coalesce(wanted[F.col("score")] == F.col("model"), F.lit(False)),
        ~scorer_failed(F.col("score"), reason),
        "created_at",
    )
    best = (
        cells.groupBy("image_id", "score")
        .agg(F.max_by(answer, order).alias("best"))
        .select("image_id", "score", "best.*")
    )
    return best.groupBy("image_id").agg(
        _map_of("value").alias("values"), _map_of("reason").alias("reasons"), _map_of("model").alias("revisions")
    )


def scorer_failed(score: Column, reason: Column) -> Column:
    """Whether the reason for a missing value is that the scorer failed on the picture: no answer, and worth another try.
    False where there is no reason."""
    owners = [F.lit(text) for name, about in SCORES.items() if about.of == "image" for text in (name, about.scorer)]
    said = F.startswith(reason, F.concat(F.create_map(*owners)[score], F.lit(": ")))
    return F.coalesce((reason == NOT_FINITE) | said, F.lit(False))


def _map_of(name: str) -> Column:
    """score -> the column, for the scores where it is there."""
    return F.map_from_entries(F.collect_list(F.when(F.col(name).isNotNull(), F.struct("score", name))))


def _differs(name: str, other: str) -> Column:
    """Whether the map `name` has an entry that the map `other` lacks, or `other` is null."""
    changed = F.exists(F.map_entries(name), lambda cell: ~cell["value"].eqNullSafe(F.col(other)[cell["key"]]))
    return F.col(other).isNull() | changed
