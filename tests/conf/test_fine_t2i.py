"""The words of fine_t2i: the rules that its file states, so that no prompt contradicts itself."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from conf.taxonomy import Category, load_taxonomy
from udfs.attributes import attributes

FINE = load_taxonomy("fine_t2i")
CATEGORIES = pytest.mark.parametrize("category", FINE.categories, ids=FINE.slugs("category"))


def phrases() -> Iterator[str]:
    """All but the places: what a prompt may say whatever its task."""
    for category in FINE.categories:
        yield from (*category.objects, *category.props, *category.looks, *category.actions)
        yield from (*category.views, *category.manners)
    for style in FINE.styles:
        for medium in style.media:
            yield medium.phrase
            yield from medium.finishes
    for lights in FINE.lexicon.lights.values():
        yield from lights
    yield from FINE.lexicon.details


def head(noun: str) -> str:
    """The word that says what it is: 'flower pot' -> pot, 'bowl of soup' -> bowl."""
    return noun.split(" of ")[0].split()[-1]


def test_no_phrase_states_a_color_number_relation_or_absence() -> None:
    assert {phrase: found for phrase in phrases() if (found := attributes(phrase))} == {}


def test_no_place_states_a_color_number_or_absence() -> None:
    places = [place for category in FINE.categories for place in category.places]
    words = [words for place in places for words in (place.phrase, place.keyword)]
    assert {w: found for w in words if (found := {a for a in attributes(w) if a[0] != "relation"})} == {}


@CATEGORIES
def test_a_category_has_words_enough(category: Category) -> None:
    assert len(set(category.objects)) == len(category.objects) >= 14
    assert len(set(category.props)) == len(category.props) >= 12
    assert len(category.places) >= 8
    assert len(set(category.looks)) == len(category.looks) >= 10
    assert category.actions == () or len(set(category.actions)) == len(category.actions) >= 8
    if str(category.name).startswith("Text rendering"):
        assert len(set(category.texts)) == len(category.texts) >= 10


@CATEGORIES
def test_what_may_be_absent_is_named_nowhere_else(category: Category) -> None:
    """'without any lantern' must stay true beside every object, look, action, feature and place."""
    props = [head(prop) for prop in category.props]
    assert len(set(props)) == len(props)
    others = [*category.objects, *category.looks, *category.actions, *category.views, *category.manners]
    others += [words for place in category.places for words in (place.phrase, place.keyword)]
    named = {word for phrase in others for word in re.findall(r"\w+", phrase)}
    assert {prop for prop in props if {prop, FINE.lexicon.plural(prop)} & named} == set()


def test_no_word_is_wrong_after_a() -> None:
    """The grammar writes 'an' before a, e, i, o, u and 'a' before all else: no word may be an exception."""
    nouns = [word for c in FINE.categories for word in (*c.objects, *c.props, *c.looks)] + list(FINE.lexicon.colors)
    wrong = re.compile(r"(uni|use|usu|eu|one\b|once|hour|honest|honor|heir)", re.IGNORECASE)
    assert [noun for noun in nouns if wrong.match(noun)] == []


def test_a_phrase_that_begins_with_an_article_has_the_right_one() -> None:
    wrong = re.compile(r"a [aeiou]|an [^aeiou]", re.IGNORECASE)
    assert [phrase for phrase in phrases() if wrong.match(phrase)] == []
    assert [m.phrase for style in FINE.styles for m in style.media if wrong.match(m.phrase)] == []


def test_an_irregular_plural_is_listed() -> None:
    irregular = re.compile(r"(man|woman|child|foot|tooth|goose|mouse|sheep|fish|[lr]f|[aeo]af|ife|shelf|us|[^aeiou]o)$")
    regular = {"photo", "piano", "logo", "taco", "motto", "bus"}
    heads = {head(noun) for category in FINE.categories for noun in category.objects}
    known = FINE.lexicon.plurals.keys() | regular
    assert sorted(noun for noun in heads if irregular.search(noun) and noun not in known) == []
