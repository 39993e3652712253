"""The grammar: what is shown becomes atoms, and the atoms become what is shown again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conf.taxonomy import Medium, Place
from udfs.atoms import atom
from udfs.grammar import Picture, Subject, Thing, atoms_of, color_words, subject_of, values_of

SNOW = Place(phrase="in the snow", keyword="snow")
FLAT = Medium(phrase="flat style")


def test_atoms_are_every_fact_of_the_text() -> None:
    first = Thing("star", 1, "red", "old", "rolling around")
    subject = Subject(first, "left of", Thing("circle"), absent="cross", text="HI")
    assert atoms_of(Picture(subject, SNOW, FLAT, {"light": "soft light", "view": "a wide shot"})) == [
        atom("object", "star", "star"),
        atom("count", "star", "1"),
        atom("color", "star", "red"),
        atom("attribute", "star", "old"),
        atom("action", "star", "rolling around"),
        atom("object", "circle", "circle"),
        atom("count", "circle", "1"),
        atom("relation", "star", "left of", "circle"),
        atom("absence", "cross", "absent"),
        atom("text", "star", "HI"),
        atom("place", "picture", "snow"),
        atom("style", "picture", "flat"),
        atom("feature", "picture", "soft light"),
        atom("feature", "picture", "a wide shot"),
    ]


def test_a_second_thing_may_just_be_there() -> None:
    subject = Subject(Thing("star"), None, Thing("circle"))
    atoms = atoms_of(Picture(subject, SNOW, FLAT, {}))
    assert values_of(atoms, "object") == ["star", "circle"]
    assert values_of(atoms, "relation") == []
    assert subject_of(atoms) == subject


NAMES = st.permutations(["star", "circle", "cross", "square"])
SOME = st.none() | st.sampled_from(["red", "old", "dressed in blue", "rolling around"])
THINGS = st.tuples(st.integers(1, 5), SOME, SOME, SOME)


@given(NAMES, THINGS, st.none() | THINGS, st.booleans(), st.booleans(), st.none() | st.text(min_size=1))
def test_atoms_can_be_taken_apart_again(
    names: list[str],
    first: tuple[int, str | None, str | None, str | None],
    second: tuple[int, str | None, str | None, str | None] | None,
    related: bool,
    absent: bool,
    text: str | None,
) -> None:
    subject = Subject(
        Thing(names[0], *first),
        "above" if related and second else None,
        Thing(names[1], *second) if second else None,
        names[2] if absent else None,
        text,
    )
    assert subject_of(atoms_of(Picture(subject, SNOW, FLAT, {"light": "soft light"}))) == subject


def test_atoms_without_an_object_cannot_be_taken_apart() -> None:
    with pytest.raises(ValueError, match="these atoms hold no object"):
        subject_of([atom("place", "picture", "snow")])


def test_a_color_of_people_is_that_of_their_clothes() -> None:
    assert color_words("red", dressed=True) == "dressed in red"
    assert color_words("red", dressed=False) == "red"
