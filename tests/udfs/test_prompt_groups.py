"""Which prompts say the same: flat, complete, in order of precedence, and the same however the rows are cut."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import udfs.prompt_groups as prompt_groups
from udfs.atoms import ARROW, atom
from udfs.prompt_groups import EmbeddingError, GuardKeys, grouping, guard_keys, keepers


def at(*degrees: float) -> np.ndarray:
    """Unit vectors of a plane."""
    radians = np.radians(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def cos(degrees: float) -> float:
    return float(np.cos(np.radians(degrees)))


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


def test_the_guard_keeps_what_differs_in_its_atoms() -> None:
    keys = GuardKeys(atoms=np.array([0, 1, 0]), words=np.array([0, 0, 0]))
    assert keepers(at(0, 1, 2), 0, cos(10), keys) == [0, 1, 0]


def test_without_atoms_on_one_side_the_words_decide() -> None:
    red, blue = [atom("color", "cat", "red")], [atom("color", "cat", "blue")]
    keys = guard_keys(["a red cat", "red cat, snow", "a blue cat"], [red, None, blue])
    assert keepers(at(0, 1, 2), 0, cos(10), keys) == [0, 0, 2]


def test_the_order_of_atoms_does_not_count() -> None:
    one, two = atom("color", "cat", "red"), atom("count", "cat", "2")
    keys = guard_keys(["x", "y"], [[one, two], [two, one]])
    assert keys.atoms[0] == keys.atoms[1]


angles = st.lists(st.integers(0, 359), min_size=1, max_size=40)


@settings(deadline=None)
@given(angles, st.integers(1, 60), st.integers(1, 7), st.lists(st.integers(0, 2), min_size=40, max_size=40))
def test_the_map_is_flat_complete_and_does_not_depend_on_blocks(
    degrees: list[int], width: int, block: int, kinds: list[int]
) -> None:
    vectors = at(*degrees)
    numbers = np.array(kinds[: len(degrees)])
    keys = GuardKeys(atoms=numbers, words=numbers)
    whole = keepers(vectors, 0, cos(width), keys)
    assert len(whole) == len(degrees)
    assert all(whole[owner] == owner <= row for row, owner in enumerate(whole)), (
        "kept rows are their own, and come first"
    )
    before = prompt_groups.BLOCK
    try:
        prompt_groups.BLOCK = block
        assert keepers(vectors, 0, cos(width), keys) == whole
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


def rows(**changes: object) -> pa.Table:
    """Prompt k kept before, prompts a (like k) and b new, c an exact copy of b."""
    base = {
        "prompt_id": ["b", "c", "k", "a"],
        "text": ["b", "B!", "k", "a"],
        "created_at": [2, 2, 1, 2],
        "known": [False, False, True, False],
        "exact_of": [None, "b", None, None],
        "exact_kept": [None, None, None, None],
        "seconds": [0.1, 0.2, None, 0.3],
        "device": ["cpu", "cpu", None, "cpu"],
        "status": ["ok", "ok", None, "ok"],
        "error_message": [None, None, None, None],
    } | changes
    table = pa.table(
        {
            **base,
            "exact_of": pa.array(base["exact_of"], pa.string()),
            "exact_kept": pa.array(base["exact_kept"], pa.string()),
        }
    )
    vectors = pa.array(at(90, 91, 0, 1).tolist(), pa.list_(pa.float32()))
    return table.append_column("embedding", vectors).append_column("atoms", pa.nulls(4, ARROW))


def test_rows_in_and_rows_out() -> None:
    answers = {row["prompt_id"]: row for row in grouping(0.9, guard=True)(rows()).to_pylist()}
    assert {k: (r["kept_id"], r["reason"]) for k, r in answers.items()} == {
        "a": ("k", "semantic"),
        "b": ("b", None),
        "c": ("b", "exact"),
    }
    assert answers["a"]["similarity"] == pytest.approx(cos(1), abs=1e-5)
    assert answers["b"]["similarity"] is None
    assert answers["c"]["seconds"] == 0.2
    assert np.allclose(answers["c"]["embedding"], at(91)[0])


def test_a_copy_of_a_prompt_that_is_a_duplicate_points_at_what_is_kept() -> None:
    table = rows(exact_of=[None, "z", None, None], exact_kept=[None, "k", None, None])
    answers = {row["prompt_id"]: row for row in grouping(0.9, guard=True)(table).to_pylist()}
    assert (answers["c"]["kept_id"], answers["c"]["reason"]) == ("k", "exact")


def test_nothing_is_compared_if_a_prompt_could_not_be_embedded() -> None:
    table = rows(status=["error", "ok", None, "ok"], error_message=["no tokens", None, None, None])
    with pytest.raises(EmbeddingError, match="prompt b could not be embedded: no tokens"):
        grouping(0.9, guard=True)(table)
