"""What a release says of itself: manifest.json (the commit), sizes.json in every subset (webdataset's), and the dataset
card."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.dataset_card import card
from jobs.launch import Context
from jobs.release import CARD, MANIFEST, SIZES, Release
from udfs.atomic_files import write_file
from udfs.versions import library_versions


def describe(context: Context, release: Release, samples: DataFrame, counts: dict[str, int]) -> dict[str, Any]:
    """The manifest but its files: what is in the release, chosen by which thresholds, made by which models.

    It holds no time: the same release written again has the same manifest.
    """
    policy = context.recipe.gates.name
    return {
        "release": release.name,
        "recipe": context.recipe.name,
        "samples": sum(counts.values()),
        "subsets": {subset: {"samples": n, "shards": release.shards[subset]} for subset, n in sorted(counts.items())},
        "shard_of_a_key": "first 8 hex digits of the key's SHA-256, modulo the subset's shards",
        "kept_digest": release.digest,
        "licences": _licences(samples),
        "policy": {"name": policy} | {table: _rows(context, table) for table in ("policies", "thresholds", "quotas")},
        "funnel": _rows(context, "funnel"),
        "models": _models(context, samples),
        "table_versions": release.table_versions,
        "library_versions": json.loads(library_versions("pyspark", "delta-spark", "pillow", "pyarrow")),
    }


def with_files(about: dict[str, Any], files: list[dict[str, Any]]) -> dict[str, Any]:
    """The whole manifest: every file with its length and SHA-256."""
    listed = {f["file"]: {"bytes": f["bytes"], "sha256": f["sha256"], "samples": f["samples"]} for f in files}
    sides = {
        name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in side_files(about | {"files": listed}).items()
    }
    return about | {"files": listed | sides}


def side_files(manifest: dict[str, Any]) -> dict[str, bytes]:
    """Name -> content of the files that follow from the manifest alone."""
    sizes: dict[str, dict[str, int]] = {subset: {} for subset in manifest["subsets"]}
    for name, about in sorted(manifest["files"].items()):
        if name.endswith(".tar"):
            subset, tar = name.split("/")
            sizes[subset][tar] = about["samples"]
    files = {f"{subset}/{SIZES}": _json(tars) for subset, tars in sizes.items()}
    return files | {CARD: card(manifest).encode()}


def write_side_files(folder: Path, manifest: dict[str, Any], only: Container[str] | None = None) -> None:
    """only: of these names; a newer Goldpan may word the others otherwise than the release has them."""
    for name, data in side_files(manifest).items():
        if only is None or name in only:
            write_file(folder / name, data)


def write_manifest(folder: Path, manifest: str) -> None:
    """The commit: written when every other file is there."""
    write_file(folder / MANIFEST, manifest.encode())


def manifest_text(manifest: dict[str, Any]) -> str:
    return _json(manifest).decode()


def _json(content: Any) -> bytes:
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()


def _licences(samples: DataFrame) -> dict[str, int]:
    counts = samples.groupBy("licence").count().collect()
    return {
        str(row["licence"]): row["count"]
        for row in sorted(counts, key=lambda row: (-row["count"], str(row["licence"])))
    }


def _rows(context: Context, table: str) -> list[dict[str, Any]]:
    frame = context.view(table).drop("run_id", "created_at", "policy")
    rows = [row.asDict() for row in frame.collect()]
    return sorted(rows, key=lambda row: (row.get("ordinal", 0), json.dumps(row, sort_keys=True)))


def _models(context: Context, samples: DataFrame) -> dict[str, Any]:
    """Role -> the models that made or scored what is kept, with the parameters of the generators."""
    ids = samples.select("image_id")
    images = context.lakehouse.read("images").where("status = 'ok'").join(ids, "image_id", "left_semi")
    generators = images.select("model", "licence", "parameters", "library_versions").distinct().collect()
    scores = context.lakehouse.read("scores").join(ids, "image_id", "left_semi")
    scorers = scores.select(F.explode("revisions").alias("score", "model")).distinct().collect()
    made = {
        role: sorted(row[0] for row in samples.select(role).where(f"{role} is not null").distinct().collect())
        for role in _ROLES
    }
    return {
        "generators": [
            {
                "model": row["model"],
                "licence": row["licence"],
                "parameters": json.loads(row["parameters"] or "{}"),
                "library_versions": json.loads(row["library_versions"] or "{}"),
            }
            for row in sorted(generators, key=str)
        ],
        "scorers": {
            score: sorted(row["model"] for row in scorers if row["score"] == score)
            for score in sorted({row["score"] for row in scorers})
        },
        **{f"{role}s": models for role, models in made.items()},
    }


_ROLES = ("writer", "enhancer", "captioner")
