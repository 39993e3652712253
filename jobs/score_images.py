"""candidates -> raw_scores: one row per (picture, pass); then -> scores: one row a picture, by one MERGE at the end."""

from __future__ import annotations

import pyarrow as pa
from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.launch import Context, JobError, main
from jobs.lock import table_lock
from jobs.merging import unmerged
from jobs.scoring import pass_id, scorer_set, scorer_specs, with_pictures
from jobs.waves import answered, run_waves
from schemas.delta import with_run
from schemas.tables import STRATUM
from udfs.harness import Stage
from udfs.scorers.fused import COLUMNS, ScorerSet
from udfs.scorers.spec import ScorerSpec

KEEP = (("image_id", pa.string()), *((name, pa.string()) for name in STRATUM))


def run(context: Context) -> None:
    specs = scorer_specs(context.recipe)
    for spec in specs.values():
        if "AGPL" in spec.licence:
            context.say(f"score_images: the weights of {spec.name} are under {spec.licence}; see that this suits you")
    candidates = context.view("candidates").select("image_id", "text", "atoms", *STRATUM)
    if context.sample:
        _sample(context, candidates, scorer_set(context.recipe, specs, tuple(specs)))
        return
    wanted = with_scorers(candidates, context.lakehouse.read("raw_scores"), specs, stale=context.retry == "stale")
    wanted = wanted.localCheckpoint(storageLevel=StorageLevel.DISK_ONLY)
    sets = [tuple(row["scorers"]) for row in wanted.select("scorers").distinct().collect()]
    for names in sorted(sets) or [tuple(specs)]:
        _run_set(context, wanted, scorer_set(context.recipe, specs, names))
    if not context.plan:
        _merge(context, specs)
        _check_failures(context, specs)


def _run_set(context: Context, wanted: DataFrame, scorers: ScorerSet) -> None:
    def transform(wave: DataFrame) -> DataFrame:
        return scored(with_pictures(context.lakehouse, wave), scorers)

    own = F.col("pass") == pass_id(scorers)
    run_waves(context, "raw_scores", _todo(context, wanted, scorers), transform, alike=own)


def with_scorers(candidates: DataFrame, raw_scores: DataFrame, specs: dict[str, ScorerSpec], stale: bool) -> DataFrame:
    """candidates -> those that need a scorer, with the names of these `scorers`: any of whose scores nobody gave yet
    or, with `stale`, which were given by other revisions only."""
    given = raw_scores.where("status = 'ok'").select("image_id", F.explode("revisions").alias("score", "model"))
    answered = given.groupBy("image_id").agg(
        F.collect_set("score").alias("_given"), F.collect_set(F.concat_ws("=", "score", "model")).alias("_cells")
    )
    needed = [F.when(_needs(spec, stale), F.lit(name)) for name, spec in specs.items()]
    rows = candidates.join(answered, "image_id", "left").withColumn("scorers", F.array_compact(F.array(*needed)))
    return rows.where(F.size("scorers") > 0).select(*candidates.columns, "scorers")


def scored(pictures: DataFrame, scorers: ScorerSet) -> DataFrame:
    """pictures (image, text, atoms, labels) -> rows of raw_scores; the models run here."""
    stage = Stage(scorers, keep=KEEP, columns=COLUMNS)
    rows = pictures.select(*(name for name, _ in KEEP), "image", "text", "atoms")
    return answered(rows, stage).withColumn("pass", F.lit(pass_id(scorers)))


def _needs(spec: ScorerSpec, stale: bool) -> Column:
    given = [F.coalesce(F.array_contains("_given", score), F.lit(False)) for score in spec.scores]
    current = [F.coalesce(F.array_contains("_cells", f"{score}={spec.model}"), F.lit(False)) for score in spec.scores]
    every = F.lit(True)
    for column in given:
        every = every & column
    if not stale:
        return ~every
    for column in current:
        every = every & column
    any_given = F.lit(False)
    for column in given:
        any_given = any_given | column
    return any_given & ~every


def _todo(context: Context, wanted: DataFrame, scorers: ScorerSet) -> DataFrame:
    """The pictures that need just this set; those that it failed on wait for --retry errors."""
    names = F.array(*[F.lit(scorer.name) for scorer in scorers.scorers])
    rows = wanted.where(F.col("scorers") == names).drop("scorers")
    failed = context.lakehouse.read("raw_scores").where(
        (F.col("pass") == pass_id(scorers)) & (F.col("status") == "error")
    )
    how = "left_semi" if context.retry == "errors" else "left_anti"
    return rows.join(failed.select("image_id").distinct(), "image_id", how)


def _merge(context: Context, specs: dict[str, ScorerSpec]) -> None:
    """One MERGE of what scores lacks; a run that was killed before its own is made good by the next."""
    current = {score: spec.model for spec in specs.values() for score in spec.scores}
    with table_lock(context, "scores"):
        rows = unmerged(context.lakehouse.read("raw_scores"), context.lakehouse.read("scores"), current)
        rows = rows.localCheckpoint(storageLevel=StorageLevel.DISK_ONLY)
        count = rows.count()
        if count:
            context.lakehouse.merge_scores(with_run(rows, context.run_id))
            context.say(f"scores: {count:,} pictures merged; table version {context.lakehouse.version('scores')}")
        else:
            context.say("scores: nothing to merge")


def _check_failures(context: Context, specs: dict[str, ScorerSpec]) -> None:
    """Say on how many pictures of this run a scorer failed. JobError above run.max_error_fraction."""
    rows = context.lakehouse.read("raw_scores").where((F.col("run_id") == context.run_id) & (F.col("status") == "ok"))
    reasons = rows.select(F.explode("reasons").alias("score", "reason"))
    failures = {score: spec.name for spec in specs.values() for score in spec.scores}
    own = F.create_map(*[F.lit(text) for pair in failures.items() for text in pair])[F.col("score")]
    broken = reasons.where((F.col("reason") == "not finite") | F.startswith("reason", F.concat(own, F.lit(": "))))
    counts = (
        broken.groupBy("score")
        .agg(F.count("*").alias("pictures"), F.min("reason").alias("reason"))
        .orderBy("score")
        .collect()
    )
    total = rows.count() if counts else 0
    for row in counts:
        context.say(f"  {row['score']}: no value for {row['pictures']:,} of {total:,} pictures ({row['reason']})")
    ceiling = context.recipe.run.max_error_fraction
    worst = max((row["pictures"] for row in counts), default=0)
    if worst > ceiling * total:
        raise JobError(
            f"raw_scores: a scorer failed on more pictures than run.max_error_fraction = {ceiling:g} allows;"
            " what the others gave is merged. Mend the scorer or take it out of the recipe;"
            " a scorer with another revision fills its scores with --retry stale."
        )


def _sample(context: Context, candidates: DataFrame, scorers: ScorerSet) -> None:
    """Score the first few candidates into a contact sheet; nothing is written to the lakehouse."""
    from jobs.contact_sheet import save_contact_sheet

    first = candidates.orderBy(*STRATUM, "image_id").limit(context.sample or 0).localCheckpoint()
    pictures = (
        with_pictures(context.lakehouse, first).localCheckpoint()
        if first.count()
        else first.withColumn("image", F.lit(b""))
    )
    images = {
        row["image_id"]: (row["image"], row["text"]) for row in pictures.select("image_id", "image", "text").collect()
    }
    cells = []
    for row in scored(pictures.coalesce(1), scorers).collect():
        image, text = images[row["image_id"]]
        if row["status"] == "error":
            context.say(f"  {row['image_id']}: {row['error_class']}: {row['error_message']}")
            continue
        lines = [text or "", *(f"{score} {value:.3f}" for score, value in sorted(row["values"].items()))]
        cells.append((image, lines + [f"{score}: {reason}" for score, reason in sorted(row["reasons"].items())]))
    path = context.sample_path("score_images")
    save_contact_sheet(path, cells, columns=4, title=f"scores of {len(cells)} pictures, pass {pass_id(scorers)[:8]}")
    context.say(
        f"score_images: {len(cells)} pictures with their scores in {path}; nothing was written to the lakehouse"
    )


if __name__ == "__main__":
    main(run, plan=True, retry=("errors", "stale"), sample=True, by_policy=True)
