"""The taxonomies: Fine-T2I's labels are the paper's, and a mistake in a taxonomy is one sentence."""

from __future__ import annotations

import copy
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from conf.loading import CONF, RecipeError
from conf.patterns import pattern_of
from conf.taxonomy import Label, load_taxonomy

SCENES: dict[str, Any] = yaml.safe_load((CONF / "taxonomies" / "scenes.yaml").read_text(encoding="utf-8"))
FINE = load_taxonomy("fine_t2i")


def test_fine_t2i_has_the_papers_axes() -> None:
    assert [len(axis) for axis in (FINE.tasks, FINE.categories, FINE.styles, FINE.templates)] == [11, 32, 11, 5]
    assert FINE.tasks[0].slug == "none"
    assert FINE.tasks[0].name is None
    asks = [frozenset(task.asks) for task in FINE.tasks]
    assert len(set(asks)) == 11, "four kinds, their six pairs, and none"
    assert max(map(len, asks)) == 2
    assert {"General & Photorealistic", "Anime", "3D & CGI"} <= {style.name for style in FINE.styles}


def test_fine_t2i_has_the_papers_shares() -> None:
    groups: defaultdict[str, float] = defaultdict(float)
    for category in FINE.categories:
        groups[str(category.name).split(": ")[0]] += category.weight
    expected = {"People": 37.9, "Nature": 27.8, "Text rendering": 17.4, "Design": 10.6, "Rare cases": 6.3}
    assert {group: round(share, 6) for group, share in groups.items()} == expected
    assert FINE.tasks[0].weight / sum(task.weight for task in FINE.tasks) == pytest.approx(0.63)


def test_slugs_are_made_of_the_papers_names() -> None:
    labels = [label for axis in (FINE.tasks, FINE.categories, FINE.styles) for label in axis if label.name]
    assert [label.slug for label in labels] == [re.sub(r"[^a-z0-9]+", "_", str(label.name).lower()) for label in labels]


def test_a_category_knows_its_places() -> None:
    category = next(c for c in FINE.categories if c.slug == "nature_vehicles")
    assert category.at(category.keyword) == category.places[0]
    assert category.at("hangar").phrase == "in a large hangar"
    assert [category.at(keyword).setting for keyword in ("harbor", "hangar")] == ["day", "indoors"]
    with pytest.raises(KeyError, match="moon"):
        category.at("moon")


def test_a_style_knows_its_media() -> None:
    style = next(s for s in FINE.styles if s.slug == "traditional_art")
    oil, watercolor = style.media[0], style.of("watercolor painting")
    assert (oil.phrase, oil.tag, oil.finishes) == ("an oil painting", "oil painting", style.finishes)
    assert watercolor.finishes != style.finishes
    assert load_taxonomy("scenes").styles[0].media[0].fact == "flat"
    with pytest.raises(KeyError, match="mosaic"):
        style.of("mosaic")


@pytest.mark.parametrize(
    ("noun", "plural"),
    [("star", "stars"), ("cross", "crosses"), ("box", "boxes"), ("church", "churches"), ("lily", "lilies"),
     ("boy", "boys"), ("bowl of soup", "bowls of soup"), ("box of keys", "boxes of keys"), ("grey wolf", "grey wolves"),
     ("wolf", "wolves"), ("fisherman", "fishermen"), ("young woman", "young women")],
)  # fmt: skip
def test_a_plural_is_regular_or_that_of_its_last_word(noun: str, plural: str) -> None:
    assert FINE.lexicon.plural(noun) == plural


OFFERED = frozenset(["action", "light", "view"])
FITS = [
    ("{subject} {place}, {style}", OFFERED, True),
    ("{subject} {place}, {style}", frozenset(), True),
    ("{subject} {is} {action} {place}, {style}", OFFERED, True),
    ("{subject} {is} {action} {place}, {style}", frozenset(["light"]), False),
    ("{subject} {place} in {light}, {style}, {view}", OFFERED, True),
    ("{subject} {place}, {style}, {finish}", OFFERED, False),
    ("{subject} {place}, {style}, {features}", OFFERED, True),
    ("{subject} {place}, {style}, {features}", frozenset(["action"]), False),
    ("{subject} {place} in {light}, {style}, {view}, {feature_tags}", OFFERED, False),
]


@pytest.mark.parametrize(("words", "offered", "fits"), FITS)
def test_a_pattern_fits_where_all_that_it_names_is_there(words: str, offered: frozenset[str], fits: bool) -> None:
    assert pattern_of(words).fits(offered) is fits


def test_a_pattern_says_the_features_that_it_has_fields_for() -> None:
    light = pattern_of("{subject} {place} in {light}, {style}")
    assert light.says(frozenset(["action", "light"]))
    assert not light.says(OFFERED)
    assert pattern_of("{subject} {place}, {style} with {features}").says(OFFERED)


BAD = [
    (("tasks", 0, "slug"), "Colors!", r"tasks.0.slug: 'Colors!' is no slug"),
    (("tasks", 1, "asks"), ["colour"], r"tasks.1.asks.0: .*'color', 'count', 'relation' or 'reasoning'"),
    (("tasks", 0, "weight"), 0, r"tasks.0.weight: .*greater than 0"),
    (("styles", 0, "slug"), "outline", "styles: outline stands there twice; each slug may stand once"),
    (("templates", 0, "pattern"), "{subject} in {plaice}", r"pattern uses \['plaice'\]; allowed: "),
    (("templates", 0, "pattern"), "{subject} {place}", r"does not say the style; add {style} or {style_tag}"),
    (("templates", 0, "pattern"), "{subject} {place} {style", r"pattern '.*' has a brace that is no field"),
    (
        ("templates", 1, "more_patterns"),
        ["{place}, {style}"],
        "templates.1.more_patterns.0: .*does not say the subject",
    ),
    (
        ("templates", 2, "pattern"),
        "{subject} {place}, {style} in {light}",
        "sentence: no pattern fits category snow, which may have only: nothing; add a pattern that needs no more",
    ),
    (("enhancements",), [], "enhancements: .*at least 1"),
    (
        ("enhancements",),
        ["{subject} {place}, {style} with {features}"],
        "enhancements: no pattern fits category snow, which may have only: nothing",
    ),
    (
        ("categories", 0, "manners"),
        ["a calm mood"],
        r"enhancements: no pattern fits category snow, .*: manner; .* for enhancements one with {features}",
    ),
    (("categories", 0, "looks"), ["very  old"], "categories.0.looks.0: 'very  old' is no phrase: single spaces"),
    (("categories", 0, "actions"), ["{verb}"], "categories.0.actions.0: '{verb}' is no phrase: .*no braces"),
    (("categories", 0, "views"), [""], "categories.0.views.0: '' is no phrase"),
    (("categories", 0, "setting"), "dawn", "category snow, snow: setting: 'dawn' is not known. .*Name a key of"),
    (
        ("categories", 0, "more_places"),
        [{"phrase": "in the dark", "keyword": "snow"}],
        "category snow: the keyword snow stands there twice",
    ),
    (("categories", 0, "more_places"), [{"phrase": "in the dark"}], "more_places.0.keyword: this key is missing"),
    (("styles", 0, "more_phrases"), [{"phrase": "flat"}], "style flat: the phrase flat stands there twice"),
    (("styles", 0, "more_phrases"), [{"phrase": "a {x}"}], "more_phrases.0.phrase: 'a {x}' is no phrase"),
    (("categories", 0, "texts"), ["SALE {percent}%"], r"snow, texts: .* uses \['percent'\], .*; it has: none"),
    (("categories", 0, "texts"), ['say "hi"'], "category snow, texts: .* cannot be quoted: single spaces"),
    (("lexicon", "text_parts"), {"a": ["{b}"], "b": ["{a}"]}, "text_parts: a, b lead back to themselves"),
    (("lexicon", "text_parts"), {"a": ["{b}"]}, r"lexicon.text_parts.a: '{b}' uses \['b'\]"),
    (("lexicon", "quotes"), ["with a text"], "lexicon.quotes.0: 'with a text' must hold {text}, once"),
    (("lexicon", "absences"), ["no {thing}, no {thing}"], "lexicon.absences.0: .* must hold {thing}, once"),
    (("lexicon", "companions"), [], "lexicon.companions: .*at least 1"),
    (("lexicon", "lights"), {"day": ["a  sun"]}, "lexicon.lights.day.0: 'a  sun' is no phrase"),
    (
        ("lexicon", "objects"),
        ["circle", "square"],
        "category snow: 2 objects and 0 props are too few; give three objects",
    ),
    (("lexicon", "colors"), [], r"lexicon.colors: .*at least 1"),
    (("lexicon", "details"), ["one"], r"lexicon.details: .*at least 2"),
    (
        ("categories", 0, "props"),
        ["circle", "tree"],
        "category snow: circle is an object and a prop; it may be only one",
    ),
    (("categories", 0, "colour"), "red", r"categories.0.colour: this key is not known"),
]


@pytest.mark.parametrize(("where", "value", "message"), BAD, ids=[".".join(map(str, where)) for where, _, _ in BAD])
def test_a_mistake_is_one_sentence(tmp_path: Path, where: tuple[Any, ...], value: Any, message: str) -> None:
    data = copy.deepcopy(SCENES)
    inner: Any = data
    for key in where[:-1]:
        inner = inner[key]
    inner[where[-1]] = value
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    with pytest.raises(RecipeError, match=message):
        load_taxonomy(str(path))


def test_a_feature_belongs_to_one_facet(tmp_path: Path) -> None:
    """Else a prompt could say it twice."""
    data = copy.deepcopy(SCENES) | {
        "enhancements": ["{subject} {place}, {style}", "{subject} {place}, {style}, {features}"]
    }
    data["categories"] = [data["categories"][0] | {"views": ["a wide shot"], "manners": ["a wide shot"]}]
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    with pytest.raises(
        RecipeError, match="of light, view, finish and manner the feature a wide shot stands there twice"
    ):
        load_taxonomy(str(path))


@given(st.from_regex(r"[a-z0-9]+(_[a-z0-9]+)*", fullmatch=True))
def test_a_slug_is_taken_as_it_is(slug: str) -> None:
    assert Label(slug=slug, weight=1).slug == slug


@given(st.text(max_size=12).filter(lambda text: not re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", text)))
def test_anything_else_is_no_slug(text: str) -> None:
    """A slug becomes the name of a folder: no slash, space, '=', '..', no capital that a disk may not tell apart."""
    with pytest.raises(ValueError, match="is no slug"):
        Label(slug=text, weight=1)
