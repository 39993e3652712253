"""kept pictures -> shards on disk, releases, release_samples: one row per release, and one per (release, picture).

The recipe's release name gets a running number: <name>-001, -002, ... Each is frozen. As long as what is kept stays the
same there is nothing to do, except to write again what is missing on disk; when it changes, the next number is exported
beside the old ones. See jobs/release.py.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from pyspark import StorageLevel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from conf.recipe import Recipe
from conf.scores import SCORES
from jobs.endings import JobError
from jobs.launch import Context, main
from jobs.lock import table_lock
from jobs.manifest import describe, manifest_text, with_files, write_manifest, write_side_files
from jobs.published_policy import check_published
from jobs.release import (
    MANIFEST,
    UNFINISHED,
    Release,
    begin,
    damaged_files,
    expected_files,
    latest_release,
    release_name,
    shard_counts,
)
from schemas.delta import with_run
from schemas.sql_views import register_views
from schemas.tables import STRATUM, TABLES
from udfs.atomic_files import file_sha256, remove_temporaries
from udfs.samples import KeptDigest, Names
from udfs.shards import ENDINGS, FILES, ShardReader, ShardWriter, shard_file

_BROADCAST_ROWS = (
    2_000_000  # ids and labels of kept pictures, about 100 bytes each: as many as a worker holds with ease
)
_SAMPLE = (
    *(
        "image_id",
        "kind",
        "subset",
        "caption",
        "prompt",
        "enhanced_prompt",
        "variant",
        *STRATUM,
        "width",
        "height",
        "sha256",
        "licence",
    ),
    *("model", "writer", "enhancer", "captioner", "source", "source_url", "author", "aesthetic_predictor_v_2_5_score"),
)

# What a release is made of.
SOURCES = sorted(set(TABLES) - {"releases", "release_samples", "runs"})


def run(context: Context) -> None:
    with table_lock(context, "releases"):
        names = display_names(context.recipe)
        versions = context.table_versions(SOURCES)
        with decisions_stored(context):
            _export(context, kept_samples(context, names), names, versions)


@contextlib.contextmanager
def decisions_stored(context: Context) -> Iterator[None]:
    """While this lasts, the views that read image_decisions read its stored rows: both the training set and the
    manifest's funnel do, and deciding takes longer than all else in a small export.
    """
    register_views(context.spark, ["image_decisions"])
    decisions = context.spark.table("image_decisions").persist(StorageLevel.DISK_ONLY)
    try:
        yield
    finally:
        decisions.unpersist()


def display_names(recipe: Recipe) -> Names:
    """What the exported JSON calls the taxonomy's slugs, and the scores that the recipe's scorers and judge give."""
    single = {task.asks[0]: task.name for task in recipe.labels.tasks if len(task.asks) == 1 and task.name}
    scorers = {scorer.name for scorer in recipe.scorers} | {"judge"}
    return Names(
        tasks={
            task.slug: tuple(single.get(ask, task.name) for ask in task.asks)
            for task in recipe.labels.tasks
            if task.name
        },
        categories={label.slug: label.name or label.slug for label in recipe.labels.categories},
        styles={label.slug: label.name or label.slug for label in recipe.labels.styles},
        scores=tuple(name for name, score in SCORES.items() if score.of == "image" and score.scorer in scorers),
    )


def kept_samples(context: Context, names: Names) -> DataFrame:
    """The policy's training set with the seed of each rendered picture; no bytes. Read once: the decisions cost more
    than all that follows, and a plan that holds them is slow to plan again."""
    kept = context.view("training_set")
    seeds = context.lakehouse.read("images").where("status = 'ok'").select("image_id", "seed")
    samples = kept.select(*dict.fromkeys([*_SAMPLE, *names.scores])).join(seeds, "image_id", "left")
    return samples.localCheckpoint(storageLevel=StorageLevel.DISK_ONLY)


def _export(context: Context, samples: DataFrame, names: Names, versions: dict[str, int]) -> None:
    counts = {row["subset"]: row["count"] for row in samples.groupBy("subset").count().collect()}
    if not counts:
        context.say(
            f"export_webdataset: the policy {context.recipe.gates.name} keeps no picture yet; nothing to do."
            f" See why: {context.sql_command('select * from funnel order by ordinal')}"
        )
        return
    ordered = samples.repartition(1).sortWithinPartitions("image_id")
    digest = ordered.mapInArrow(KeptDigest(names), schema="digest string").collect()[0]["digest"]
    last = latest_release(context)
    if last is not None and last.digest == digest:
        _restore(context, last, samples, counts, names)
        return
    if last is not None and not last.recorded:
        _record(context, last)
    number = last.number + 1 if last is not None else 1
    name = release_name(context, number)
    shards = shard_counts(counts, context.recipe.release.samples_per_shard, last.shards if last is not None else {})
    folder = Path(context.recipe.release.folder) / name
    new = Release(name, number, folder, digest, shards, versions)
    about = describe(context, new, samples, counts)
    if context.table_versions(SOURCES) != versions:
        raise JobError(
            f"export_webdataset: tables changed while {name} was read. Let the other jobs end, then run this again."
        )
    _write_release(context, new, about, samples, names)


def _restore(context: Context, release: Release, samples: DataFrame, counts: dict[str, int], names: Names) -> None:
    """The kept set is the release's: write what is missing or has another size, and the rows if they are."""
    damaged = damaged_files(release)
    if not damaged and release.recorded:
        context.say(
            f"export_webdataset: {release.name} holds these {sum(counts.values()):,} samples already; nothing to do"
        )
        return
    remove_temporaries(release.folder)
    for name in damaged:
        context.say(f"export_webdataset: {release.name}/{name} is missing or has another size; writing it again")
    shards = {shard for shard in _all_shards(release.shards) if any(shard_file(*shard, e) in damaged for e in ENDINGS)}
    if shards:
        write_shards(context, samples, release, names, shards)
    manifest = json.loads(release.manifest)
    write_side_files(release.folder, manifest, damaged)
    for name in sorted({*damaged} - {MANIFEST}):
        if file_sha256(release.folder / name) != manifest["files"][name]["sha256"]:
            (release.folder / name).unlink()  # it may have the right size: then the next run would take it
            raise JobError(
                f"export_webdataset: {release.name}/{name} was written again, but is not the file that the release had"
                " (its SHA-256 differs): this Goldpan or one of its libraries writes other bytes. Bring the file back"
                " from a copy, or give the recipe's release another name: these samples are exported anew under it."
            )
    write_manifest(release.folder, release.manifest)
    if not release.recorded:
        _record(context, release)


def _write_release(context: Context, release: Release, about: dict[str, Any], samples: DataFrame, names: Names) -> None:
    release.folder.mkdir(parents=True, exist_ok=True)
    whole = begin(release)
    left = f", {len(whole):,} of them there already" if whole else ""
    context.say(
        f"export_webdataset: {about['samples']:,} samples into {_shards(sum(release.shards.values()))}"
        f" of {release.folder}{left}"
    )
    files = write_shards(context, samples, release, names, _all_shards(release.shards) - whole)
    manifest = with_files(about, sorted([*files, *_read_shards(context, release, whole)], key=lambda f: f["file"]))
    write_side_files(release.folder, manifest)
    written = replace(release, manifest=manifest_text(manifest))
    write_manifest(release.folder, written.manifest)
    _record(context, written)
    for subset, counts in about["subsets"].items():
        context.say(f"  {counts['samples']:>9,}  {subset} ({_shards(counts['shards'])})")
    context.say(f"export_webdataset: {release.name} is whole in {release.folder}")


def _read_shards(context: Context, release: Release, shards: set[tuple[str, int]]) -> list[dict[str, Any]]:
    """Rows of FILES of shards that are there; they are read and hashed on the executors."""
    if not shards:
        return []
    rows = context.spark.createDataFrame(sorted(shards), "subset string, shard int").repartition(len(shards))
    reader = ShardReader(str(release.folder.resolve()))
    return [row.asDict() for row in rows.mapInArrow(reader, schema=from_arrow_schema(FILES)).collect()]


def write_shards(
    context: Context, samples: DataFrame, release: Release, names: Names, wanted: set[tuple[str, int]]
) -> list[dict[str, Any]]:
    """Write the `wanted` (subset, shard) of a release on the executors; a row of FILES for each file.

    Ids go to the pictures (by broadcast while they are few), and texts and pictures meet in one shuffle by (subset,
    shard). JobError where a shard could not be written; those that could are whole.
    """
    if not wanted:
        return []
    numbered = samples.withColumn("shard", _shard(release.shards))
    if wanted != _all_shards(release.shards):
        chosen = context.spark.createDataFrame(sorted(wanted), "subset string, shard int")
        numbered = numbered.join(F.broadcast(chosen), ["subset", "shard"], "left_semi")
    rows = numbered.unionByName(_pictures(context, numbered), allowMissingColumns=True)
    grouped = rows.repartition(len(wanted), "subset", "shard").sortWithinPartitions("subset", "shard", "image_id")
    writer = ShardWriter(str(release.folder.resolve()), names)
    written = [row.asDict() for row in grouped.mapInArrow(writer, schema=from_arrow_schema(FILES)).collect()]
    problems = sorted(file["problem"] for file in written if file["problem"])
    if problems:
        more = f" So it is with {len(problems) - 1:,} more of {len(wanted):,} shards." if len(problems) > 1 else ""
        raise JobError(f"export_webdataset: {problems[0]}{more}")
    for subset, shard in sorted(wanted - {(file["subset"], file["shard"]) for file in written}):
        written += writer.write(
            subset, shard, []
        )  # no key fell into it: an empty shard, so that the numbers have no gap
    return written


def _pictures(context: Context, numbered: DataFrame) -> DataFrame:
    """(subset, shard, image_id, image) of the samples; partitions without any are not read, rows of other pictures stop
    before the shuffle."""
    ids = numbered.select("kind", *STRATUM, "image_id", "subset", "shard")
    ids = F.broadcast(ids) if ids.count() <= _BROADCAST_ROWS else ids
    pictures = []
    for kind, table in (("generated", "images"), ("photograph", "photos")):
        stored = context.lakehouse.read(table).where("status = 'ok'").select(*STRATUM, "image_id", "image")
        of_kind = ids.where(F.col("kind") == kind)
        pictures.append(stored.join(of_kind, [*STRATUM, "image_id"]).select("subset", "shard", "image_id", "image"))
    return pictures[0].unionByName(pictures[1])


def _shard(shards: dict[str, int]) -> Any:
    """udfs.shards.shard_of, in SQL."""
    number = F.create_map(*[F.lit(x) for pair in sorted(shards.items()) for x in pair])[F.col("subset")]
    return (F.conv(F.substring(F.sha2("image_id", 256), 1, 8), 16, 10).cast("bigint") % number).cast("int")


def _shards(n: int) -> str:
    return f"{n:,} shard" if n == 1 else f"{n:,} shards"


def _all_shards(shards: dict[str, int]) -> set[tuple[str, int]]:
    return {(subset, shard) for subset, n in shards.items() for shard in range(n)}


def _record(context: Context, release: Release) -> None:
    """The rows of a release whose manifest is on disk, read from its own files; the row of releases comes last and says
    that all are there."""
    (release.folder / UNFINISHED).unlink(missing_ok=True)
    manifest = json.loads(release.manifest)
    paths = [
        str((release.folder / name).resolve())
        for name in sorted(expected_files(release.shards))
        if name.endswith(".parquet")
    ]
    index = context.spark.read.schema("key string, subset string, shard int").parquet(*paths)
    rows = index.select(F.lit(release.name).alias("release"), F.col("key").alias("image_id"), "subset", "shard")
    todo = context.lakehouse.missing(rows, "release_samples")
    context.lakehouse.append("release_samples", with_run(todo, context.run_id))
    row = {
        "release": release.name,
        "policy": manifest["policy"]["name"],
        "samples": manifest["samples"],
        "shards": release.shards,
        "kept_digest": release.digest,
        "table_versions": release.table_versions,
        "manifest": release.manifest,
        "folder": str(release.folder),
    }
    frame = context.lakehouse.rows("releases", [row], context.run_id)
    context.lakehouse.append("releases", frame)


if __name__ == "__main__":
    main(run, check=check_published)
