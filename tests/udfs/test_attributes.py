"""What the words of a text state: for the guard of the de-duplication and for prompts without atoms."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings

from bench.prompt_corpus import corpus
from tests.udfs.test_writers import ANY
from udfs.atoms import atom
from udfs.attributes import asks_held, attributes, media, quoted_texts, stated

COLORS = (
    "ivory emerald amber cream tan olive lavender coral indigo lime maroon turquoise khaki ruby peach rust copper bronze aqua"
    " salmon charcoal apricot plum mint rose mustard azure cerulean fuchsia taupe vermilion auburn"
)

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
    ("a dog on the left and a cat on the right", "a cat on the left and a dog on the right"),
    ("on the left a dog, on the right a cat", "on the left a cat, on the right a dog"),
    ("a man looking to the left", "a man looking to the right"),
    ("a sign that says 'OPEN'", "a sign that says 'CLOSED'"),
    ("a sign that says ‘OPEN’", "a sign that says ‘CLOSED’"),
    ("a man not wearing a hat", "a man wearing a hat"),
    ("a man who isn't wearing a hat", "a man who is wearing a hat"),
    ("a dog that doesn’t wear a collar", "a dog that doesn’t wear a coat"),
    ("a sky free of clouds", "a sky full of clouds"),
    ("a room with neither a bed nor a chair", "a room with a bed and a chair"),
    ("thirty boats", "fifty boats"),
    ("twenty-one boats", "twenty-five boats"),
    ("a hundred boats", "a thousand boats"),
    *((f"a {one} coat", f"a {other} coat") for one, other in pairwise(COLORS.split())),
    ("a cream sofa and an olive chair", "an olive sofa and a cream chair"),
    ("a bride dressed in ivory, soft light", "a bride dressed in coral, soft light"),
    ("a woman raising her left hand", "a woman raising her right hand"),
    ("a cat facing left", "a cat facing right"),
    ("a car turning left", "a car turning right"),
    ("left cat, right dog", "left dog, right cat"),
    ("two hundred boats", "three hundred boats"),
    ("twenty five boats", "thirty five boats"),
    ("an 80 year old woman", "a 20 year old woman"),
    ("a 9-year-old girl", "a 5-year-old girl"),
    ("a 1967 car", "a 1950 car"),
    ("a woman in a 1920s dress", "a woman in a 1980s dress"),
    ("a clock at 5:30", "a clock at 6:45"),
    ("a thermometer at -5 degrees", "a thermometer at 5 degrees"),
    ("a glass 50% full", "a glass 70% full"),
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
    ("a dog on the left and a cat on the right", "on the left a dog, on the right a cat"),
    ("a dog on the left", "a dog sitting on the left side"),
    ("a man without a hat", "a man not wearing a hat"),
    ("a man not wearing a hat", "a man who isn’t wearing a hat"),
    ("two men not wearing hats", "two men without hats"),
    ("thirty boats", "30 boats"),
    ("twenty-one boats", "21 boats"),
    ("a cup on the left-hand side of a book", "a cup to the left of a book"),
    ("the dog's bowl, a cat", "the dog’s bowl, a cat"),
    ("an emerald dress", "the dress is emerald"),
    ("a salmon wall", "the wall is salmon"),
    ("a man looking left", "a man looking to the left"),
    ("a dog on the left, red", "a red dog on the left"),
    ("a dog right behind a cat", "a dog behind a cat"),
    ("a cat not afraid of a dog", "a cat afraid of a dog"),
    ("two hundred and five boats", "205 boats"),
    ("twenty five boats", "twenty-five boats"),
    ("1,500 boats", "1500 boats"),
    ("two dozen eggs", "24 eggs"),
    ("two 80 year old women", "two 80-year-old women"),
    ("a red fox can be seen", "a red fox"),
    ("a room with no eagle anywhere", "a room without any eagle"),
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


def test_single_quotes_are_told_from_apostrophes() -> None:
    assert quoted_texts("'it's late' and ‘DON’T’ at the dogs' park") == ["it's late", "DON’T"]
    assert quoted_texts("don't touch the cats' bowl, the dog's toy, the '90s car or rock 'n' roll") == []
    assert quoted_texts("the boys' hut, cats' eyes, the girl's") == []


@pytest.mark.parametrize(
    "text",
    [
        "a lime and a lemon", "a slice of lime on a plate", "an olive tree", "a coral reef", "a boy eating ice cream in a park",
        "fields of lavender", "a castle not far from a lake", "a statue of ivory", "a charcoal drawing of a cat",
        "a cat, drawn in charcoal", "a salmon on a plate", "a salmon swimming in a river", "a peach tree", "a car covered in rust",
        "a statue cast in bronze", "a rose garden", "mint leaves", "a compass rose on a map", "a man who left the room",
        "a train left all alone", "a plate garnished with mint can be seen on a table", "a 3D render of a fox in 4K, 8k", "a 35mm photo at f/1.8",
    ],
)  # fmt: skip
def test_what_is_no_color_no_side_no_absence_and_no_number(text: str) -> None:
    assert attributes(text) == frozenset()


def test_the_medium_is_read_from_the_words() -> None:
    assert media("an oil painting of a fox") == media("a fox, Oil Painting") == ["oil painting"]
    assert media("a watercolour painting of a fox") == media("a fox painted in watercolor") == ["watercolor"]
    assert media("a charcoal drawing of a fox") == media("a fox drawn in charcoal") == ["charcoal drawing"]
    assert media("a 3D-render of a fox") == media("a fox, 3d rendering") == ["3d render"]
    assert media("a photo of a fox") == media("a fox") == media("a sign that says 'comic'") == []


def test_duplicates_of_the_planted_corpus_state_the_same_and_contrasts_do_not() -> None:
    """All but the few that hang on a verb or a synonym that the lists lack."""
    prompts = corpus(distinct=2000, duplicates=600)
    firsts = {prompt.group: prompt for prompt in prompts if prompt.kind in ("distinct", "contrast")}
    again = [prompt for prompt in prompts if prompt.kind not in ("distinct", "contrast")]
    equal = [stated(prompt.text, None) == stated(firsts[prompt.group].text, None) for prompt in again]
    assert sum(equal) / len(equal) > 0.98
    contrasts = [(p, firsts[p.contrast_of]) for p in prompts if p.contrast_of is not None]
    differ = [(p.style, stated(p.text, None)) != (base.style, stated(base.text, None)) for p, base in contrasts]
    assert all(differ)


def test_atoms_state_what_their_words_would() -> None:
    facts = [atom("count", "young woman", "2"), atom("color", "young woman", "dressed in red")]
    facts += [atom("relation", "young woman", "to the left of", "lamp"), atom("absence", "dog", "absent")]
    facts += [atom("object", "lamp", "lamp"), atom("count", "lamp", "1"), atom("text", "lamp", "Hi")]
    words = 'two young women dressed in red to the left of a lamp with the text "Hi", without any dog'
    assert stated("", facts) == stated(words, None)


@pytest.mark.parametrize(
    "text",
    ["a 1980s car", "a car in 16:9", "a 1967 car", "an 80 year old man", "a glass 50% full", "a cat at -5 degrees"],
)
def test_a_measure_counts_nothing(text: str) -> None:
    assert [(found[0], len(found)) for found in attributes(text)] == [("measure", 3)]
    assert asks_held(text, None) == {"reasoning"}


def test_of_the_kinds_that_the_atoms_lack_the_words_tell() -> None:
    apple = [atom("object", "apple", "apple")]
    assert stated("two red apples", apple) == stated("two red apples", None) != stated("three green apples", apple)
    assert stated("an apple left of a pear", apple) != stated("an apple right of a pear", apple)
    assert stated("an apple without a leaf", apple) != stated("an apple", apple)
    assert stated('an apple with "A"', apple) != stated('an apple with "B"', apple)
    counted = [*apple, atom("count", "apple", "2")]
    assert stated("three red apples", counted) == {("count", "2", "apple"), ("color", "red", "apple")}


@given(ANY)
@settings(max_examples=250, deadline=None)
def test_words_add_nothing_to_the_grammars_atoms(prompt: dict[str, Any]) -> None:
    """So that two of its prompts that ask for the same are compared, whatever their template and the wording of the place."""
    assert stated(prompt["text"], prompt["atoms"]) == stated("", prompt["atoms"])


def test_one_of_a_thing_is_no_attribute() -> None:
    assert stated("one fox", None) == stated("a fox", None) == frozenset()


def test_asks_are_read_from_atoms_first() -> None:
    facts = [atom("object", "cat", "cat"), atom("count", "cat", "1"), atom("color", "cat", "red")]
    assert asks_held("three cats", facts) == {"color", "reasoning"}
    assert asks_held("three cats", [*facts, atom("count", "dog", "2")]) == {"color", "count", "reasoning"}


def test_what_no_atom_asks_the_words_may() -> None:
    """Or a prompt that comes with a few of its facts is rejected for those that its words tell as well."""
    apple = [atom("object", "apple", "apple")]
    assert asks_held("two red apples left of a pear", apple) == {"count", "color", "relation", "reasoning"}
    assert asks_held("several apples on a plate", apple) == {"count", "relation", "reasoning"}
    placed = [*apple, atom("place", "picture", "bridge"), atom("absence", "pear", "absent")]
    assert asks_held("an apple under a bridge", placed) == {"reasoning"}
    assert asks_held("an apple left of a pear under a bridge", placed) == {"relation", "reasoning"}
    assert asks_held("a snowman melting because of the sun", [atom("object", "snowman", "snowman")]) == {"reasoning"}


def test_without_atoms_the_words_tell() -> None:
    assert asks_held("three red cats above a bed without a pillow", None) == {"count", "color", "relation", "reasoning"}
    assert asks_held("a cat", None) == {"reasoning"}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("a clock melting because of the heat", "reasoning"), ("a cat sitting on a table", "relation"),
        ("a house near a lake", "relation"), ("a tree surrounded by sheep", "relation"), ("a cat in the center", "relation"),
        ("a multicolored bird", "color"), ("a light-blue hat", "color"), ("twins in a park", "count"), ("several dogs", "count"),
    ],
)  # fmt: skip
def test_without_atoms_a_wider_list_of_words_may_ask(text: str, kind: str) -> None:
    assert asks_held(text, None) == {kind, "reasoning"}
    assert asks_held(f'a sign with the text "{text}"', None) == {"reasoning"}
