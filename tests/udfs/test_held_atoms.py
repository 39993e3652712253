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
LEFT = [atom("relation", "cat", "left of", "dog")]
NOT_LEFT = [
    "a cat sits left of the sofa, a dog sleeps", "a cat left of sofa, dog", "a cat left of the sofa and a dog",
    "a cat left of a sofa with a dog", "a cat left of the sofa where a dog sleeps", "Left of the sofa, a dog sees a cat",
    "a cat and a sofa left of a dog", "a cat, a sofa left of a dog", "cat, sofa left of dog", "a cat and 2 balls left of a dog",
    "a cat and his ball left of a dog",
    "a cat sleeps while a ball lies left of a dog",
    "a cat not left of a dog", "a cat isn't left of a dog", "a dog is not right of a cat", "no cat left of a dog",
    "a cat left of no dog", "Left of the dog there is no cat",
    "a cat left of a dog and the dog left of the cat",
]  # fmt: skip
RED = [atom("color", "cat", "red")]
NOT_RED = [
    "two cats that are not red", "two cats, never red", "two cats neither red nor blue", "Two red cats turned blue cats",
    "two red cats that are blue", "a cat dressed in red, then dressed in blue", "red and blue cats",
    "a red barn, fluffy cats", "a red barn and cats", "a cat near a barn painted red", "a cat by the barn and a red coat",
]  # fmt: skip
OPEN = [atom("text", "sign", "OPEN")]

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
    ([atom("text", "sign", "50%"), atom("text", "sign", "5")], 'a sign with "55 or 5" and one with "SALE 50%!"'),
    ([atom("object", "couch", "couch"), atom("count", "couch", "1"), atom("color", "couch", "red")], "a red sofa in a room"),
    ([atom("count", "lady", "2")], "two women"),
    ([atom("count", "cat", "2")], "twin cats"),
    ([atom("count", "bed", "1")], "a twin bed"),
    ([atom("count", "car", "1")], "a vintage 1967 car"),
    ([atom("count", "car", "2")], "two 1967 cars"),
    ([atom("count", "boat", "1500")], "1500 boats"),
    ([atom("count", "woman", "1")], "an 80 year old woman"),
    ([atom("count", "woman", "2")], "two 80 year old women"),
    ([atom("count", "tree", "1")], "a two hundred year old tree"),
    ([atom("count", "house", "1")], "a two story house"),
    ([atom("count", "photo", "1")], "a 35 mm photo of a cat"),
    ([atom("count", "shirt", "1")], "a 50% cotton shirt of 2 m ²"),
    ([atom("count", "story", "2")], "two stories on a page"),
    ([atom("count", "boat", "200")], "two hundred boats"),
    ([atom("count", "boat", "25")], "twenty five boats"),
    ([atom("count", "boat", "1500")], "1,500 boats"),
    ([atom("count", "egg", "24")], "two dozen eggs"),
    ([atom("count", "cat", "2")], "two playful, fluffy cats and three dogs"),
    (LEFT, "A cat, tail raised, sits proudly to the left of a large, fluffy dog"),
    (LEFT, "The cat lounges on a cushion to the left of one of his big and fluffy dogs"),
    (LEFT, "A cat with a ball not far to the left of a pair of dogs"),
    (LEFT, "In a park, to the left of the dog sits a cat"),
    (RED, "A red cat with white paws in golden light against a blue sky"),
    (RED, "A cat in a bright red coat, a blue ball beside it"),
    (RED, "The cat is red and not blue"),
    (OPEN, 'A wooden sign says "OPEN!"'),
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
    ([atom("text", "sign", "SALE 5")], 'a sign with the text "SALE 50"', ['text "SALE 5"']),
    ([atom("text", "sign", "NIGHT")], 'a sign that says "NIGHTMARE" or "TONIGHT"', ['text "NIGHT"']),
    ([atom("count", "couch", "1")], "red sofas", ["count couch 1"]),
    ([atom("count", "car", "1")], "three 1967 cars", ["count car 1"]),
    ([atom("count", "cat", "2")], "two hundred cats", ["count cat 2"]),
    ([atom("count", "cat", "2")], "twenty two cats", ["count cat 2"]),
    ([atom("count", "cat", "2")], "two barns, fluffy cats", ["count cat 2"]),
    ([atom("count", "cat", "2")], "there are no two cats", ["count cat 2"]),
    ([atom("count", "cat", "1")], "no cat", ["count cat 1"]),
    ([atom("count", "cat", "ten")], "a cat with kittens", ["count cat ten"]),
    *((RED, text, ["color cat red"]) for text in NOT_RED),
    *((LEFT, text, ["relation cat left of dog"]) for text in NOT_LEFT),
    *((OPEN, text, ['text "OPEN"']) for text in ('"OPEN" and "CLOSED"', "a sign 'CLOSED', once ‘OPEN’")),
]  # fmt: skip
# text, the things that are there, those that are not
DENIED = [
    ("rugby player, no trophy, megaphone, beach", ["rugby player", "megaphone", "beach"], ["trophy"]),
    ("A harp, no spell book, mermaid on a bridge", ["harp", "mermaid", "bridge"], ["spell book"]),
    ("without mirror, cellist in purple", ["cellist"], ["mirror"]),
    ("A kitchen with no chairs, a cat on the table", ["kitchen", "cat", "table"], ["chair"]),
    ("A man with no hat and a dog", ["man", "dog"], ["hat"]),
    ("A man with no hat but a dog", ["man", "dog"], ["hat"]),
    ("a room without chairs with a cat", ["room", "cat"], ["chair"]),
    ("no chair beside a cat", ["cat"], ["chair"]),
    ("a house not far from a lake", ["house", "lake"], []),
    ("a boy not afraid of a dog", ["boy", "dog"], []),
    ("not only a cat but a dog", ["cat", "dog"], []),
    ("a free bird", ["bird"], []),
    ("a sky free of birds", ["sky"], ["bird"]),
    ("a room with no cats or dogs", ["room"], ["cat", "dog"]),
    ("neither a cat nor a dog", [], ["cat", "dog"]),
    ("no cats, dogs or birds", [], ["cat", "dog", "bird"]),
    ("a room without a cat, a dog, or a small bird", ["room"], ["cat", "dog", "bird"]),
    ("no cats, a dog on a rug or a bed", ["dog", "rug", "bed"], ["cat"]),
    ("no cats on rugs or beds", ["rug", "bed"], ["cat"]),
    ("none of the cats or dogs", [], ["cat", "dog"]),
    ("a man not with a dog", ["man"], ["dog"]),
    ("no dog house", [], ["dog house", "house"]),
    ("a cat, missing trophy", ["cat"], []),
    ("a table, the chair is absent", ["table"], ["chair"]),
]
INVERTED = [
    ("Behind the dog stands a cat", "cat", "behind", "dog"),
    ("To the left of the dog is a cat", "cat", "to the left of", "dog"),
    ("To the left of the dog is a cat", "dog", "right of", "cat"),
    ("Above the box floats a cat", "cat", "above", "box"),
    ("A park. Just behind the two dogs sit three cats.", "cat", "behind", "dog"),
    ("In a park, behind the dog sleeps a cat", "cat", "behind", "dog"),
    ("A cat and a box, and behind the box stands a dog", "dog", "behind", "box"),
]
NOT_INVERTED = [
    ("Behind the dog stands a cat", "dog", "behind", "cat"),
    ("Behind the dog, a cat left of a box", "box", "behind", "dog"),
    ("Behind the dog and the box stands a cat", "box", "behind", "dog"),
    ("a cat, left of the dog, a box", "box", "left of", "dog"),
    ("a cat, behind the dog on a box", "box", "behind", "dog"),
    ("On the left, a dog; on the right, a cat", "dog", "left of", "cat"),
    ("Behind the dog. A cat", "cat", "behind", "dog"),
]


@pytest.mark.parametrize(("facts", "text"), KEPT)
def test_what_an_enhancer_may_do_is_forgiven(facts: list[Atom], text: str) -> None:
    assert lost(facts, text) == []


@pytest.mark.parametrize(("facts", "text", "expected"), LOST)
def test_what_is_lost_or_changed_is_named(facts: list[Atom], text: str, expected: list[str]) -> None:
    assert lost(facts, text) == expected


@pytest.mark.parametrize(("text", "there", "denied"), DENIED)
def test_a_denial_is_of_the_thing_after_it_alone(text: str, there: list[str], denied: list[str]) -> None:
    objects = [atom("object", thing, thing) for thing in (*there, *denied)]
    absences = [atom("absence", thing, "absent") for thing in denied]
    assert lost([*objects, *absences], text) == [f"object {thing}" for thing in denied]
    not_denied = [atom("absence", thing, "absent") for thing in there]
    assert lost([*not_denied, *absences], text) == [f"absence {thing}" for thing in there]


@pytest.mark.parametrize(("text", "first", "relation", "second"), INVERTED)
def test_a_relation_may_open_its_clause(text: str, first: str, relation: str, second: str) -> None:
    assert lost([atom("relation", first, relation, second)], text) == []


@pytest.mark.parametrize("known", [[], ["cat"]])
@pytest.mark.parametrize(("text", "first", "relation", "second"), NOT_INVERTED)
def test_a_relation_that_opens_its_clause_is_of_the_next_two_things(
    text: str, first: str, relation: str, second: str, known: list[str]
) -> None:
    facts = [atom("relation", first, relation, second), *(atom("object", thing, thing) for thing in known)]
    assert lost(facts, text) == [f"relation {first} {relation} {second}"]


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


@pytest.mark.parametrize("kinds", [(), ("object",), ("object", "count"), ("color", "relation")])
def test_of_the_kinds_that_the_atoms_lack_the_words_tell(kinds: tuple[str, ...]) -> None:
    known = [atom("object", "apple", "apple"), atom("count", "apple", "2"), atom("color", "apple", "red")]
    known.append(atom("relation", "apple", "left of", "pear"))
    facts = stated("two red apples left of a pear", [fact for fact in known if fact["kind"] in kinds])
    assert lost(facts, "A pear stands right of 2 shiny red apples") == []
    assert {*lost(facts, "three green apples right of a pear")} == {in_words(fact) for fact in known[1:]}


def test_of_a_kind_that_an_atom_has_and_of_the_style_and_place_that_atoms_name_the_words_tell_nothing() -> None:
    fox = [atom("object", "fox", "fox"), atom("count", "fox", "1"), atom("color", "fox", "red")]
    assert stated("three red foxes beside a blue lake", fox) == [*fox, atom("relation", "fox", "next to", "lake")]
    fox = [*fox[:2], atom("place", "picture", "bridge"), atom("style", "picture", "black and white photo")]
    assert stated("a black and white photo of a fox under a bridge", fox) == fox


def test_the_words_tell_of_things_by_the_names_of_the_atoms() -> None:
    named = [atom("object", name, name) for name in ("young woman", "old woman", "sofa")]
    facts = stated("two young women behind a red sofa, an old woman in blue", named)
    assert [in_words(fact) for fact in facts[3:]] == [
        "color old woman blue",
        "color sofa red",
        "count young woman 2",
        "relation young woman behind sofa",
    ]


@pytest.mark.parametrize(
    ("things", "text", "told"),
    [
        (["sign", "cup"], 'a sign with the inscription "OPEN" behind a cup', "relation sign behind cup"),
        (["old man", "dog"], "an old man dressed in red leaping over a dog", "color old man red"),
        (["house", "tree"], "a house with a red tree nearby", "color tree red"),
    ],
)
def test_what_is_said_of_no_thing_is_said_of_the_one_that_it_reads_back_for(
    things: list[str], text: str, told: str
) -> None:
    named = [atom("object", thing, thing) for thing in things]
    facts = [in_words(fact) for fact in stated(text, named) if in_words(fact).split()[0] == told.split()[0]]
    assert facts == [told]


def test_what_the_words_tell_besides_makes_no_atom_lost() -> None:
    cat = [atom("object", "cat", "cat"), atom("color", "cat", "red")]
    assert lost(cat, "A cat beside dogs dressed in red") == []
    assert stated("A cat beside dogs dressed in red", cat) == cat
    objects = [atom("object", thing, thing) for thing in ("knight", "dragon")]
    knight = [*objects, atom("relation", "knight", "left of", "dragon")]
    facts = stated("A knight left of a dragon, his red cape flowing", knight)
    assert facts == [*knight, atom("color", "cape", "red")]
    assert lost(facts, "A knight in a flowing red cape stands to the left of a dragon") == []
    assert lost(facts, "A dragon in a red cape stands to the left of a knight") == ["relation knight left of dragon"]


def test_what_a_prompt_with_atoms_quotes_besides_is_a_fact() -> None:
    facts = stated('"OPEN" and “CLOSED”', OPEN)
    assert facts == [*OPEN, atom("text", "picture", "CLOSED")]
    assert lost(facts, 'a board "CLOSED", a sign "OPEN"') == []
    assert lost(facts, 'a sign "OPEN"') == ['text "CLOSED"']


def test_a_side_and_a_year_in_a_prompt_without_atoms_are_no_facts() -> None:
    assert stated("a 1967 car turning left", None) == []
    assert stated("a red sofa", None) == [atom("color", "couch", "red")]


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
        ("crosses", "cross", True), ("couch", "sofas", True), ("ladies", "woman", True), ("cat", "car", False), ("glass", "glas", False), ("bus", "bush", False),
    ],
)  # fmt: skip
def test_nouns_are_known_by_their_plurals_and_their_synonyms(one: str, other: str, same: bool) -> None:
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
