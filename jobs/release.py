"""Releases of one recipe: <name>-001, <name>-002, ... A release never changes: another kept set, or other texts or
scores of it, is the next one.

On disk a release is a folder with its shards and manifest.json. The manifest is the commit: a folder without one is
unfinished work, and unfinished.json says of what.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from conf.loading import RecipeError
from jobs.launch import Context
from udfs.atomic_files import remove_temporaries, write_file
from udfs.shards import ENDINGS, shard_file

MANIFEST = "manifest.json"
UNFINISHED = "unfinished.json"
CARD = "README.md"
SIZES = "sizes.json"
_SHARD = re.compile(r"train-\d{6,}(\.tar|\.parquet|_stats\.json)")


@dataclass(frozen=True)
class Release:
    """number: its place in the line; shards: subset -> number of shards; manifest: the text of manifest.json as `releases`
    has it, or the disk where the table does not; empty while it is first written; recorded: in `releases`."""

    name: str
    number: int
    folder: Path
    digest: str
    shards: dict[str, int]
    table_versions: dict[str, int]
    manifest: str = ""
    recorded: bool = False


def latest_release(context: Context) -> Release | None:
    """The last release of the recipe's line, whether the table knows it, the disk, or both."""
    recorded = {row["release"]: row["manifest"] for row in context.lakehouse.read("releases").collect()}
    root = Path(context.recipe.release.folder)
    names = {*recorded, *(path.parent.name for path in root.glob(f"*/{MANIFEST}"))}
    numbered = {int(match[1]): match[0] for name in names if (match := _pattern(context).fullmatch(name))}
    if not numbered:
        return None
    number = max(numbered)
    name = numbered[number]
    folder = root / name
    manifest = recorded.get(name) or (folder / MANIFEST).read_text(encoding="utf-8")
    about = json.loads(manifest)
    if about["recipe"] != context.recipe.name:
        raise RecipeError(
            f"{context.recipe.path}: release: {folder} belongs to the recipe {about['recipe']!r}, this one is"
            f" {context.recipe.name!r}. Give this recipe's release another name or folder."
        )
    shards = {subset: counts["shards"] for subset, counts in about["subsets"].items()}
    return Release(
        name, number, folder, about["kept_digest"], shards, about["table_versions"], manifest, name in recorded
    )


def lies_whole(context: Context) -> bool:
    """Whether the last release has its row, its manifest and every file in its size. If no table has changed since it was
    looked at, there is nothing to export.
    """
    last = latest_release(context)
    return last is not None and last.recorded and not damaged_files(last)


def release_name(context: Context, number: int) -> str:
    return f"{context.recipe.release.name}-{number:03d}"


def shard_counts(samples: dict[str, int], a_shard: int, before: dict[str, int]) -> dict[str, int]:
    """Subset -> number of shards: max(1, round(samples / a_shard)). `before`, the last release's counts, stay while
    shards then hold half to twice as many samples as asked for: so a sample keeps its shard from release to release,
    and unchanged shards are the same files.
    """
    counts = {}
    for subset, n in sorted(samples.items()):
        kept = before.get(subset, 0)
        fits = kept and (a_shard / 2 <= n / kept <= a_shard * 2 or (kept == 1 and n <= a_shard * 2))
        counts[subset] = kept if fits else max(1, round(n / a_shard))
    return counts


def damaged_files(release: Release) -> list[str]:
    """The files of the manifest, and itself, that are not there or have another size."""
    sizes = {name: about["bytes"] for name, about in json.loads(release.manifest)["files"].items()}
    sizes |= {MANIFEST: len(release.manifest.encode())}
    return [name for name, size in sizes.items() if _size(release.folder / name) != size]


def begin(release: Release) -> set[tuple[str, int]]:
    """Say on disk which release is being written; its shards that a run which was cut off has left whole.

    Shards of another kept set are removed before anything is said: they would be taken for this one's.
    """
    said = json.dumps({"kept_digest": release.digest, "shards": release.shards}, sort_keys=True).encode()
    path = release.folder / UNFINISHED
    remove_temporaries(release.folder)
    if path.is_file() and path.read_bytes() == said:
        shards = [(subset, shard) for subset, n in release.shards.items() for shard in range(n)]
        return {shard for shard in shards if all((release.folder / shard_file(*shard, e)).is_file() for e in ENDINGS)}
    for shard in release.folder.glob("*/train-*"):
        if _SHARD.fullmatch(shard.name):
            shard.unlink()
    write_file(path, said)
    return set()


def expected_files(shards: dict[str, int]) -> set[str]:
    """The shards' files of a release, below its folder."""
    return {
        shard_file(subset, shard, ending) for subset, n in shards.items() for shard in range(n) for ending in ENDINGS
    }


def _pattern(context: Context) -> re.Pattern[str]:
    return re.compile(re.escape(context.recipe.release.name) + r"-(\d{3,})")


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None
