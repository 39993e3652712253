"""The offline grammar over fine_t2i: prompts a second on one core, and the share that de-duplication keeps."""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Iterator
from itertools import accumulate, pairwise, product
from typing import Any

import numpy as np

from conf.taxonomy import Taxonomy, load_taxonomy
from udfs.embedders import minilm
from udfs.held_atoms import readable
from udfs.prompt_groups import keepers
from udfs.writers import GrammarWriter

Cell = tuple[str, str, str, str]  # task, category, style, template

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

    With the guard, prompts of different styles or categories are never compared: blocks drawn at random stand for all.
    """
    taxonomy = load_taxonomy("fine_t2i")
    writer, plan, embedder = GrammarWriter(taxonomy), _plan(taxonomy), minilm().load("cpu")
    every = list(product(taxonomy.slugs("category"), taxonomy.slugs("style")))
    compared = kept = kept_by_cosine = 0
    for category, style in random.Random(0).sample(every, blocks):
        block = {key: count for key, count in plan.items() if key[1:3] == (category, style)}
        prompts = list(_prompts(writer, block))
        random.Random(0).shuffle(prompts)
        texts = [prompt["text"] for prompt in prompts]
        vectors = np.asarray(embedder.embed(texts), dtype=np.float32)
        facts = np.unique([json.dumps(readable(prompt["atoms"])) for prompt in prompts], return_inverse=True)[1]
        compared += len(texts)
        kept += len(set(keepers(vectors, 0, SIMILARITY, facts)[0]))
        kept_by_cosine += len(set(keepers(vectors, 0, SIMILARITY)[0]))
    return compared, kept / compared, kept_by_cosine / compared


def _plan(taxonomy: Taxonomy) -> dict[Cell, int]:
    """Prompts of each cell, PROMPTS in all: the weights' running sum, rounded, so that none drifts from its share."""
    cells = list(product(taxonomy.tasks, taxonomy.categories, taxonomy.styles, taxonomy.templates))
    sums = list(accumulate(math.prod(label.weight for label in cell) for cell in cells))
    ends = [round(PROMPTS * weight / sums[-1]) for weight in sums]
    counts = [end - before for before, end in pairwise([0, *ends])]
    return {(t.slug, c.slug, s.slug, p.slug): count for (t, c, s, p), count in zip(cells, counts, strict=True)}


def _prompts(writer: GrammarWriter, plan: dict[Cell, int]) -> Iterator[dict[str, Any]]:
    for labels, count in plan.items():
        for index in range(count):
            yield writer.write(*labels, index)
