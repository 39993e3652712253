"""Content ids: equal for what a reader cannot tell apart, different for what he can; fixed forever."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from udfs.ids import candidate_seeds, canonical, content_id, image_ids, normalised, photo_id, prompt_id, size_choices

TEXTS = st.text(max_size=30)


def image_id(text: str, spec: dict[str, object], seed: int, width: int, height: int) -> str:
    return image_ids(text, canonical(spec), [seed], [(width, height)])[0]


def test_an_id_is_the_same_on_every_machine_and_in_every_version() -> None:
    """Written down once: a change here would orphan every row of every lakehouse."""
    assert content_id([1, "ü", None]) == "58a8569ffe95a7a81eecbbdc2d3931d7"
    assert prompt_id("a red circle", "colors", "snow", "flat") == content_id(["a red circle", "colors", "snow", "flat"])


def test_the_order_of_keys_does_not_count() -> None:
    assert content_id({"a": 1, "b": 2}) == content_id({"b": 2, "a": 1})


def test_an_id_is_32_hex_digits() -> None:
    found = content_id("x")
    assert len(found) == 32
    assert int(found, 16) >= 0


def test_nan_has_no_id() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        content_id(float("nan"))


def test_white_space_and_composition_do_not_make_another_prompt() -> None:
    composed, decomposed = "caf\u00e9  noir", " cafe\u0301\tnoir\n"
    assert prompt_id(composed, "none", "none", "none") == prompt_id(decomposed, "none", "none", "none")
    assert normalised(decomposed) == "caf\u00e9 noir"


@given(TEXTS)
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalised(normalised(text)) == normalised(text)


def test_each_part_makes_another_id() -> None:
    base = prompt_id("a star", "none", "snow", "flat")
    others = [
        prompt_id("A star", "none", "snow", "flat"),
        prompt_id("a star", "colors", "snow", "flat"),
        prompt_id("a star", "none", "night", "flat"),
        prompt_id("a star", "none", "snow", "outline"),
    ]
    assert len({base, *others}) == 5
    picture = image_id("a star", {"steps": 8}, 1, 64, 64)
    assert picture != image_id("a star", {"steps": 9}, 1, 64, 64)
    assert picture != image_id("a star", {"steps": 8}, 2, 64, 64)
    assert image_id("a star", {}, 1, 80, 48) != image_id("a star", {}, 1, 48, 80)
    assert photo_id("a", "bc") != photo_id("ab", "c")


@given(TEXTS, TEXTS)
def test_labels_cannot_run_into_each_other(left: str, right: str) -> None:
    assert (photo_id(left, right) == photo_id(right, left)) == (left == right)


@given(st.integers(0, 10), TEXTS, st.integers(0, 3))
def test_seeds_are_the_first_63_bits_of_content_ids(recipe_seed: int, prompt: str, candidates: int) -> None:
    contents = [[recipe_seed, prompt, "original", "square", "ü", n] for n in range(candidates)]
    expected = [int(content_id(content)[:16], 16) >> 1 for content in contents]
    assert candidate_seeds(recipe_seed, prompt, "original", "square", "ü", candidates) == expected


@given(st.lists(st.integers(0, 2**63 - 1), max_size=5), st.integers(1, 4))
def test_a_size_is_drawn_by_the_seed(seeds: list[int], sizes: int) -> None:
    assert size_choices(seeds, sizes) == [int(content_id([seed, "size"])[:8], 16) % sizes for seed in seeds]


@given(TEXTS, st.integers(0, 2**63 - 1), st.integers(0, 3))
def test_ids_of_a_texts_pictures_are_content_ids(text: str, seed: int, pictures: int) -> None:
    spec = {"steps": 8, "class": "Ü", "dtype": None}
    expected = [
        content_id({"text": text, "spec": spec, "seed": seed + n, "width": 64 + n, "height": 48})
        for n in range(pictures)
    ]
    seeds, sizes = [seed + n for n in range(pictures)], [(64 + n, 48) for n in range(pictures)]
    assert image_ids(text, canonical(spec), seeds, sizes) == expected
