"""What the words of a text state: for the guard of the de-duplication and for prompts without atoms."""

from __future__ import annotations

import pytest

from udfs.atoms import atom
from udfs.attributes import asks_held, attributes, quoted_texts, stated

CONTRASTS = [
    ("two red apples", "three red apples"),
    ("a red fox in the snow", "a blue fox in the snow"),
    ("a cat to the left of a dog", "a dog to the left of a cat"),
    ("a red cat left of two dogs", "two red cats left of a dog"),
    ("a red circle and a blue square", "a blue circle and a red square"),
    ('a sign with the text "SALE 50%"', 'a sign with the text "SALE 70%"'),
    ('a sign with the text "Open"', 'a sign with the text "OPEN"'),
    ("a table with a cup", "a table without a cup"),
    ("a lamp above a bed", "a lamp below a bed"),
    ("a photo of 2 boats", "a photo of 20 boats"),
    ("red apples and pears", "apples and red pears"),
    ("two women wearing hats", "two men wearing hats"),
    ("two happy dogs on a beach", "two happy cats on a beach"),
    ("a red and white flag", "a red flag"),
    ("the door is blue and the wall is white", "the door is white and the wall is blue"),
    ("a bride dressed in red, a groom dressed in black", "a bride dressed in black, a groom dressed in red"),
]
SAME = [
    ("a photo of two red apples on a table", "two red apples lying on a wooden table"),
    ("3 dogs in a park", "Three dogs play in the park"),
    ("a grey cat", "the gray cat"),
    ("a cat to the left of a dog", "a cat on the left of the dog"),
    ("a cup on top of a book", "a cup above the book"),
    ("a fox in the snow", "a fox running through snow"),
    ("two dogs in a park", "a park with two happy dogs"),
    ("two cheerful laughing children at a lake", "two happy laughing children at a lake"),
    ("two worn black boots", "two weathered black boots"),
    ("three proud elderly men", "three proud old men"),
    ("a red car beside a tree", "a red automobile next to a tree"),
    ("three wolves", "3 wolves standing quietly"),
    ("a blue door", "the door is blue"),
    ("an image of a bride dressed in red in a studio", "bride dressed in red, studio, high detail"),
    ("two red apples, oil painting", "an oil painting of two red apples"),
]


@pytest.mark.parametrize(("one", "other"), CONTRASTS)
def test_contrast_pairs_differ(one: str, other: str) -> None:
    assert attributes(one) != attributes(other)


@pytest.mark.parametrize(("one", "other"), SAME)
def test_the_same_facts_in_other_words_agree(one: str, other: str) -> None:
    assert attributes(one) == attributes(other)


def test_what_is_found_is_bound_to_its_words() -> None:
    assert attributes('two red cats left of a sign with the text "left of 3 dogs"') == {
        ("count", "2", "cat"),
        ("color", "red", "cat"),
        ("relation", "left of", "cat", "sign"),
        ("text", "left of 3 dogs"),
    }


def test_a_relation_is_bound_to_its_nearest_words() -> None:
    assert attributes("a cat beside a dog above a bed") == {
        ("relation", "next to", "cat", "dog"),
        ("relation", "above", "dog", "bed"),
    }


def test_curly_and_pointed_quotes_count_too() -> None:
    assert quoted_texts('“Hi” and «Ho» and "He"') == ["Hi", "Ho", "He"]


def test_atoms_state_what_their_words_would() -> None:
    facts = [atom("count", "young woman", "2"), atom("color", "young woman", "dressed in red")]
    facts += [atom("relation", "young woman", "to the left of", "lamp"), atom("absence", "dog", "absent")]
    facts += [atom("object", "lamp", "lamp"), atom("count", "lamp", "1"), atom("text", "lamp", "Hi")]
    words = 'two young women dressed in red to the left of a lamp with the text "Hi", without any dog'
    assert stated("", facts) == stated(words, None)


def test_one_of_a_thing_is_no_attribute() -> None:
    assert stated("one fox", None) == stated("a fox", None) == frozenset()


def test_asks_are_read_from_atoms_first() -> None:
    facts = [atom("object", "cat", "cat"), atom("count", "cat", "1"), atom("color", "cat", "red")]
    assert asks_held("three cats", facts) == {"color"}
    assert asks_held("three cats", [*facts, atom("count", "dog", "2")]) == {"color", "count"}


def test_without_atoms_the_words_tell() -> None:
    assert asks_held("three red cats above a bed without a pillow", None) == {"count", "color", "relation", "reasoning"}
    assert asks_held("a cat", None) == set()
