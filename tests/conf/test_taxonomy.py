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
from conf.taxonomy import Label, load_taxonomy

SCENES: dict[str, Any] = yaml.safe_load((CONF / "taxonomies" / "scenes.yaml").read_text(encoding="utf-8"))


def test_fine_t2i_has_the_papers_axes() -> None:
    fine = load_taxonomy("fine_t2i")
    assert [len(axis) for axis in (fine.tasks, fine.categories, fine.styles, fine.templates)] == [11, 32, 11, 5]
    assert fine.tasks[0].slug == "none"
    assert fine.tasks[0].name is None
    asks = [frozenset(task.asks) for task in fine.tasks]
    assert len(set(asks)) == 11, "four kinds, their six pairs, and none"
    assert max(map(len, asks)) == 2
    assert {"General & Photorealistic", "Anime", "3D & CGI"} <= {style.name for style in fine.styles}


def test_fine_t2i_has_the_papers_shares() -> None:
    fine = load_taxonomy("fine_t2i")
    groups: defaultdict[str, float] = defaultdict(float)
    for category in fine.categories:
        groups[str(category.name).split(": ")[0]] += category.weight
    expected = {"People": 37.9, "Nature": 27.8, "Text rendering": 17.4, "Design": 10.6, "Rare cases": 6.3}
    assert {group: round(share, 6) for group, share in groups.items()} == expected
    assert fine.tasks[0].weight / sum(task.weight for task in fine.tasks) == pytest.approx(0.63)


@pytest.mark.parametrize("name", ["scenes", "fine_t2i"])
def test_slugs_are_made_of_the_names(name: str) -> None:
    taxonomy = load_taxonomy(name)
    for axis in (taxonomy.tasks, taxonomy.categories, taxonomy.styles):
        for label in axis:
            if name == "fine_t2i" and label.name:
                assert label.slug == re.sub(r"[^a-z0-9]+", "_", label.name.lower())


def test_a_category_of_fine_t2i_has_six_things_to_show_and_a_text_where_text_is_rendered() -> None:
    for category in load_taxonomy("fine_t2i").categories:
        assert len(set(category.objects)) >= 6, category.slug
        if str(category.name).startswith("Text rendering"):
            assert len(set(category.texts)) >= 6, category.slug


def test_no_word_of_fine_t2i_is_wrong_after_a() -> None:
    """The grammar writes 'an' before a, e, i, o, u and 'a' before all else: no word may be an exception."""
    fine = load_taxonomy("fine_t2i")
    nouns = [word for c in fine.categories for word in (*c.objects, *c.props)] + list(fine.lexicon.colors)
    wrong = re.compile(r"(uni|use|usu|eu|one\b|once|hour|honest|honor|heir)", re.IGNORECASE)
    assert [noun for noun in nouns if wrong.match(noun)] == []
    assert [noun for noun in nouns if noun[0] in "AEIOU"] == []


def test_a_plural_of_fine_t2i_is_regular_or_listed() -> None:
    """'-s' is all that the grammar knows."""
    fine = load_taxonomy("fine_t2i")
    irregular = re.compile(
        r"(?:(?:s|x|z|ch|sh|[^aeiou]y|man|men|woman|child|sheep|fish|shelf|wolf|leaf|foot)$)|.* of | in "
    )
    nouns = {word for category in fine.categories for word in category.objects}
    assert sorted(noun for noun in nouns if irregular.search(noun) and noun not in fine.lexicon.plurals) == []


def test_a_category_knows_its_places() -> None:
    category = next(c for c in load_taxonomy("fine_t2i").categories if c.slug == "nature_vehicles")
    assert category.at(category.keyword) == category
    assert category.at("harbor").place == "at a small harbor"
    with pytest.raises(KeyError, match="moon"):
        category.at("moon")


BAD = [
    (("tasks", 0, "slug"), "Colors!", r"tasks.0.slug: 'Colors!' is no slug"),
    (("tasks", 1, "asks"), ["colour"], r"tasks.1.asks.0: .*'color', 'count', 'relation' or 'reasoning'"),
    (("tasks", 0, "weight"), 0, r"tasks.0.weight: .*greater than 0"),
    (("styles", 0, "slug"), "outline", "styles: outline stands there twice; each slug may stand once"),
    (("templates", 0, "pattern"), "{subject} in {plaice}", r"pattern uses \['plaice'\]; allowed: "),
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


@given(st.from_regex(r"[a-z0-9]+(_[a-z0-9]+)*", fullmatch=True))
def test_a_slug_is_taken_as_it_is(slug: str) -> None:
    assert Label(slug=slug, weight=1).slug == slug


@given(st.text(max_size=12).filter(lambda text: not re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", text)))
def test_anything_else_is_no_slug(text: str) -> None:
    """A slug becomes the name of a folder: no slash, space, '=', '..', no capital that a disk may not tell apart."""
    with pytest.raises(ValueError, match="is no slug"):
        Label(slug=text, weight=1)
