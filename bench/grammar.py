"""The offline grammar over fine_t2i: prompts a second on one core, and the share that de-duplication keeps."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from conf.taxonomy import Taxonomy, load_taxonomy
from udfs.allotment import largest_remainder
from udfs.embedders import minilm
from udfs.prompt_groups import guard_keys, keepers
from udfs.writers import GrammarWriter

PROMPTS = 50_000
SIMILARITY = 0.8  # what conf/fine_t2i.yaml says
BLOCKS = 12


def speed() -> float:
    """Prompts a second of this process's CPU time, over a plan of PROMPTS."""
    taxonomy = load_taxonomy("fine_t2i")
    writer, plan = GrammarWriter(taxonomy), _plan(taxonomy)
    next(_prompts(writer, plan))
    started = time.process_time()
    written = sum(1 for _ in _prompts(writer, plan))
    assert written == PROMPTS
    return written / (time.process_time() - started)


def survival(blocks: int = BLOCKS) -> tuple[int, float, float]:
    """(prompts compared, share kept with the guard, share kept by the cosine alone) of a plan of PROMPTS.

    Prompts of different styles or categories are never compared: blocks drawn at random stand for all.
    """
    taxonomy = load_taxonomy("fine_t2i")
    writer, plan, embedder = GrammarWriter(taxonomy), _plan(taxonomy), minilm().load("cpu")
    every = list(product(taxonomy.slugs("category"), taxonomy.slugs("style")))
    compared = guarded = plain = 0
    for category, style in random.Random(0).sample(every, blocks):
        block = {key: count for key, count in plan.items() if key[1:3] == (category, style)}
        prompts = list(_prompts(writer, block))
        random.Random(0).shuffle(prompts)
        texts = [prompt["text"] for prompt in prompts]
        vectors = np.asarray(embedder.embed(texts), dtype=np.float32)
        keys = guard_keys(texts, [prompt["atoms"] for prompt in prompts])
        compared += len(texts)
        guarded += len(set(keepers(vectors, 0, SIMILARITY, keys)))
        plain += len(set(keepers(vectors, 0, SIMILARITY)))
    return compared, guarded / compared, plain / compared


def _plan(taxonomy: Taxonomy) -> dict[tuple[str, str, str, str], int]:
    """(task, category, style, template) -> prompts, PROMPTS in all, by the weights."""
    axes = (taxonomy.tasks, taxonomy.categories, taxonomy.styles, taxonomy.templates)
    weights = {
        (t.slug, c.slug, f"{s.slug}/{p.slug}"): t.weight * c.weight * s.weight * p.weight
        for t, c, s, p in product(*axes)
    }
    counts = largest_remainder(weights, PROMPTS)
    return {(task, category, *_two(both)): count for (task, category, both), count in counts.items()}


def _two(both: str) -> tuple[str, str]:
    style, template = both.split("/")
    return style, template


def _prompts(writer: GrammarWriter, plan: dict[tuple[str, str, str, str], int]) -> Iterator[dict[str, Any]]:
    for labels, count in plan.items():
        for index in range(count):
            yield writer.write(*labels, index)
