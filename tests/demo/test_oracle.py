"""The oracle must be right about drawn scenes: every figure of the demo rests on it."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from demo.measures import altered
from demo.oracle import judge, read, wholly_right
from demo.prompts import Prompts
from demo.scenes import SIZES, scene_for
from udfs.atoms import atom

CIRCLE = [
    atom("object", "circle", "circle"),
    atom("count", "circle", "1"),
    atom("color", "circle", "red"),
    atom("place", "picture", "snow"),
    atom("style", "picture", "flat"),
]


@given(seed=st.integers(0, 10**6), size=st.sampled_from(SIZES))
@settings(max_examples=150, deadline=None)
def test_every_atom_of_a_drawn_scene_is_judged_true(seed: int, size: tuple[int, int]) -> None:
    atoms = Prompts(seed).draw().atoms
    image = scene_for(atoms, *size, random.Random(seed)).draw()
    assert judge(image, atoms) == dict.fromkeys(range(len(atoms)), True)


@given(seed=st.integers(0, 10**6), size=st.sampled_from(SIZES))
@settings(max_examples=150, deadline=None)
def test_a_changed_atom_is_judged_false(seed: int, size: tuple[int, int]) -> None:
    rng = random.Random(seed)
    atoms = Prompts(seed).draw().atoms
    image = scene_for(atoms, *size, rng).draw()
    for fact in atoms:
        assert judge(image, [altered(fact, atoms, rng)]) == {0: False}, fact


@pytest.mark.parametrize("size", SIZES)
def test_at_least_98_percent_of_scenes_with_more_freedom_are_wholly_right(size: tuple[int, int]) -> None:
    prompts, rng = Prompts(0), random.Random(0)
    drawn = [prompts.draw().atoms for _ in range(200)]
    right = sum(wholly_right(scene_for(atoms, *size, rng, jitter=1.6).draw(), atoms) for atoms in drawn)
    assert right >= 196


def test_an_empty_place_has_nothing_in_it() -> None:
    blank = Image.new("RGB", (64, 64), (238, 241, 245))
    assert read(blank).found == ()
    assert judge(blank, CIRCLE) == {0: False, 1: False, 2: False, 3: True, 4: False}


def test_a_shape_of_another_form_is_none_of_the_five() -> None:
    image = Image.new("RGB", (64, 64), (238, 241, 245))
    pen = ImageDraw.Draw(image)
    pen.rectangle((14, 14, 20, 50), fill=(214, 38, 40))  # an L
    pen.rectangle((14, 44, 50, 50), fill=(214, 38, 40))
    assert [(f.shape, f.color) for f in read(image).found] == [(None, "red")]


def test_a_kind_of_atom_that_it_cannot_check_is_an_error() -> None:
    with pytest.raises(ValueError, match="cannot check an atom of kind 'text'"):
        judge(Image.new("RGB", (64, 64)), [atom("text", "circle", "SALE")])
