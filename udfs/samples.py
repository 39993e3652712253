"""A kept picture as it ships: the text of its .txt and the fields of its .json, checked against the defects that such
releases have had."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from udfs.codec import sha256
from udfs.errors import ExplainedError
from udfs.jpeg import frame

KEY = re.compile(r"[0-9A-Za-z_-]+")  # WebDataset's key ends at the first dot


class SampleError(ExplainedError):
    """A picture that must not ship as it is; the message names its key."""


@dataclass(frozen=True)
class Names:
    """Display names by slug, as people read them: tasks as lists (colors_counting -> Colors, Counting); scores: the
    names that are exported."""

    tasks: dict[str, tuple[str, ...]]
    categories: dict[str, str]
    styles: dict[str, str]
    scores: tuple[str, ...]


def fields(row: dict[str, Any], names: Names) -> dict[str, Any]:
    """The .json of a sample: Fine-T2I's 15 fields in its order, then ours. Every sample has every field; null where it
    does not apply.

    length and enhanced_length count words (runs without white space). style, prompt_category, task and
    image_aspect_ratio are null for photographs and where a prompt has no label. enhanced_prompt is null where the
    original prompt was sent: the picture does not hold it.
    """
    generated = row["kind"] == "generated"
    width, height = row["width"], row["height"]
    task = names.tasks.get(row["task"])
    return {
        "id": row["image_id"],
        "prompt": row["prompt"],
        "enhanced_prompt": row["enhanced_prompt"],
        "length": len(row["prompt"].split()),
        "enhanced_length": len(row["enhanced_prompt"].split()) if row["enhanced_prompt"] else None,
        "prompt_generator": row["writer"] if generated else row["captioner"],
        "enhancer": row["enhancer"] if generated else row["captioner"],
        "style": names.styles.get(row["style"]) if generated else None,
        "prompt_category": names.categories.get(row["category"]) if generated else None,
        "task": list(task) if generated and task else None,
        "image_aspect_ratio": aspect_ratio(width, height) if generated else None,
        "image_resolution": [width, height],
        "image_generator": row["model"],
        "image_generated_with_enhanced_prompt": row["variant"] == "enhanced",
        "aesthetic_predictor_v_2_5_score": row["aesthetic_predictor_v_2_5_score"],
        "width": width,
        "height": height,
        "sha256": row["sha256"],
        "licence": row["licence"],
        "seed": row["seed"],
        "source": row["source"],
        "source_url": row["source_url"],
        "author": row["author"],
        "scores": {name: row[name] for name in names.scores},
    }


def texts(row: dict[str, Any], names: Names) -> tuple[bytes, bytes]:
    """(.txt, .json) of a sample, UTF-8. SampleError for an empty caption or prompt, for a key that WebDataset would
    cut."""
    key = row["image_id"]
    if not KEY.fullmatch(key):
        raise SampleError(f"{key!r} cannot be a key; letters, digits, _ and - are allowed")
    for name in ("caption", "prompt"):
        if not (row[name] or "").strip():
            raise SampleError(f"{key}: its {name} is empty")
    record = json.dumps(fields(row, names), ensure_ascii=False, allow_nan=False, separators=(", ", ": "))
    return row["caption"].encode(), record.encode()


def check_picture(row: dict[str, Any], image: bytes) -> None:
    """SampleError unless the bytes are the JPEG that the row describes: three components, its size, its hash."""
    key = row["image_id"]
    try:
        found = frame(image)
    except OSError as error:
        raise SampleError(f"{key}: {error}") from None
    if found.components != 3:
        raise SampleError(f"{key}: the JPEG has {found.components} components; RGB has 3")
    if (found.width, found.height) != (row["width"], row["height"]):
        raise SampleError(
            f"{key}: the JPEG has {found.width}x{found.height} pixels, its row says {row['width']}x{row['height']}"
        )
    if sha256(image) != row["sha256"]:
        raise SampleError(f"{key}: the JPEG is not the one that was scored (its SHA-256 differs)")


def aspect_ratio(width: int, height: int) -> str:
    """'5:3' for 80 x 48."""
    divisor = math.gcd(width, height)
    return f"{width // divisor}:{height // divisor}"


@dataclass(frozen=True)
class KeptDigest:
    """A callable for mapInArrow over one partition in order of image_id: one row, the SHA-256 of everything that ships
    but the pictures.

    A picture is in it by the SHA-256 of its bytes. Equal digests: equal releases.
    """

    names: Names

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        digest = hashlib.sha256()
        last = None
        for row in (row for batch in batches for row in batch.to_pylist()):
            if row["image_id"] == last:
                raise SampleError(f"{last}: this key stands twice in the training set")
            last = row["image_id"]
            caption, record = texts(row, self.names)
            digest.update(b"\0".join([row["subset"].encode(), caption, record]) + b"\n")
        yield pa.RecordBatch.from_pylist([{"digest": digest.hexdigest()}])
