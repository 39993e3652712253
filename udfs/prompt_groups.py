"""Which prompts say the same: the first of each group is kept, the others point at it.

Numpy only, in blocks; never n x n in memory.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from udfs.atoms import Atom
from udfs.attributes import attributes
from udfs.errors import ExplainedError

BLOCK = 4096  # rows a matrix product: 64 MiB of float32
_DECIMALS = 6  # the order of additions moves a cosine by 1e-7; what is compared and stored must not depend on it

Vectors = np.ndarray[Any, np.dtype[np.float32]]
Numbers = np.ndarray[Any, np.dtype[np.int64]]

OUTPUT = pa.schema(
    [
        ("prompt_id", pa.string()),
        ("kept_id", pa.string()),
        ("reason", pa.string()),
        ("similarity", pa.float64()),
        ("embedding", pa.list_(pa.float32())),
        ("seconds", pa.float64()),
        ("device", pa.string()),
    ]
)


class EmbeddingError(ExplainedError):
    """A prompt could not be embedded, so it cannot be compared."""


def grouping(similarity: float, guard: bool) -> Callable[[pa.Table], pa.Table]:
    """A function for applyInArrow: the rows of one block, kept and new -> prompt_duplicates: one row per new prompt.

    similarity: the smallest cosine, 0-1. guard: whether the attributes must be equal too.
    Input columns: prompt_id, text, atoms, created_at, known (kept by an earlier wave or run), exact_of (the first
    prompt with
    the same words, if that is another one), exact_kept (what stands for that one, if it was compared before),
    embedding,
    seconds, device, status, error_message.
    """

    # a function, not a callable object: Spark counts the arguments, self among them
    def grouped(table: pa.Table) -> pa.Table:
        table = table.sort_by([("known", "descending"), ("created_at", "ascending"), ("prompt_id", "ascending")])
        _refuse_errors(table)
        ids, vectors = table["prompt_id"].to_pylist(), _matrix(table["embedding"])
        exact = table["exact_of"].to_pylist()
        first = [i for i, other in enumerate(exact) if other is None]  # the known ones lead, and none of them is a copy
        texts, atoms = table["text"].to_pylist(), table["atoms"].to_pylist()
        keys = guard_keys([texts[i] for i in first], [atoms[i] for i in first]) if guard else None
        known = sum(table["known"].to_pylist())
        owners = keepers(vectors[first], known, similarity, keys)
        kept = {ids[i]: ids[first[owner]] for i, owner in zip(first, owners, strict=True)}
        for name, other, before in zip(ids, exact, table["exact_kept"].to_pylist(), strict=True):
            if other is not None:
                kept[name] = before or kept[other]
        return _answers(table, ids, vectors, kept, known)

    return grouped


def keepers(vectors: Vectors, known: int, similarity: float, keys: GuardKeys | None = None) -> list[int]:
    """For each row the index of the row that stands for it: itself, or the most similar kept row before it.

    vectors: (n, d) unit rows in order of precedence; the first `known` are kept already. A row is kept unless a kept
    row before it reaches
    `similarity` and passes the guard. So the map is flat, and cutting the rows into several calls gives the same
    answer.
    """
    owners = list(range(known))
    kept = np.arange(known)
    for start in range(known, len(vectors), BLOCK):
        rows = np.arange(start, min(start + BLOCK, len(vectors)))
        best, owner = _nearest(vectors, rows, kept, similarity, keys)
        within = _cosines(vectors, rows, rows, similarity, keys)
        fresh = np.zeros(len(rows), dtype=bool)
        for i, row in enumerate(rows):
            inside = np.where(fresh[:i], within[i, :i], np.float32(-1))
            j = int(inside.argmax()) if i else 0
            if i and inside[j] > best[i]:
                owners.append(int(rows[j]))
            elif best[i] >= similarity:
                owners.append(int(owner[i]))
            else:
                fresh[i] = True
                owners.append(int(row))
        kept = np.concatenate([kept, rows[fresh]])
    return owners


@dataclass(frozen=True)
class GuardKeys:
    """Numbers that are equal where attributes are equal.

    atoms: -1 where a prompt has none; words: what its text says.
    """

    atoms: Numbers
    words: Numbers

    def agree(self, left: Numbers, right: Numbers) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """(len(left), len(right)) bools: the atoms are equal where both have some, else the words' attributes."""
        a, b = self.atoms[left][:, None], self.atoms[right][None, :]
        both = (a >= 0) & (b >= 0)
        return np.where(both, a == b, self.words[left][:, None] == self.words[right][None, :])


def guard_keys(texts: Sequence[str], atoms: Sequence[list[Atom] | None]) -> GuardKeys:
    by_atoms = [frozenset(json.dumps(fact, sort_keys=True) for fact in facts) if facts else None for facts in atoms]
    by_words = [attributes(text) for text in texts] if None in by_atoms else [frozenset()] * len(by_atoms)
    return GuardKeys(_numbered(by_atoms), _numbered(by_words))


def _nearest(
    vectors: Vectors, rows: Numbers, kept: Numbers, similarity: float, keys: GuardKeys | None
) -> tuple[Any, Any]:
    """(cosine, index) of the best kept row for each of `rows`; -1 where none is similar enough."""
    best, owner = np.full(len(rows), -1.0, dtype=np.float32), np.full(len(rows), -1)
    for start in range(0, len(kept), BLOCK):
        part = kept[start : start + BLOCK]
        cosines = _cosines(vectors, rows, part, similarity, keys)
        place = cosines.argmax(axis=1)
        value = cosines[np.arange(len(rows)), place]
        better = value > best
        best[better], owner[better] = value[better], part[place[better]]
    return best, owner


def _cosines(vectors: Vectors, rows: Numbers, others: Numbers, similarity: float, keys: GuardKeys | None) -> Any:
    """Cosines of rows and others; -1 where they are too small or the guard refuses."""
    cosines = (vectors[rows] @ vectors[others].T).round(_DECIMALS)
    allowed = cosines >= similarity
    if keys is not None:
        allowed &= keys.agree(rows, others)
    cosines[~allowed] = -1.0
    return cosines


def _numbered(values: Sequence[Any]) -> Numbers:
    numbers: dict[Any, int] = {}
    return np.array(
        [-1 if value is None else numbers.setdefault(value, len(numbers)) for value in values], dtype=np.int64
    )


def _matrix(column: pa.ChunkedArray) -> Vectors:
    flat = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat, dtype=np.float32).reshape(len(column), -1)


def _answers(table: pa.Table, ids: list[str], vectors: Vectors, kept: dict[str, str], known: int) -> pa.Table:
    places = {name: i for i, name in enumerate(ids)}
    exact = table["exact_of"].to_pylist()
    rows = []
    for i in range(known, len(ids)):
        stands = kept[ids[i]]
        copy = stands != ids[i]
        cosine = round(float(vectors[i] @ vectors[places[stands]]), _DECIMALS)
        rows.append((ids[i], stands, ("exact" if exact[i] else "semantic") if copy else None, cosine if copy else None))
    columns = (
        [pa.array(column, type=OUTPUT.types[k]) for k, column in enumerate(zip(*rows, strict=True))]
        if rows
        else [[], [], [], []]
    )
    new = table.slice(known)
    return pa.table([*columns, *(new[name] for name in ("embedding", "seconds", "device"))], names=OUTPUT.names).cast(
        OUTPUT
    )


def _refuse_errors(table: pa.Table) -> None:
    for name, status, message in zip(
        *(table[c].to_pylist() for c in ("prompt_id", "status", "error_message")), strict=True
    ):
        if status == "error":
            raise EmbeddingError(
                f"prompt {name} could not be embedded: {message}."
                " Nothing of this wave was written; mend or remove the prompt."
            )
