"""Which prompts say the same: flat, complete, in order of precedence, and the same however the rows are cut."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

import udfs.prompt_groups as prompt_groups
from udfs.prompt_groups import NO_CELL, NO_FACTS, PLACED, first_pass, second_pass, whole_places


def at(*degrees: float) -> np.ndarray:
    """Unit vectors of a plane."""
    radians = np.radians(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def cos(degrees: float) -> float:
    return float(np.cos(np.radians(degrees)))


def keepers(vectors: np.ndarray, known: int, similarity: float, facts: np.ndarray | None = None) -> list[int]:
    return list(prompt_groups.keepers(vectors, known, similarity, facts)[0])


def test_the_first_is_kept_and_stands_for_those_like_it() -> None:
    assert keepers(at(0, 5, 90, 85, 3), 0, cos(10)) == [0, 0, 2, 2, 0]


def test_a_duplicate_stands_for_nobody() -> None:
    """8 is like 0, 16 is like 8 but not like 0: a chain does not spread."""
    assert keepers(at(0, 8, 16), 0, cos(10)) == [0, 0, 2]


def test_the_most_similar_kept_one_is_chosen() -> None:
    assert keepers(at(0, 12, 7), 0, cos(10)) == [0, 1, 1]


def test_known_rows_stay_kept_even_if_they_are_alike() -> None:
    assert keepers(at(0, 1, 2), 2, cos(10)) == [0, 1, 1]


def test_the_limit_itself_is_similar_enough() -> None:
    vectors = np.array([[1, 0], [0.8, 0.6]], dtype=np.float32)
    assert keepers(vectors, 0, 0.8) == [0, 0]
    assert keepers(vectors, 0, 0.800001) == [0, 1]


def test_prompts_whose_atoms_differ_are_not_alike() -> None:
    assert keepers(at(0, 1, 2), 0, cos(10), np.array([7, 8, 7])) == [0, 1, 0]


def test_a_prompt_without_atoms_agrees_with_any() -> None:
    assert keepers(at(0, 1, 2), 0, cos(10), np.array([7, NO_FACTS, 8])) == [0, 0, 2]


def test_the_cosine_to_what_is_kept_comes_along() -> None:
    cosines = prompt_groups.keepers(at(0, 5, 90), 0, cos(10))[1]
    assert np.allclose(cosines, [np.nan, cos(5), np.nan], atol=1e-6, equal_nan=True)


angles = st.lists(st.integers(0, 359), min_size=1, max_size=40)


@settings(deadline=None)
@given(angles, st.integers(1, 60), st.integers(1, 7), st.lists(st.integers(0, 2), min_size=40, max_size=40))
def test_the_map_is_flat_complete_and_does_not_depend_on_blocks(
    degrees: list[int], width: int, block: int, kinds: list[int]
) -> None:
    vectors = at(*degrees)
    facts = np.array(kinds[: len(degrees)])
    whole = keepers(vectors, 0, cos(width), facts)
    assert len(whole) == len(degrees)
    assert all(whole[owner] == owner <= row for row, owner in enumerate(whole)), (
        "kept rows are their own, and come first"
    )
    before = prompt_groups.BLOCK
    try:
        prompt_groups.BLOCK = block
        assert keepers(vectors, 0, cos(width), facts) == whole
    finally:
        prompt_groups.BLOCK = before


@settings(deadline=None)
@given(angles, st.integers(1, 60), st.integers(0, 40))
def test_a_run_that_goes_on_later_ends_where_one_run_does(degrees: list[int], width: int, cut: int) -> None:
    """The kept rows of the first part are the known ones of the second."""
    vectors, cut = at(*degrees), min(cut, len(degrees))
    whole = keepers(vectors, 0, cos(width))
    first = keepers(vectors[:cut], 0, cos(width))
    kept = [row for row, owner in enumerate(first) if row == owner]
    rest = list(range(cut, len(degrees)))
    places = kept + rest
    second = keepers(vectors[places], len(kept), cos(width))
    assert first + [places[owner] for owner in second[len(kept) :]] == whole


Row = tuple[str, int, bool, int, int, float]


def placed(*rows: Row, visitors: str = "") -> pa.Table:
    """Rows (prompt_id, started, known, set, cell, degrees), sorted by place."""
    names = ("prompt_id", "started", "known", "set", "cell", "vector")
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    vectors = [at(degrees)[0].tobytes() for degrees in columns.pop("vector")]
    table = pa.table({**columns, "vector": vectors, "facts": [NO_FACTS] * len(rows), "visits": [[9]] * len(rows)})
    table = table.select(PLACED.names).cast(PLACED)
    return table.append_column("visitor", pa.array([row[0] in visitors for row in rows])) if visitors else table


def answers(table: pa.Table, rows_a_batch: int = 100) -> dict[str, dict[str, object]]:
    batches = table.to_batches(max_chunksize=rows_a_batch)
    return {row["prompt_id"]: row for batch in first_pass(cos(10))(batches) for row in batch.to_pylist()}


ROWS: list[Row] = [
    ("k", 1, True, 1, NO_CELL, 0),
    ("a", 2, False, 1, NO_CELL, 3),
    ("b", 2, False, 1, NO_CELL, 90),
    ("c", 2, False, 2, 5, 90),
    ("d", 2, False, 2, 5, 95),
    ("e", 2, False, 2, 6, 90),
]


def test_the_first_pass_answers_what_is_not_known_place_by_place() -> None:
    found = answers(placed(*ROWS))
    assert {name: row["kept_id"] for name, row in found.items()} == {"a": "k", "b": "b", "c": "c", "d": "c", "e": "e"}
    assert found["b"]["similarity"] is None
    assert found["d"]["similarity"] == round(cos(5), 6)


def test_only_what_a_second_pass_looks_at_keeps_its_vector() -> None:
    found = answers(placed(*ROWS))
    assert [name for name in "abcde" if found[name]["vector"] is not None] == ["c", "e"]


@given(st.integers(1, 7))
def test_the_first_pass_does_not_depend_on_batches(rows_a_batch: int) -> None:
    assert answers(placed(*ROWS), rows_a_batch) == answers(placed(*ROWS))


@given(st.lists(st.integers(0, 2), max_size=30).map(sorted), st.integers(1, 9))
def test_a_place_is_never_cut(sets: list[int], rows_a_batch: int) -> None:
    table = placed(*[(f"{number:02d}", 0, False, each, 0, 0.0) for number, each in enumerate(sets)]) if sets else None
    tables = list(whole_places(table.to_batches(max_chunksize=rows_a_batch))) if table else []
    assert [each for found in tables for each in found["set"].to_pylist()] == sets
    found = [set(each["set"].to_pylist()) for each in tables]
    assert all(not one & other for one, other in pairwise(found))


def near(*rows: Row, visitors: str) -> set[tuple[str, str]]:
    found = second_pass(cos(10))(placed(*rows, visitors=visitors).to_batches())
    return {(row["prompt_id"], row["other"]) for batch in found for row in batch.to_pylist()}


def test_of_two_that_meet_the_earlier_is_named_as_the_other() -> None:
    host, before, after = ("h", 2, False, 1, 0, 0.0), ("g", 2, False, 1, 0, 3.0), ("i", 1, False, 1, 0, 3.0)
    assert near(host, before, visitors="g") == {("h", "g")}
    assert near(host, after, visitors="i") == {("h", "i")}
    assert near(host, ("z", 2, False, 1, 0, 3.0), visitors="z") == {("z", "h")}


def test_what_was_kept_before_comes_first_whenever_it_was_written() -> None:
    assert near(("k", 9, True, 1, 0, 0.0), ("a", 1, False, 1, 0, 3.0), visitors="a") == {("a", "k")}


def test_two_visitors_and_two_that_live_there_do_not_meet() -> None:
    rows: list[Row] = [("h", 1, False, 1, 0, 0.0), ("i", 1, False, 1, 0, 0.0)]
    assert near(*rows, ("v", 1, False, 1, 0, 90.0), ("w", 1, False, 1, 0, 90.0), visitors="vw") == set()
