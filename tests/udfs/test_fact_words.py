"""What is a word of a text, and which words spell a number."""

from __future__ import annotations

import pytest

from udfs.fact_words import number_at, tokens


def test_what_begins_with_a_digit_is_one_word() -> None:
    text = "3D, 4K, 35mm at f/1.8 in 16:9: a 1980s 5-year-old, -5 to 10-15°, 1,500 of 50%, covid-19."
    assert [word for word in tokens(text) if word not in ",:."] == [
        *("3d", "4k", "35mm", "at", "f/1.8", "in", "16:9", "a", "1980s", "5-year-old", "-5", "to", "10-15", "°"),
        *("1500", "of", "50%", "covid-19"),
    ]


def test_one_spelling_of_a_word() -> None:
    assert tokens("The dog’s GREY colour (isn’t) dogs'") == ["the", "dog", "gray", "color", "(", "isn't", ")", "dogs"]


@pytest.mark.parametrize(
    ("text", "number", "words"),
    [
        ("two boats", 2, 1), ("80 years", 80, 1), ("twenty five boats", 25, 2), ("twenty-five boats", 25, 1),
        ("two hundred boats", 200, 2), ("hundred boats", 100, 1), ("two hundred and five boats", 205, 4),
        ("two thousand one hundred twenty one", 2121, 6), ("three dozen eggs", 36, 2), ("2 hundred boats", 200, 2),
        ("two 80 year old women", 2, 1), ("two three", 2, 1), ("hundred and a dog", 100, 1), ("pair of cats", 2, 1),
    ],
)  # fmt: skip
def test_a_number_is_all_of_its_words(text: str, number: int, words: int) -> None:
    assert number_at(text.split(), 0) == (number, words)


@pytest.mark.parametrize("word", ["3d", "1.8", "-5", "1980s", "boat", "²", "9" * 5000])
def test_what_is_no_number(word: str) -> None:
    assert number_at([word], 0) is None
