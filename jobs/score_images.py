"""candidates -> raw_scores: one row per (picture, pass); then -> scores: one row a picture, by one MERGE at the end."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import reduce
from operator import or_

import pyarrow as pa
from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame, Observation
from pyspark.sql import functions as F

from jobs.endings import JobError
from jobs.launch import Context, main
from jobs.lock import table_lock
from jobs.merging import scorer_failed, unmerged
from jobs.published_policy import check_published
from jobs.scoring import pass_id, scorer_set, scorer_specs, with_pictures
from jobs.waves import MIN_ROWS_FOR_CEILING, answered, run_waves
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
    needy = with_needs(candidates, context.lakehouse.read("raw_scores"), specs)
    needy = needy.localCheckpoint(storageLevel=StorageLevel.DISK_ONLY)
    wanted = with_scorers(needy, context.retry)
    sets = [tuple(row["scorers"]) for row in wanted.select("scorers").distinct().collect()]
    failures = Failures(context)
    for names in sorted(sets) or [tuple(specs)]:
        _run_set(context, wanted, scorer_set(context.recipe, specs, names), failures)
    if not context.plan:
        _merge(context, specs)
        failures.check(last=True)
    if context.retry is None:
        _say_stale(context, needy)


@dataclass
class Failures:
    """How often the scorers of this run failed on a picture, counted while its waves are written."""

    context: Context
    asked: Counter[str] = field(default_factory=Counter)  # score -> pictures
    failed: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, str] = field(default_factory=dict)
    waves: list[tuple[ScorerSet, Observation]] = field(default_factory=list)  # that are not counted yet

    def watched(self, rows: DataFrame, scorers: ScorerSet) -> DataFrame:
        """The rows of a wave; they are counted when it is committed."""
        seen = Observation()
        self.waves.append((scorers, seen))
        counts = [F.count_if(F.col("status") == "ok").alias("pictures")]
        for score in scorers.revisions:
            reason = F.col("reasons")[score]
            own = F.when(scorer_failed(F.lit(score), reason), reason)
            counts += [F.count(own).alias(f"failed {score}"), F.min(own).alias(f"reason {score}")]
        return rows.observe(seen, *counts)

    def check(self, last: bool = False) -> None:
        """After a wave's commit. JobError where a scorer failed on more than run.max_error_fraction of its pictures."""
        for scorers, seen in self.waves:
            counts = seen.get
            for score in scorers.revisions:
                self.asked[score] += counts["pictures"]
                self.failed[score] += counts[f"failed {score}"]
                if counts[f"failed {score}"]:
                    self.reasons.setdefault(score, counts[f"reason {score}"])
        self.waves.clear()
        ceiling = self.context.recipe.run.max_error_fraction
        enough = [score for score, pictures in self.asked.items() if last or pictures >= MIN_ROWS_FOR_CEILING]
        worst = [score for score in enough if self.failed[score] > ceiling * self.asked[score]]
        for score in sorted(+self.failed) if last or worst else ():
            pictures = f"{self.failed[score]:,} of {self.asked[score]:,} pictures"
            self.context.say(f"  {score}: no value for {pictures} ({self.reasons[score]})")
        if worst:
            raise JobError(
                f"raw_scores: a scorer failed on more pictures than run.max_error_fraction = {ceiling:g} allows;"
                " what the others gave stays. Mend the scorer and run this again with --retry errors, then once more"
                " without it for the rest, or take it out of the recipe; a scorer with another revision fills its scores with --retry stale."
            )


def _run_set(context: Context, wanted: DataFrame, scorers: ScorerSet, failures: Failures) -> None:
    def transform(wave: DataFrame) -> DataFrame:
        failures.check()
        return failures.watched(scored(with_pictures(context.lakehouse, wave), scorers), scorers)

    own = F.col("pass") == pass_id(scorers)
    run_waves(context, "raw_scores", _todo(context, wanted, scorers), transform, alike=own)


def with_needs(candidates: DataFrame, raw_scores: DataFrame, specs: dict[str, ScorerSpec]) -> DataFrame:
    """candidates -> those that need a scorer, with the scorers' names by why they are needed.

    new: nobody gave its scores yet. stale: they were given, but not by its revision. failed: the answer that counts says
    only that the scorer failed.
    """
    standing = {score: _standing(score, spec.model) for spec in specs.values() for score in spec.scores}
    given = raw_scores.where("status = 'ok'").groupBy("image_id")
    rows = candidates.join(
        given.agg(*[each.alias(f"_{score}") for score, each in standing.items()]), "image_id", "left"
    )
    rows = rows.withColumns({why: _named(specs, why) for why in ("new", "stale", "failed")})
    some = (F.size("new") > 0) | (F.size("stale") > 0) | (F.size("failed") > 0)
    return rows.where(some).select(*candidates.columns, "new", "stale", "failed")


def _standing(score: str, model: str) -> Column:
    """What a picture's ok rows say of a score: null nothing; 3 this model's answer, 2 only that it failed; 1 and 0 the
    same of another revision. The answers are ranked as merging ranks them."""
    by = F.col("revisions")[score]
    failed = scorer_failed(F.lit(score), F.col("reasons")[score])
    return F.max(F.when(by.isNotNull(), F.when(by == model, 2).otherwise(0) + F.when(failed, 0).otherwise(1)))


def _named(specs: dict[str, ScorerSpec], why: str) -> Column:
    """The names of the scorers that are needed for this reason, in the recipe's order."""
    return F.array_compact(F.array(*[F.when(_needed(spec, why), F.lit(name)) for name, spec in specs.items()]))


def _needed(spec: ScorerSpec, why: str) -> Column:
    standing = [F.col(f"_{score}") for score in spec.scores]
    missing = reduce(or_, (each.isNull() for each in standing))
    if why == "new":
        return missing
    if why == "failed":
        return reduce(or_, (F.coalesce(each.isin(0, 2), F.lit(False)) for each in standing))
    given = reduce(or_, (each.isNotNull() for each in standing))
    return given & (missing | reduce(or_, (F.coalesce(each < 2, F.lit(False)) for each in standing)))


def with_scorers(needy: DataFrame, retry: str | None) -> DataFrame:
    """Pictures with what they need -> one row for each set of scorers that may run on a picture (`scorers`)."""
    if retry == "errors":  # a set that failed as a whole may have been new or stale: _todo looks for its error row
        rows = needy.withColumn("scorers", F.explode(F.array_distinct(F.array("failed", "new", "stale"))))
    else:
        rows = needy.withColumn("scorers", F.col("stale" if retry == "stale" else "new"))
    return rows.where(F.size("scorers") > 0).drop("new", "stale")


def scored(pictures: DataFrame, scorers: ScorerSet) -> DataFrame:
    """pictures (image, text, atoms, labels) -> rows of raw_scores; the models run here."""
    stage = Stage(scorers, keep=KEEP, columns=COLUMNS)
    tried = (
        ["tried"] if "tried" in pictures.columns else []
    )  # of --retry errors: a row that ended its process is tried again
    rows = pictures.select(*(name for name, _ in KEEP), "image", "text", "atoms", *tried)
    return answered(rows, stage).withColumn("pass", F.lit(pass_id(scorers)))


def _todo(context: Context, wanted: DataFrame, scorers: ScorerSet) -> DataFrame:
    """The pictures that need just this set and have no row of it; with --retry errors those that it failed on.

    `wanted` was found before the table's lock: this looks once more, so that two runs that planned side by side do
    nothing twice.
    """
    names = F.array(*[F.lit(scorer.name) for scorer in scorers.scorers])
    rows = wanted.where(F.col("scorers") == names)
    done = context.lakehouse.read("raw_scores").where(F.col("pass") == pass_id(scorers))
    if context.retry != "errors":
        return rows.join(done.select("image_id").distinct(), "image_id", "left_anti").drop("scorers", "failed")
    errors = done.where("status = 'error'").groupBy("image_id").agg(F.count(F.lit(1)).alias("tried"))
    lame = reduce(or_, (scorer_failed(F.lit(score), F.col("reasons")[score]) for score in scorers.revisions))
    good = done.where((F.col("status") == "ok") & ~lame).select("image_id").distinct()
    again = rows.join(errors, "image_id", "left")
    again = again.where(F.col("tried").isNotNull() | (F.col("scorers") == F.col("failed"))).fillna(0, ["tried"])
    return again.join(good, "image_id", "left_anti").drop("scorers", "failed")


def _say_stale(context: Context, needy: DataFrame) -> None:
    """How many pictures have scores of another revision than the recipe's; they count."""
    stale = needy.where(F.size("stale") > 0)
    names = F.array_sort(F.array_distinct(F.flatten(F.collect_set("stale"))))
    count, scorers = stale.agg(F.count("*"), names).collect()[0]
    if count:
        context.say(
            f"raw_scores: {count:,} pictures have scores of another revision than the recipe's, of {', '.join(scorers)}: a"
            " model, an option or Goldpan changed since. Those scores count until --retry stale gives them again, and"
            " --retry errors where that fails."
        )


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
    main(run, plan=True, retry=("errors", "stale"), sample=True, check=check_published)
