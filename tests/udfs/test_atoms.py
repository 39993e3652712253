"""Atoms and the questions that a judge is asked about them."""

from __future__ import annotations

import hashlib

import pytest

from udfs.atoms import ARROW, KINDS, WORDING, Atom, atom, checkable, question

QUESTIONS = [
    (atom("object", "circle", "circle"), "is there a circle in the picture?"),
    (atom("count", "circle", "3"), "is the number of circle objects exactly three?"),
    (atom("count", "circle", "12"), "is the number of circle objects exactly 12?"),
    (atom("color", "circle", "red"), "is every circle red?"),
    (atom("attribute", "chair", "old"), "is every chair old?"),
    (atom("action", "fox", "chasing a ball"), "is every fox chasing a ball?"),
    (atom("relation", "circle", "left of", "square"), "is the circle left of the square?"),
    (atom("absence", "star", "absent"), "is the picture free of any star?"),
    (atom("place", "picture", "snow"), "is the place snow?"),
    (atom("style", "picture", "flat"), "is the style flat?"),
    (atom("text", "sign", "OPEN"), 'does the picture show the text "OPEN", spelled exactly so?'),
    (atom("feature", "picture", "long shadows"), "does the picture have long shadows?"),
    (atom("prompt", "picture", "a dog"), "does the picture show all of this: a dog?"),
]


@pytest.mark.parametrize(("fact", "asked"), QUESTIONS, ids=[asked for _, asked in QUESTIONS])
def test_a_question_says_what_the_atom_says(fact: Atom, asked: str) -> None:
    assert question(fact) == asked


def test_every_kind_has_a_question() -> None:
    assert {fact["kind"] for fact, _ in QUESTIONS} == set(KINDS)


def test_an_unknown_kind_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="'colour' is not known; allowed: object, count, color"):
        atom("colour", "circle", "red")
    with pytest.raises(ValueError, match="not known"):
        question({"kind": "smell", "subject": "rose", "value": "sweet", "other": None})


def test_another_wording_has_another_version() -> None:
    """Where this fails a question changed: raise WORDING, so that every picture is asked anew, and write both here."""
    said = "\n".join(question(fact) for fact, _ in QUESTIONS)
    assert (WORDING, hashlib.sha256(said.encode()).hexdigest()[:8]) == (1, "c23d9858")


def test_a_prompt_without_atoms_is_checked_as_a_whole() -> None:
    assert checkable(None, "a dog") == checkable([], "a dog") == [atom("prompt", "picture", "a dog")]
    facts = [atom("object", "dog", "dog")]
    assert checkable(facts, "a dog") == facts


def test_an_atom_has_the_fields_of_the_table() -> None:
    assert [field.name for field in ARROW.value_type] == list(atom("object", "a", "a"))
