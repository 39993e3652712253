"""What the scoring jobs share: the recipe's scorers as specs, the pass that they make, and a wave's pictures read
without a shuffle."""

from __future__ import annotations

import json
from functools import reduce
from operator import or_

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from conf.loading import RecipeError
from conf.paths import resolve_model
from conf.recipe import Recipe, Scorer
from schemas.delta import Lakehouse
from schemas.tables import STRATUM
from udfs.ids import content_id
from udfs.scorers import SCORERS
from udfs.scorers.fused import ScorerSet
from udfs.scorers.spec import ScorerSpec, Source

PICTURE_TABLES = ("images", "photos")


def scorer_specs(recipe: Recipe) -> dict[str, ScorerSpec]:
    """scorer -> its resolved spec, in the recipe's order. RecipeError where one cannot be used as it is written."""
    specs: dict[str, ScorerSpec] = {}
    for scorer in recipe.scorers:
        if scorer.name in specs:
            raise RecipeError(f"{recipe.path}: scorers: {scorer.name} stands there twice; leave one of them out.")
        try:
            specs[scorer.name] = _spec(scorer)
            specs[scorer.name].revision  # noqa: B018 - a package that is not installed shows here, before Spark works
        except (ValueError, ModuleNotFoundError) as error:
            raise RecipeError(f"{recipe.path}: scorers: {str(error).rstrip('.')}.") from None
    return specs


def scorer_set(recipe: Recipe, specs: dict[str, ScorerSpec], names: tuple[str, ...]) -> ScorerSet:
    """These scorers as one model; its batch is the smallest of theirs."""
    sizes = [scorer.batch_size for scorer in recipe.scorers if scorer.name in names]
    return ScorerSet(tuple(specs[name] for name in names), min(sizes))


def pass_id(scorers: ScorerSet) -> str:
    """The id of a set of scorers: of the scores that they give and the revisions that give them."""
    return content_id(sorted(scorers.revisions.items()))


def with_pictures(lakehouse: Lakehouse, wave: DataFrame) -> DataFrame:
    """The wave's small rows with their pictures' bytes (`image`).

    The rows are broadcast to the scan of the pictures, so no byte is shuffled. A wave runs through the strata in
    order: all strata between its first and its last are wholly in it, so three scans with partition and id-range
    filters read little else. (Retried rows come by their tries first; then a wave may read more.)
    """
    ranges = wave.groupBy(*STRATUM).agg(F.min("image_id").alias("low"), F.max("image_id").alias("high")).collect()
    ranges = sorted(ranges, key=lambda row: tuple(row[name] for name in STRATUM))
    parts = [part for part in (ranges[:1], ranges[1:-1], ranges[1:][-1:]) if part]
    scans = [_scan(lakehouse, table, part) for part in parts for table in PICTURE_TABLES]
    return reduce(DataFrame.unionByName, scans).join(F.broadcast(wave), "image_id")


def _scan(lakehouse: Lakehouse, table: str, strata: list[Row]) -> DataFrame:
    low, high = min(row["low"] for row in strata), max(row["high"] for row in strata)
    rows = lakehouse.read(table).where(reduce(or_, (_in_stratum(row) for row in strata)))
    return rows.where(F.col("image_id").between(low, high) & (F.col("status") == "ok")).select("image_id", "image")


def _in_stratum(row: Row) -> Column:
    return (F.col("task") == row["task"]) & (F.col("category") == row["category"]) & (F.col("style") == row["style"])


def _spec(scorer: Scorer) -> ScorerSpec:
    cls = SCORERS[scorer.name]
    options = dict(scorer.options)
    encoder = None
    if cls.default_encoder:
        model, revision = cls.default_encoder
        if "encoder" in options:
            model, revision = options.pop("encoder"), None
        try:
            encoder = _source(model, options.pop("encoder_revision", revision))
        except RecipeError as error:
            keys = "here the keys are options.encoder and options.encoder_revision"
            raise RecipeError(f"{scorer.name}: {str(error).rstrip('.')}; {keys}.") from None
    source = _source(scorer.model, scorer.revision) if scorer.model else None
    return cls(scorer.name, source, encoder, json.dumps(options, sort_keys=True))


def _source(model: str, revision: str | None) -> Source:
    location, resolved = resolve_model(model, revision)
    return Source(model, location, resolved)
