"""The offline enhancer: says the same and more, and records what it adds."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conf.taxonomy import Taxonomy, load_taxonomy
from tests.udfs.test_writers import FINE, SCENES, prompts, said, unquoted
from udfs.attributes import attributes
from udfs.enhanced_texts import OfflineEnhancer
from udfs.enhancers import GrammarEnhancer
from udfs.grammar import subject_of, values_of
from udfs.text_measures import words
from udfs.writers import GrammarWriter

BOTH = pytest.mark.parametrize("taxonomy", [SCENES, FINE], ids=["scenes", "fine_t2i"])


def everything(taxonomy: Taxonomy, index: int = 2) -> list[dict[str, Any]]:
    writer, templates = GrammarWriter(taxonomy), taxonomy.slugs("template")
    return [
        writer.write(task.slug, category.slug, taxonomy.styles[0].slug, templates[(number + index) % 5], index)
        for task in taxonomy.tasks
        for number, category in enumerate(taxonomy.categories)
    ]


@given(prompts(FINE))
@settings(max_examples=250, deadline=None)
def test_every_fact_of_both_prompts_is_in_the_longer_text(prompt: dict[str, Any]) -> None:
    text, atoms = GrammarEnhancer(FINE).enhance(prompt)
    assert [fact for fact in prompt["atoms"] if fact not in atoms] == []
    assert [fact for fact in atoms if not said(fact, prompt | {"text": text}, FINE)] == []
    assert len(words(text)) > len(words(prompt["text"]))
    assert len(words(text)) <= 150


@given(prompts(FINE))
@settings(max_examples=250, deadline=None)
def test_the_longer_text_is_tidy_and_states_no_more_than_its_atoms(prompt: dict[str, Any]) -> None:
    text, atoms = GrammarEnhancer(FINE).enhance(prompt)
    assert text == " ".join(text.split())
    assert not re.search(r"[{}]| [,.;:?]|,,|\.\.|\bNone\b", unquoted(text))
    assert not re.search(r"\b[Aa] [aeiouAEIOU]|\b[Aa]n [^aeiouAEIOU\W]", unquoted(text))
    stated = attributes(text)
    colors = {value.removeprefix("dressed in ") for value in values_of(atoms, "color")}
    assert {found[1] for found in stated if found[0] == "color"} == colors
    counts = set(values_of(atoms, "count")) - {"1"}
    assert {found[1] for found in stated if found[0] == "count"} == counts


@given(prompts(FINE))
@settings(max_examples=250, deadline=None)
def test_what_is_added_suits_and_does_not_contradict(prompt: dict[str, Any]) -> None:
    """Things get what they lacked, each once; a feature that is added comes from the lists of this place and medium."""
    _, atoms = GrammarEnhancer(FINE).enhance(prompt)
    before, after = subject_of(prompt["atoms"]), subject_of(atoms)
    for old, new in zip(before.things, after.things, strict=True):
        assert (old.object, old.count) == (new.object, new.count)
        assert old.color in (None, new.color)
        assert old.look in (None, new.look)
        assert old.action in (None, new.action)
    assert (before.relation, before.absent, before.text) == (after.relation, after.absent, after.text)
    category = next(c for c in FINE.categories if c.slug == prompt["category"])
    style = next(s for s in FINE.styles if s.slug == prompt["style"])
    suitable = FINE.features(
        category, category.at(*values_of(atoms, "place")), style.of(*values_of(atoms, "style"))
    ).values()
    features = values_of(atoms, "feature")
    assert all(sum(feature in some for some in suitable) == 1 for feature in features)
    assert all(sum(feature in some for feature in features) <= 1 for some in suitable)
    assert len(features) >= min(3, sum(map(bool, suitable)))


def test_in_the_scenes_what_is_added_is_colors() -> None:
    """The demo's models know no more; every thing gets one."""
    enhancer = GrammarEnhancer(SCENES)
    for prompt in everything(SCENES):
        text, atoms = enhancer.enhance(prompt)
        assert all(fact in atoms for fact in prompt["atoms"])
        assert {fact["kind"] for fact in atoms if fact not in prompt["atoms"]} <= {"color"}
        assert all(thing.color and thing.color in text for thing in subject_of(atoms).things)
        assert re.fullmatch(r"(a|two|three) .+ (in the snow|at night|on the sand), \w+ style, [\w ]+, [\w ]+", text)


def test_people_are_dressed_in_a_color_and_things_have_one() -> None:
    prompt = next(p for p in everything(FINE) if p["task"] == "position" and p["category"] == "people_portrait")
    text, atoms = GrammarEnhancer(FINE).enhance(prompt)
    colors = values_of(atoms, "color")
    assert colors[0].startswith("dressed in ")
    assert colors[1] in FINE.lexicon.colors
    assert colors[0] in text


def test_longer_texts_are_worded_in_many_ways() -> None:
    """One prompt under a hundred ids: every pattern of the file is met."""
    prompt = everything(FINE)[0]
    texts = [GrammarEnhancer(FINE).enhance(prompt | {"prompt_id": str(number)})[0] for number in range(100)]
    assert len(set(texts)) > 95
    assert len({" ".join(text.split()[-3:]) for text in texts}) > 8


@BOTH
def test_the_same_prompt_is_always_enhanced_alike(taxonomy: Taxonomy) -> None:
    prompt = everything(taxonomy)[3]
    again = load_taxonomy(taxonomy.name)
    assert GrammarEnhancer(taxonomy).enhance(prompt) == GrammarEnhancer(again).enhance(prompt)


@pytest.mark.parametrize(("kind", "message"), [("place", "the moon"), ("style", "the moon")])
def test_a_prompt_of_another_taxonomy_is_an_error(kind: str, message: str) -> None:
    prompt = everything(FINE)[0]
    atoms = [fact | {"value": message} if fact["kind"] == kind else fact for fact in prompt["atoms"]]
    with pytest.raises(KeyError, match=message):
        GrammarEnhancer(FINE).enhance(prompt | {"atoms": atoms})


def enhanced(*rows: dict[str, Any]) -> list[Any]:
    return OfflineEnhancer(GrammarEnhancer(FINE)).load("cpu").enhance([*rows])


@given(st.text(min_size=1))
def test_a_prompt_that_was_brought_gets_finishing_words_only(text: str) -> None:
    brought = {"prompt_id": "1", "text": text, "category": "none", "style": "none", "writer": "a.csv", "atoms": None}
    ((longer, atoms),) = enhanced(brought)
    told = text.rstrip().rstrip(" .,;:")
    assert longer.startswith(told)
    details = longer.removeprefix(told).lstrip(" .,;:" + text.removeprefix(told)).lower()
    assert set(details.split(", ")) <= set(FINE.lexicon.details)
    assert atoms is None


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("A cat sits on a mat", "A cat sits on a mat, d"),
        ("A cat sits on a mat.", "A cat sits on a mat, d"),
        ("cat, mat, ", "cat, mat, d"),
        ("a cat...", "a cat, d"),
        ('a sign with the text "OPEN".', 'a sign with the text "OPEN", d'),
        ('a sign with the text "OPEN"', 'a sign with the text "OPEN", d'),
        ("the dogs' bowl, and the cats'", "the dogs' bowl, and the cats', d"),
        ("What a cat!", "What a cat! D"),
        ("Can you draw a cat? ", "Can you draw a cat? D"),
        ('a sign with the text "STOP!"', 'a sign with the text "STOP!" D'),
        ("a sign that says “Come in.”", "a sign that says “Come in.” D"),
        ("...", "... D"),
    ],
)
def test_finishing_words_go_on_after_any_end(text: str, start: str) -> None:
    taxonomy = FINE.model_copy(update={"lexicon": FINE.lexicon.model_copy(update={"details": ("detail", "depth")})})
    row = {"prompt_id": "1", "text": text, "atoms": None}
    longer, _ = GrammarEnhancer(taxonomy).finish(row)
    assert longer.startswith(start)


def test_another_revision_draws_as_before() -> None:
    """The demo's models were trained on these texts: a mended end must not reword all others."""
    prompt = everything(FINE)[0]
    assert GrammarEnhancer(FINE, revision="2").enhance(prompt) == GrammarEnhancer(FINE).enhance(prompt)


def test_a_language_models_prompt_keeps_its_words_though_it_has_template_and_atoms() -> None:
    own = everything(FINE)[0] | {"writer": "grammar@2"}
    written = own | {"text": "what a language model made of these atoms", "writer": "llm@7"}
    (rewritten, _), (longer, atoms) = enhanced(own, written)
    assert rewritten == GrammarEnhancer(FINE).enhance(own)[0]
    assert longer.startswith(f"{written['text']}, ")
    assert atoms == own["atoms"]
