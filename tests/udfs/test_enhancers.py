"""The offline enhancer: says the same and more, and records what it adds."""

from __future__ import annotations

from typing import Any

import pytest

from conf.taxonomy import Taxonomy, load_taxonomy
from udfs.enhancers import GrammarEnhancer
from udfs.grammar import subject_of
from udfs.text_measures import words
from udfs.writers import GrammarWriter

SCENES, FINE = load_taxonomy("scenes"), load_taxonomy("fine_t2i")
BOTH = pytest.mark.parametrize("taxonomy", [SCENES, FINE], ids=["scenes", "fine_t2i"])


def everything(taxonomy: Taxonomy, index: int = 2) -> list[dict[str, Any]]:
    writer = GrammarWriter(taxonomy)
    return [
        writer.write(task.slug, category.slug, taxonomy.styles[0].slug, taxonomy.templates[index % 5].slug, index)
        for task in taxonomy.tasks
        for category in taxonomy.categories
    ]


@BOTH
def test_every_fact_of_the_short_prompt_is_still_there(taxonomy: Taxonomy) -> None:
    enhancer = GrammarEnhancer(taxonomy)
    for prompt in everything(taxonomy):
        _, atoms = enhancer.enhance(prompt)
        assert all(fact in atoms for fact in prompt["atoms"]), prompt["text"]


@BOTH
def test_what_is_added_is_colors_and_they_are_recorded(taxonomy: Taxonomy) -> None:
    enhancer = GrammarEnhancer(taxonomy)
    for prompt in everything(taxonomy):
        text, atoms = enhancer.enhance(prompt)
        added = [fact for fact in atoms if fact not in prompt["atoms"]]
        assert {fact["kind"] for fact in added} <= {"color"}
        assert all(thing.color and thing.color in text for thing in subject_of(atoms).things)


def test_people_are_dressed_in_a_color_and_things_have_one() -> None:
    prompt = next(p for p in everything(FINE) if p["task"] == "position" and p["category"] == "people_portrait")
    text, atoms = GrammarEnhancer(FINE).enhance(prompt)
    colors = [str(fact["value"]) for fact in atoms if fact["kind"] == "color"]
    assert colors[0].startswith("dressed in ")
    assert colors[1] in FINE.lexicon.colors
    assert colors[0] in text


@BOTH
def test_the_enhanced_prompt_keeps_its_place(taxonomy: Taxonomy) -> None:
    enhancer = GrammarEnhancer(taxonomy)
    for prompt in everything(taxonomy, index=5):
        text, atoms = enhancer.enhance(prompt)
        keyword = next(fact["value"] for fact in atoms if fact["kind"] == "place")
        category = next(c for c in taxonomy.categories if c.slug == prompt["category"])
        assert category.at(str(keyword)).place in text


def test_the_same_prompt_is_always_enhanced_alike() -> None:
    prompt = everything(SCENES)[3]
    assert GrammarEnhancer(SCENES).enhance(prompt) == GrammarEnhancer(load_taxonomy("scenes")).enhance(prompt)


def test_a_prompt_that_was_brought_gets_details_only() -> None:
    brought = {"prompt_id": "1", "text": "a dog", "category": "none", "style": "none", "template": None, "atoms": None}
    text, atoms = GrammarEnhancer(SCENES).enhance(brought)
    assert text.startswith("a dog, ")
    assert len(words(text)) > len(words("a dog"))
    assert atoms == []
