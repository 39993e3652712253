"""Content ids: 32 hex digits of the SHA-256 of canonical JSON: the same content has the same id on every machine."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Sequence
from typing import Any

ID_DIGITS = 32
# Made once: json.dumps makes an encoder a call, which takes half its time.
_canonical = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def content_id(content: Any) -> str:
    """The id of JSON-like content: keys sorted, no white space, NFC not applied (callers normalise what may vary)."""
    return _digits(_canonical(content))


def normalised(text: str) -> str:
    """NFC, runs of white space made one space, ends trimmed: two texts that a reader cannot tell apart are equal."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def prompt_id(text: str, task: str, category: str, style: str) -> str:
    return content_id([normalised(text), task, category, style])


def image_ids(
    texts: Sequence[str], spec: dict[str, Any], seeds: Sequence[int], sizes: Sequence[tuple[int, int]]
) -> list[str]:
    """The ids of rendered pictures: content ids of the exact text sent, the resolved generator spec, the seed and the
    size (width, height). Many at once, so that the spec is put into JSON once.
    """
    written = _canonical(spec)
    return [
        _digits(f'{{"height":{height},"seed":{seed},"spec":{written},"text":{_canonical(text)},"width":{width}}}')
        for text, seed, (width, height) in zip(texts, seeds, sizes, strict=True)
    ]


def photo_id(source: str, source_id: str) -> str:
    return content_id([source, source_id])


def image_seed(recipe_seed: int, prompt: str, variant: str, regime: str, generator: str, candidate: int) -> int:
    """A 63-bit seed for one picture; it depends on what the picture is for, never on its place in a run."""
    return int(content_id([recipe_seed, prompt, variant, regime, generator, candidate])[:16], 16) >> 1


def _digits(canonical: str) -> str:
    return hashlib.sha256(canonical.encode("utf-8")).hexdigest()[:ID_DIGITS]
