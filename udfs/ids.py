"""Content ids: 32 hex digits of the SHA-256 of canonical JSON: the same content has the same id on every machine."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any

ID_DIGITS = 32
# Canonical JSON. Made once: json.dumps makes an encoder a call, which takes half its time.
canonical = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def content_id(content: Any) -> str:
    """The id of JSON-like content: keys sorted, no white space, NFC not applied (callers normalise what may vary)."""
    return sha256(canonical(content).encode()).hexdigest()[:ID_DIGITS]


def normalised(text: str) -> str:
    """NFC, runs of white space made one space, ends trimmed: two texts that a reader cannot tell apart are equal."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def prompt_id(text: str, task: str, category: str, style: str) -> str:
    return content_id([normalised(text), task, category, style])


def photo_id(source: str, source_id: str) -> str:
    return content_id([source, source_id])


def candidate_seeds(
    recipe_seed: int, prompt: str, variant: str, regime: str, generator: str, candidates: int
) -> list[int]:
    """63-bit seeds, one a candidate: the first 63 bits of the content id of [recipe_seed, prompt, variant, regime,
    generator, candidate]. They depend on what a picture is for, never on its place in a run.
    """
    # A resume makes the seeds and ids of all pictures ever asked for: what they have in common is put into JSON once.
    head = canonical([recipe_seed, prompt, variant, regime, generator])[:-1]
    return [_leading(f"{head},{candidate}]", 8) >> 1 for candidate in range(candidates)]


def size_choices(seeds: Iterable[int], sizes: int) -> list[int]:
    """For each seed, which of so many sizes its picture has, from 0: the first 32 bits of the content id of [seed,
    "size"], modulo their number.
    """
    if sizes == 1:  # most pictures are square ones of the one size: no hash for them
        return [0 for _ in seeds]
    return [_leading(f'[{seed},"size"]', 4) % sizes for seed in seeds]


def image_ids(text: str, spec: str, seeds: Sequence[int], sizes: Sequence[tuple[int, int]]) -> list[str]:
    """The ids of a text's pictures: content ids of the exact text sent, the resolved generator spec (here as canonical JSON),
    the seed and the size (width, height).
    """
    common = f'"spec":{spec},"text":{canonical(text)}'
    return [
        sha256(f'{{"height":{height},"seed":{seed},{common},"width":{width}}}'.encode()).hexdigest()[:ID_DIGITS]
        for seed, (width, height) in zip(seeds, sizes, strict=True)
    ]


def _leading(canonical: str, number: int) -> int:
    """The first bytes of a content id, as an unsigned integer."""
    return int.from_bytes(sha256(canonical.encode()).digest()[:number], "big")
