"""What a text must still state: rewritings that keep every fact, and rewritings that lose or change one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conf.taxonomy import Taxonomy, load_taxonomy
from udfs.atoms import KINDS, Atom, atom
from udfs.enhancers import GrammarEnhancer
from udfs.held_atoms import held_share, in_words, lost, readable, stated
from udfs.read_words import same_noun
from udfs.writers import GrammarWriter

SCENES, FINE = load_taxonomy("scenes"), load_taxonomy("fine_t2i")
CATS = [
    atom("object", "cat", "cat"), atom("count", "cat", "2"), atom("color", "cat", "red"),
    atom("object", "dog", "dog"), atom("count", "dog", "1"), atom("color", "dog", "gray"),
    atom("relation", "cat", "left of", "dog"),
]  # fmt: skip
SIGN = [atom("object", "table", "table"), atom("absence", "chair", "absent"), atom("text", "table", "OPEN")]
WOMAN = [atom("object", "young woman", "young woman"), atom("color", "young woman", "dressed in blue")]
TROPHY = [atom("relation", "trophy", "to the left of", "suitcase")]  # as fine_t2i spells it

KEPT = [
    (CATS, "Two fluffy red cats sit proudly to the left of a large grey dog in a sunlit park."),
    (CATS, "A pair of vivid red cats, whiskers twitching, lounges to the left of a gray dog."),
    (CATS, "A gray dog stands to the right of 2 red cats, soft light."),
    (CATS, "Two cats with red fur rest left of a dog whose coat is a soft gray."),
    (CATS, "two cats, red, left of a dog, gray"),
    (SIGN, 'a wooden table without any chairs, "OPEN" written on it'),
    (SIGN, 'a table, the chair is absent, and the word "OPEN"'),
    (WOMAN, "A young, smiling woman wears a blue coat and looks into the rain."),
    (WOMAN, "portrait of a young woman dressed in blue, city street, soft light"),
    ([atom("count", "child", "3")], "three laughing children"),
    ([atom("count", "box", "12")], "a dozen boxes"),
    ([atom("relation", "cup", "on", "table")], "a cup on a table"),
    (TROPHY, "A trophy stands to the left of the suitcase."),
    (TROPHY, "a gold trophy on the left side of an old suitcase"),
    (TROPHY, "A suitcase stands to the right of a trophy, soft light."),
    ([atom("relation", "cup", "on top of", "table")], "a cup above a table"),
    ([atom("absence", "chair", "absent")], "a room that doesn't have a chair"),
    ([atom("count", "boat", "21")], "twenty-one boats in a bay"),
    ([atom("object", "cat", "cat"), atom("text", "cat", "a")], 'a cat with a sign that says "a"'),
]  # fmt: skip
LOST = [
    (CATS, "Three red cats sit left of a gray dog.", ["count cat 2"]),
    (CATS, "A red cat sits left of a gray dog", ["count cat 2"]),
    (CATS, "two red cats left of gray dogs", ["count dog 1"]),
    (CATS, "Two gray cats sit left of a red dog.", ["color cat red", "color dog gray"]),
    (CATS, "two cats on a red cushion left of a gray dog", ["color cat red"]),
    (CATS, "Two red cats sit right of a gray dog", ["relation cat left of dog"]),
    (CATS, "Two red cats and a gray dog", ["relation cat left of dog"]),
    (CATS, "Two red cats in a park", ["object dog", "count dog 1", "color dog gray", "relation cat left of dog"]),
    (SIGN, 'a table with no visible chair and the text "Open"', ['text "OPEN"']),
    (SIGN, 'an empty table, "OPEN" on it, a chair beside it', ["absence chair"]),
    (SIGN, 'a table with "OPEN" on it', ["absence chair"]),
    (SIGN, 'no table, no chair, "OPEN"', ["object table"]),
    (WOMAN, "A young woman in a green coat under a blue sky", ["color young woman dressed in blue"]),
    (TROPHY, "A trophy stands to the right of the suitcase.", ["relation trophy to the left of suitcase"]),
    (TROPHY, "A suitcase left of a trophy", ["relation trophy to the left of suitcase"]),
    ([atom("count", "boat", "21")], "twenty boats in a bay", ["count boat 21"]),
]  # fmt: skip


@pytest.mark.parametrize(("facts", "text"), KEPT)
def test_what_an_enhancer_may_do_is_forgiven(facts: list[Atom], text: str) -> None:
    assert lost(facts, text) == []


@pytest.mark.parametrize(("facts", "text", "expected"), LOST)
def test_what_is_lost_or_changed_is_named(facts: list[Atom], text: str, expected: list[str]) -> None:
    assert lost(facts, text) == expected


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([SCENES, FINE]),
    st.sampled_from([task.slug for task in SCENES.tasks]),
    st.integers(0, 10**6),
    st.booleans(),
)
def test_the_grammars_own_prompts_hold_their_atoms_and_so_do_their_enhanced_forms(
    taxonomy: Taxonomy, task: str, index: int, recorded: bool
) -> None:
    """Also where nobody recorded atoms and the facts are read from the words of the short prompt."""
    category = taxonomy.categories[index % len(taxonomy.categories)].slug
    style = taxonomy.styles[index % len(taxonomy.styles)].slug
    template = taxonomy.templates[index % len(taxonomy.templates)].slug
    prompt: dict[str, Any] = GrammarWriter(taxonomy).write(task, category, style, template, index)
    facts = stated(prompt["text"], prompt["atoms"] if recorded else None)
    assert lost(facts, prompt["text"]) == []
    if recorded:
        assert lost(facts, GrammarEnhancer(taxonomy).enhance(prompt)[0]) == []


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(["colors_counting", "colors_position"]), st.integers(0, 10**6))
def test_another_color_or_number_in_a_grammar_prompt_is_always_noticed(task: str, index: int) -> None:
    category = SCENES.categories[index % 3].slug
    prompt = GrammarWriter(SCENES).write(task, category, "flat", SCENES.templates[index % 5].slug, index)
    facts = stated(prompt["text"], prompt["atoms"])
    for fact in facts:
        if fact["kind"] == "color":
            assert lost([fact], prompt["text"].replace(str(fact["value"]), "orange")) != []
        if fact["kind"] == "count" and fact["value"] != "1":
            word = {"2": "two", "3": "three"}[str(fact["value"])]
            assert lost([fact], prompt["text"].replace(word, "five")) != []


def test_facts_of_a_prompt_without_atoms_are_read_from_its_words() -> None:
    facts = stated('a red cat next to three dogs without a leash and "HI"', None)
    assert sorted(str(fact["kind"]) for fact in facts) == ["absence", "color", "count", "relation", "text"]
    assert lost(facts, 'A red cat sits next to 3 happy dogs, no leash, a board says "HI".') == []
    assert lost(facts, 'A red cat sits next to 2 happy dogs, no leash, a board says "HI".') == ["count dog 3"]


def test_places_and_styles_are_facts_but_not_asked_of_words_and_a_prompt_without_facts_holds_all() -> None:
    facts = [atom("place", "picture", "snow"), atom("style", "picture", "flat")]
    assert stated("anything", facts) == facts
    assert readable([*CATS, *facts]) == CATS
    assert readable(facts) == lost(facts, "anything") == []
    assert held_share([], []) == 1
    assert held_share(CATS, lost(CATS, "Three red cats sit left of a gray dog.")) == pytest.approx(6 / 7)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("boxes", "box", True), ("glasses", "glass", True), ("families", "family", True), ("wolves", "wolf", True),
        ("knives", "knife", True), ("fishermen", "fisherman", True), ("women", "woman", True), ("cacti", "cactus", True),
        ("crosses", "cross", True), ("cat", "car", False), ("glass", "glas", False), ("bus", "bush", False),
    ],
)  # fmt: skip
def test_nouns_are_told_from_their_plurals(one: str, other: str, same: bool) -> None:
    assert same_noun(one, other) is same_noun(other, one) is same


def test_every_kind_of_fact_is_told_as_a_reader_would() -> None:
    told = {
        "object circle": atom("object", "circle", "circle"),
        "count circle 2": atom("count", "circle", "2"),
        "color circle red": atom("color", "circle", "red"),
        "attribute street musician short-haired": atom("attribute", "street musician", "short-haired"),
        "action student feeding pigeons": atom("action", "student", "feeding pigeons"),
        "relation circle left of square": atom("relation", "circle", "left of", "square"),
        "absence star": atom("absence", "star", "absent"),
        'text "OPEN"': atom("text", "sign", "OPEN"),
        "place snow": atom("place", "picture", "snow"),
        "style flat vector illustration": atom("style", "picture", "flat vector illustration"),
        "feature a lively mood": atom("feature", "picture", "a lively mood"),
        "prompt a star at night": atom("prompt", "picture", "a star at night"),
    }
    assert {words: in_words(fact) for words, fact in told.items()} == {words: words for words in told}
    assert {str(fact["kind"]) for fact in told.values()} == {*KINDS}
