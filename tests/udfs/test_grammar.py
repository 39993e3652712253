"""The grammar: a subject becomes words and atoms, and the atoms become the subject again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conf.taxonomy import load_taxonomy
from udfs.atoms import atom
from udfs.grammar import Subject, Thing, atoms_of, color_words, render, subject_of, subject_phrase

TAX = load_taxonomy("scenes")
SNOW, FLAT = TAX.categories[0], TAX.styles[0]
RED_STAR = Thing("star", 1, "red")

PHRASES = [
    (Subject(Thing("star")), "a star"),
    (Subject(Thing("orange star")), "an orange star"),
    (Subject(Thing("cross", 3, "red")), "three red crosses"),
    (Subject(RED_STAR, "left of", Thing("circle")), "a red star left of a circle"),
    (Subject(Thing("star"), absent="cross"), "a star without any cross"),
    (Subject(Thing("sign"), text="OPEN"), 'a sign with the text "OPEN"'),
    (Subject(Thing("sign"), "above", Thing("star"), text="OPEN"), 'a sign with the text "OPEN" above a star'),
    (Subject(Thing("dancer", 2, color_words("red", dressed=True))), "two dancers dressed in red"),
]


@pytest.mark.parametrize(("subject", "phrase"), PHRASES, ids=[phrase for _, phrase in PHRASES])
def test_a_subject_becomes_words(subject: Subject, phrase: str) -> None:
    assert subject_phrase(subject, TAX.lexicon) == phrase


def test_tags_have_no_articles() -> None:
    subject = Subject(RED_STAR, "left of", Thing("circle"))
    assert subject_phrase(subject, TAX.lexicon, articles=False) == "red star left of circle"


def test_a_template_is_filled() -> None:
    texts = [render(template, Subject(RED_STAR), SNOW, FLAT, TAX.lexicon) for template in TAX.templates]
    assert texts == [
        "a picture of a red star in the snow, flat style",
        "please draw a red star in the snow in flat style",
        "a red star can be seen in the snow, drawn in flat style",
        "a red star in the snow, flat style, simple, plain background",
        "red star, snow, flat style, simple, plain background",
    ]


def test_atoms_are_every_fact_of_the_text() -> None:
    facts = atoms_of(Subject(RED_STAR, "left of", Thing("circle"), absent="cross", text="HI"), SNOW, FLAT)
    assert facts == [
        atom("object", "star", "star"),
        atom("count", "star", "1"),
        atom("color", "star", "red"),
        atom("object", "circle", "circle"),
        atom("count", "circle", "1"),
        atom("relation", "star", "left of", "circle"),
        atom("absence", "cross", "absent"),
        atom("text", "star", "HI"),
        atom("place", "picture", "snow"),
        atom("style", "picture", "flat"),
    ]


COLORS = st.none() | st.sampled_from(TAX.lexicon.colors)


@given(st.permutations(TAX.lexicon.objects), st.integers(1, 3), COLORS, COLORS, st.booleans(), st.booleans())
def test_atoms_can_be_taken_apart_again(
    names: list[str], count: int, first_color: str | None, second_color: str | None, placed: bool, absent: bool
) -> None:
    subject = Subject(
        Thing(names[0], count, first_color),
        "above" if placed else None,
        Thing(names[1], 1, second_color) if placed else None,
        absent=names[2] if absent else None,
    )
    assert subject_of(atoms_of(subject, SNOW, FLAT)) == subject


def test_atoms_without_an_object_cannot_be_taken_apart() -> None:
    with pytest.raises(ValueError, match="these atoms hold no object"):
        subject_of([atom("place", "picture", "snow")])
