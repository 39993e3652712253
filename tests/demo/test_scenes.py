"""Scenes show what was asked, inside the picture; texts fit the models; labels of degraded pictures are true."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conf.taxonomy import load_taxonomy
from demo.degraded import Drawing, Labeled, Mark, degraded, label
from demo.prompts import Prompts
from demo.scenes import SIZES, scene_for
from demo.shapes import outline
from demo.strange import strange
from demo.truth import holds
from demo.words import LIMIT, UNKNOWN, tokenizer, vocabulary
from udfs.atoms import atom, question

SNOW = [atom("place", "picture", "snow"), atom("style", "picture", "flat")]


@given(seed=st.integers(0, 10**6), size=st.sampled_from(SIZES), jitter=st.sampled_from((1.0, 1.6)))
@settings(max_examples=150, deadline=None)
def test_shapes_lie_inside_the_picture_and_apart(seed: int, size: tuple[int, int], jitter: float) -> None:
    scene = scene_for(Prompts(seed).draw().atoms, *size, random.Random(seed), jitter)
    for item in scene.items:
        x0, y0, x1, y1 = item.box
        assert 0 <= x0 < x1 <= size[0]
        assert 0 <= y0 < y1 <= size[1]
        for other in scene.items:
            if other is not item:
                a, b = item.box, other.box
                assert a[2] + 3 < b[0] or b[2] + 3 < a[0] or a[3] + 3 < b[1] or b[3] + 3 < a[1]


@given(seed=st.integers(0, 10**6), size=st.sampled_from(SIZES))
@settings(max_examples=100, deadline=None)
def test_every_atom_holds_by_the_marks_of_its_scene(seed: int, size: tuple[int, int]) -> None:
    atoms = Prompts(seed).draw().atoms
    picture = label(scene_for(atoms, *size, random.Random(seed)))
    assert all(holds(picture, fact) for fact in atoms)


def test_a_scene_needs_an_object() -> None:
    with pytest.raises(ValueError, match="needs an object, a place and a style"):
        scene_for(SNOW, 64, 64, random.Random(0))


def test_the_same_seed_draws_the_same_degraded_picture() -> None:
    one, two, other = (degraded(64, 64, random.Random(seed)) for seed in (5, 5, 6))
    assert one.image.tobytes() == two.image.tobytes() != other.image.tobytes()
    assert one.marks == two.marks


def test_what_is_drawn_whole_is_labeled_so_and_most_faults_cost_the_shape_or_the_color() -> None:
    rng = random.Random(1)
    assert all(mark.shape and mark.color for _ in range(200) for mark in degraded(64, 64, rng, broken=0.0).marks)
    marks = [mark for _ in range(200) for mark in degraded(64, 64, rng, broken=1.0).marks]
    whole = sum(bool(mark.shape and mark.color) for mark in marks) / len(marks)
    assert 0.1 < whole < 0.5, "slight faults leave a shape what it is"


def test_a_bridge_makes_one_mark_of_two_and_a_cut_two_of_one() -> None:
    drawing = Drawing(80, 48, (255, 255, 255))
    red = (214, 38, 40), 1
    for left in (6, 48):
        drawing.shape(outline("square"), (left, 12, left + 24, 36), red, flat=True)
    assert [(mark.shape, mark.color, mark.style) for mark in drawing.marks()] == [("square", "red", "flat")] * 2
    drawing.line((20, 24), (60, 24), 4, red)
    assert [(mark.shape, mark.color) for mark in drawing.marks()] == [(None, "red")]
    drawing.rectangle((31, 0, 47, 48), drawing.nothing)
    drawing.repaint((48, 12, 72, 36), ((44, 92, 222), 4))
    assert [(mark.shape, mark.color) for mark in drawing.marks()] == [("square", "red"), ("square", "blue")]
    drawing.disc(18, 24, 9, drawing.nothing)
    assert [(mark.shape, mark.style) for mark in drawing.marks()] == [("square", "outline"), ("square", "flat")]


@pytest.mark.parametrize("size", SIZES)
def test_strange_pictures_have_the_asked_size(size: tuple[int, int]) -> None:
    rng = random.Random(0)
    assert {strange(*size, rng).size for _ in range(50)} == {size}


@pytest.mark.parametrize(
    ("fact", "expected"),
    [
        (atom("object", "circle", "circle"), True),
        (atom("object", "star", "star"), False),
        (atom("count", "circle", "2"), True),
        (atom("count", "circle", "1"), False),
        (atom("color", "circle", "red"), False),  # one of them is blue
        (atom("color", "square", "green"), True),
        (atom("relation", "square", "above", "circle"), False),  # two circles
        (atom("place", "picture", "sand"), True),
        (atom("style", "picture", "flat"), True),
        (atom("style", "picture", "outline"), False),
    ],
)
def test_truth_from_marks(fact: dict[str, str | None], expected: bool) -> None:
    marks = (
        Mark("circle", "red", "flat", 10, 40, 12),
        Mark("circle", "blue", "flat", 40, 40, 12),
        Mark("square", "green", "flat", 30, 10, 12),
        Mark(None, "green", "outline", 50, 10, 12),
    )
    image = scene_for([atom("object", "star", "star"), *SNOW], 64, 64, random.Random(0)).draw()
    assert holds(Labeled(image, "sand", marks), fact) is expected


def test_no_text_of_the_writer_or_enhancer_is_cut_or_has_an_unknown_word() -> None:
    words = vocabulary()
    tokens = tokenizer(words)
    templates = set(load_taxonomy("scenes").slugs("template"))
    prompts, longest = Prompts(3), 0
    for _ in range(3000):
        ids = tokens(prompts.draw().text).input_ids
        assert words.index(UNKNOWN) not in ids
        longest = max(longest, len(ids))
    assert longest <= LIMIT == tokens.model_max_length
    assert len(templates) == 5


def test_every_question_is_made_of_known_words() -> None:
    words = vocabulary(questions=True)
    tokens = tokenizer(words, framed=False)
    prompts = Prompts(4)
    for _ in range(500):
        for fact in prompts.draw().atoms:
            assert words.index(UNKNOWN) not in tokens(question(fact)).input_ids
