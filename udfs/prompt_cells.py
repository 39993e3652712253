"""Where a prompt is compared: its set, which is what the guard demands to be equal, and its k-means cell."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa

from udfs.atoms import Atom
from udfs.attributes import media, stated
from udfs.held_atoms import readable
from udfs.prompt_groups import NO_CELL, NO_FACTS, PLACED, Vectors, matrix

SAMPLE_A_CELL = 64  # prompts that the centers are trained on: 12 MB of vectors for 128 cells, however many prompts
CENTERS = pa.schema([("center", pa.list_(pa.float32()))])
_ITERATIONS = 20
_DECIMALS = 6

Batches = Iterable[pa.RecordBatch]


def placing(guard: bool) -> Callable[[Batches], Iterator[pa.RecordBatch]]:
    """A function for mapInArrow: prompts with embedding -> PLACED, one row each, no cell yet.

    Input columns: prompt_id, started, known, text, atoms, category, style, embedding.
    """

    def placed(batches: Batches) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            atoms = batch["atoms"].to_pylist()
            labels = zip(batch["style"].to_pylist(), batch["category"].to_pylist(), strict=True)
            sets = [
                _number([*label, *sorted(stated(text, facts)), *_medium(label[0], text)]) if guard else 0
                for label, text, facts in zip(labels, batch["text"].to_pylist(), atoms, strict=True)
            ]
            facts = [_facts(found) if guard else NO_FACTS for found in atoms]
            columns = {
                **{name: batch[name] for name in ("prompt_id", "started", "known")},
                "set": pa.array(sets, pa.int64()),
                "facts": pa.array(facts, pa.int64()),
                "vector": _bytes(batch["embedding"]),
                "cell": pa.array([NO_CELL] * batch.num_rows, pa.int32()),
                "visits": pa.array([[]] * batch.num_rows, pa.list_(pa.int32())),
            }
            yield pa.RecordBatch.from_pydict(columns, schema=PLACED)

    return placed


def training(cells: int) -> Callable[[Batches], Iterator[pa.RecordBatch]]:
    """A function for mapInArrow over ONE partition: the sample's prompt_id and vector -> at most `cells` CENTERS.

    The same prompts give the same centers, in whatever order they come.
    """

    def trained(batches: Batches) -> Iterator[pa.RecordBatch]:
        table = pa.Table.from_batches(batches)
        if table.num_rows:
            vectors = matrix(table.sort_by("prompt_id")["vector"])
            found = centers(vectors, cells)
            yield pa.RecordBatch.from_pydict({"center": found.tolist()}, schema=CENTERS)

    return trained


def centers(vectors: Vectors, cells: int) -> Vectors:
    """(k, d) unit centers of k-means over unit vectors, k <= cells; deterministic."""
    from sklearn.cluster import KMeans

    distinct = len(np.unique(vectors, axis=0))
    fitted = KMeans(min(cells, distinct), n_init=1, max_iter=_ITERATIONS, random_state=0).fit(vectors)
    found = np.asarray(fitted.cluster_centers_, dtype=np.float32)
    return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), np.float32(1e-12))


def celling(found: Vectors, probes: int) -> Callable[[Batches], Iterator[pa.RecordBatch]]:
    """A function for mapInArrow: PLACED -> PLACED with the nearest center as cell and the `probes` next as visits."""

    def celled(batches: Batches) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if batch.num_rows == 0:
                continue
            near = nearest_cells(matrix(batch["vector"]), found, probes + 1)
            columns = {name: batch[name] for name in PLACED.names} | {
                "cell": pa.array(near[:, 0], pa.int32()),
                "visits": pa.array(near[:, 1:].tolist(), pa.list_(pa.int32())),
            }
            yield pa.RecordBatch.from_pydict(columns, schema=PLACED)

    return celled


def nearest_cells(vectors: Vectors, found: Vectors, many: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """(n, many) numbers of the nearest centers, the nearest first."""
    return np.argsort(-(vectors @ found.T).round(_DECIMALS), axis=1, kind="stable")[:, :many]


def _medium(style: str, text: str) -> list[str]:
    """A style tells one medium from another; without a style the words do."""
    return media(text) if style == "none" else []


def _facts(atoms: list[Atom] | None) -> int:
    """A number that is equal where the same things are asked for, in whatever order they stand: objects, counts, colors,
    relations, absences, texts. What they look like otherwise and where they are is for the cosine to tell.
    """
    return _number(sorted(json.dumps(fact, sort_keys=True) for fact in readable(atoms))) if atoms else NO_FACTS


def _number(parts: list[Any]) -> int:
    """63 bits of a hash: two of 10 million different ones are equal with a chance of 1 in 200,000."""
    return int.from_bytes(blake2b(json.dumps(parts).encode(), digest_size=8).digest(), "big") >> 1


def _bytes(embeddings: pa.Array) -> pa.Array:
    """A list<float> column as float32 bytes: Spark moves those whole, and numbers one by one."""
    if len(embeddings) == 0:
        return pa.array([], pa.binary())
    flat = np.ascontiguousarray(embeddings.flatten().to_numpy(zero_copy_only=False), dtype=np.float32)
    width = pa.binary(flat.nbytes // len(embeddings))
    rows = pa.FixedSizeBinaryArray.from_buffers(width, len(embeddings), [None, pa.py_buffer(flat)])
    return rows.cast(pa.binary())
