"""How much of a text is broken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from udfs.encoding import broken_share, mended


@pytest.mark.parametrize(
    "text",
    ["a caf\u00e9 at night", "“curly” quotes’ and a ﬁsh", "雪地里的红色圆圈,扁平风格", "naïve", "", "100 % wool — new"],
)
def test_a_whole_text_has_no_share(text: str) -> None:
    assert broken_share(text) == 0


def test_mojibake_and_decomposed_letters_are_counted() -> None:
    assert broken_share("a cafÃ© at night") == pytest.approx(2 / 16)
    assert broken_share("a cafe\u0301 at night") == pytest.approx(2 / 16)  # e and its accent, for one letter
    assert broken_share("a\x00b") == pytest.approx(1 / 3)


def test_what_is_mended_is_whole_and_plain() -> None:
    assert mended("a cafÃ© at night") == "a café at night"
    assert mended("“curly” quotes’ and a ﬁsh") == '"curly" quotes\' and a fish'
    assert mended("a\x00b") == "ab"


@given(st.text(max_size=80))
def test_it_is_a_share(text: str) -> None:
    assert 0 <= broken_share(text) <= 1
