"""The order of the views, and what is said of a view that cannot work."""

from __future__ import annotations

import re

import pytest

from schemas.sql_views import in_order, view_texts
from schemas.tables import TABLES


def test_a_view_comes_after_what_it_reads() -> None:
    texts = {
        "last": "with own as (select * from middle),\n\nother as (select * from own) select * from other join images",
        "middle": "select 'from nowhere' as text from first -- join nothing",
        "first": "select * from images",
    }
    assert [*in_order(texts, ["images"])] == ["first", "middle", "last"]


def test_an_unknown_source_is_named_with_the_nearest_one() -> None:
    with pytest.raises(ValueError, match=r"views/wrong\.sql reads 'imges'.*Did you mean 'images'\?"):
        in_order({"wrong": "select * from imges"}, TABLES)


def test_a_circle_is_named() -> None:
    with pytest.raises(ValueError, match=r"(a -> b -> a|b -> a -> b) read each other in a circle"):
        in_order({"a": "select * from b", "b": "select * from a"}, [])


@pytest.mark.parametrize("name", view_texts())
def test_a_view_says_its_grain_and_purpose_and_ends_as_all_do(name: str) -> None:
    text = view_texts()[name]
    assert text.startswith("-- grain: ")
    assert "\n-- purpose: " in text
    assert "\n-- try: select " in text
    assert re.search(r"\n\)\n\nselect \* from \w+\n$", text), (
        "the last line is select * from <last common table expression>"
    )
    plain = re.sub(r"--[^\n]*|'[^']*'", "", text)
    assert plain == plain.lower().replace("0.0d", "0.0D")
    assert max(map(len, text.splitlines())) <= 150


def test_no_view_reads_pictures_but_those_that_hand_them_on() -> None:
    readers = {
        name
        for name, text in view_texts().items()
        if re.search(r"\bimages?\.image\b|\bphotos\.image\b|candidates\.image\b", text)
    }
    assert readers == {"candidates"}
