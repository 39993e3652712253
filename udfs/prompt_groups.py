"""Which prompts say the same, inside one place: the first is kept, the others point at it.

A place holds prompts that may be alike: those of one set (what the guard demands is equal) and, in a large set, of
one cell. `first_pass` looks at the prompts that live in a place, `second_pass` at those that live next to it.
Numpy only, in blocks; never n x n in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

BLOCK = 2048  # rows a matrix product: 16 MiB of float32
NO_FACTS = -1  # a prompt without atoms
NO_CELL = -1  # its set is small: all of it is one place
_DECIMALS = 6  # the order of additions moves a cosine by 1e-7; what is compared and stored must not depend on it

Vectors = np.ndarray[Any, np.dtype[np.float32]]
Numbers = np.ndarray[Any, np.dtype[np.int64]]
Batches = Iterable[pa.RecordBatch]
Pass = Callable[[Batches], Iterator[pa.RecordBatch]]

# A prompt where it lives. started, prompt_id: its precedence. known: kept before. set: a number, equal where what the
# guard demands is equal. facts: likewise of what its atoms ask for. vector: float32. visits: the next nearest cells.
PLACED = pa.schema(
    [
        ("prompt_id", pa.string()),
        ("started", pa.timestamp("us", tz="UTC")),
        ("known", pa.bool_()),
        ("set", pa.int64()),
        ("facts", pa.int64()),
        ("vector", pa.binary()),
        ("cell", pa.int32()),
        ("visits", pa.list_(pa.int32())),
    ]
)
# What the first pass says of a prompt that is not known. vector is null where no second pass will look at it.
LOCAL = pa.schema([*PLACED, ("kept_id", pa.string()), ("similarity", pa.float64())])
# Two prompts of different cells that are alike: other comes first, or is known.
NEAR = pa.schema([("prompt_id", pa.string()), ("other", pa.string()), ("similarity", pa.float64())])


def first_pass(similarity: float) -> Pass:
    """A function for mapInArrow: PLACED, sorted by place, known, started, prompt_id -> LOCAL: a row for each that is
    not known.

    similarity: the smallest cosine, 0-1.
    """

    # functions, not callable objects: Spark counts the arguments, self among them
    def passed(batches: Batches) -> Iterator[pa.RecordBatch]:
        for table in whole_places(batches):
            yield from _local(table, similarity).to_batches()

    return passed


def second_pass(similarity: float) -> Pass:
    """A function for mapInArrow: PLACED with the column visitor, sorted by place -> NEAR: visitors and what lives
    there.
    """

    def passed(batches: Batches) -> Iterator[pa.RecordBatch]:
        for table in whole_places(batches):
            yield from _near(table, similarity).to_batches()

    return passed


def keepers(
    vectors: Vectors, known: int, similarity: float, facts: Numbers | None = None
) -> tuple[Numbers, np.ndarray[Any, np.dtype[np.float64]]]:
    """For each row the index of the row that stands for it (itself, or the most similar kept row before it), and their
    cosine (NaN: itself).

    vectors: (n, d) unit rows in order of precedence; the first `known` are kept already. A row is kept unless a kept
    row before it reaches `similarity` and has the same facts, where both have any. So the map is flat, and cutting
    the rows into several calls gives the same answer.
    """
    owners, cosines = np.arange(len(vectors)), np.full(len(vectors), np.nan)
    kept = np.arange(known)
    for start in range(known, len(vectors), BLOCK):
        rows = np.arange(start, min(start + BLOCK, len(vectors)))
        best, owner = _nearest(vectors, rows, kept, similarity, facts)
        within = np.tril(_cosines(vectors, rows, rows, similarity, facts), -1)
        fresh = owner < 0
        for i in np.flatnonzero(within.max(axis=1) >= similarity):  # most rows are like none of their block
            inside = np.where(fresh[:i], within[i, :i], np.float32(-1))
            j = int(inside.argmax())
            if inside[j] > best[i]:
                best[i], owner[i], fresh[i] = inside[j], rows[j], False
        owners[rows[~fresh]] = owner[~fresh]
        cosines[rows[~fresh]] = best[~fresh].astype(np.float64).round(_DECIMALS)
        kept = np.concatenate([kept, rows[fresh]])
    return owners, cosines


def whole_places(batches: Batches) -> Iterator[pa.Table]:
    """Batches sorted by set and cell -> tables that end where a place ends; memory holds one place and a batch."""
    held: list[pa.RecordBatch] = []
    for batch in batches:
        if batch.num_rows == 0:
            continue
        starts = _starts(batch)
        if held and starts[0] == 0 and _same_place(held[-1], batch):
            starts = starts[1:]
        if len(starts):
            last = int(starts[-1])
            if held or last:
                yield pa.Table.from_batches([*held, batch.slice(0, last)])
            held = [batch.slice(last)]
        else:
            held.append(batch)
    if held:
        yield pa.Table.from_batches(held)


def matrix(column: pa.ChunkedArray | pa.Array) -> Vectors:
    """(n, d) of a column of float32 bytes."""
    rows = column.to_pylist()
    return np.frombuffer(b"".join(rows), dtype=np.float32).reshape(len(rows), -1)


def _starts(table: pa.Table | pa.RecordBatch) -> Numbers:
    """Where a new place begins; the first row is one."""
    sets, cells = _numbers(table, "set"), _numbers(table, "cell")
    changes = (sets[1:] != sets[:-1]) | (cells[1:] != cells[:-1])
    return np.concatenate([[0], np.flatnonzero(changes) + 1])


def _same_place(one: pa.RecordBatch, other: pa.RecordBatch) -> bool:
    return all(one[name][one.num_rows - 1] == other[name][0] for name in ("set", "cell"))


def _runs(table: pa.Table) -> Iterator[slice]:
    """The places of a table that hold more than one row: a prompt alone is like no other."""
    starts = _starts(table)
    ends = np.append(starts[1:], table.num_rows)
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        if end - start > 1:
            yield slice(start, end)


def _local(table: pa.Table, similarity: float) -> pa.Table:
    known, facts, vectors = _flags(table, "known"), _numbers(table, "facts"), matrix(table["vector"])
    owners, cosines = np.arange(table.num_rows), np.full(table.num_rows, np.nan)
    for place in _runs(table):
        before = int(known[place].sum())
        if before < place.stop - place.start:
            found, cosines[place] = keepers(vectors[place], before, similarity, facts[place])
            owners[place] = found + place.start
    kept = owners == np.arange(table.num_rows)
    seen_again = kept & (_numbers(table, "cell") != NO_CELL)
    vector = pc.if_else(pa.array(seen_again), table["vector"].combine_chunks(), pa.scalar(None, pa.binary()))
    answers = (
        table.set_column(table.schema.get_field_index("vector"), "vector", vector)
        .append_column("kept_id", table["prompt_id"].take(pa.array(owners)))
        .append_column("similarity", pa.array(cosines, from_pandas=True))
    )
    return answers.filter(pa.array(~known)).select(LOCAL.names).cast(LOCAL)


def _near(table: pa.Table, similarity: float) -> pa.Table:
    ids, vectors = np.array(table["prompt_id"].to_pylist(), dtype=object), matrix(table["vector"])
    known, visitor, facts = _flags(table, "known"), _flags(table, "visitor"), _numbers(table, "facts")
    started = _numbers(table, "started")
    pairs: list[tuple[Numbers, Numbers, Any]] = []
    for place in _runs(table):
        rows = np.arange(place.start, place.stop)
        pairs += list(_alike(vectors, rows[visitor[place]], rows[~visitor[place]], similarity, facts))
    if not pairs:
        return NEAR.empty_table()
    guest, host, cosine = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    after = known[host] | (started[guest] > started[host])
    after |= (started[guest] == started[host]) & (ids[guest] > ids[host])
    after &= ~known[guest]
    later, earlier = np.where(after, guest, host), np.where(after, host, guest)
    columns = (ids[later], ids[earlier], cosine.astype(np.float64).round(_DECIMALS))
    return pa.table([pa.array(column) for column in columns], schema=NEAR)


def _alike(
    vectors: Vectors, guests: Numbers, hosts: Numbers, similarity: float, facts: Numbers
) -> Iterator[tuple[Numbers, Numbers, Any]]:
    """(guest, host, cosine) of every pair that is similar enough and whose facts agree."""
    for rows in _blocks(guests):
        for others in _blocks(hosts):
            cosines = _cosines(vectors, rows, others, similarity, facts)
            i, j = np.nonzero(cosines >= similarity)
            yield rows[i], others[j], cosines[i, j]


def _nearest(
    vectors: Vectors, rows: Numbers, kept: Numbers, similarity: float, facts: Numbers | None
) -> tuple[Any, Any]:
    """(cosine, index) of the best kept row for each of `rows`; -1 where none is similar enough."""
    best, owner = np.full(len(rows), -1.0, dtype=np.float32), np.full(len(rows), -1)
    for part in _blocks(kept):
        cosines = _cosines(vectors, rows, part, similarity, facts)
        place = cosines.argmax(axis=1)
        value = cosines[np.arange(len(rows)), place]
        better = value > best
        best[better], owner[better] = value[better], part[place[better]]
    return best, owner


def _cosines(vectors: Vectors, rows: Numbers, others: Numbers, similarity: float, facts: Numbers | None) -> Any:
    """Cosines of rows and others; -1 where they are too small or the facts differ."""
    cosines = (vectors[rows] @ vectors[others].T).round(_DECIMALS)
    allowed = cosines >= similarity
    if facts is not None and (facts != NO_FACTS).any():
        one, other = facts[rows][:, None], facts[others][None, :]
        allowed &= (one == other) | (one == NO_FACTS) | (other == NO_FACTS)
    cosines[~allowed] = -1.0
    return cosines


def _blocks(rows: Numbers) -> Iterator[Numbers]:
    for start in range(0, len(rows), BLOCK):
        yield rows[start : start + BLOCK]


def _numbers(table: pa.Table | pa.RecordBatch, name: str) -> Numbers:
    column = table[name]
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    return np.asarray(column.to_numpy(zero_copy_only=False) if isinstance(column, pa.Array) else column.to_numpy())


def _flags(table: pa.Table, name: str) -> np.ndarray[Any, np.dtype[np.bool_]]:
    return np.asarray(table[name].to_numpy())
