"""Personal data: what is found in a text, and what only looks like it."""

from __future__ import annotations

import pytest

from udfs.personal_data import Names, contacts

FOUND = [
    ("write to ann.lee+art@mail.example.org", 1),
    ("call +1 415 555 2671 now", 1),
    ("a banner with 1-800-356-9377 on it", 1),
    ("tel. (415) 555-2671 or a.b@c.de", 2),
    ("+49 30 901820 and +49 30 901820", 2),
]
NOT_FOUND = [
    'a sign that says "CALL 555-0123"',
    "resolution 1920x1080, 35mm, f/1.8, 8k, 2024-10-12 12:30",
    "a jersey with the number 23, iso 100 200 400 800",
    "an @ sign and a.b.c",
    "",
]


@pytest.mark.parametrize(("text", "count"), FOUND)
def test_addresses_and_numbers_are_counted(text: str, count: int) -> None:
    assert contacts(text) == count


@pytest.mark.parametrize("text", NOT_FOUND)
def test_sizes_years_and_numbers_of_films_are_none(text: str) -> None:
    assert contacts(text) == 0


def test_names_of_the_list_are_found_as_words() -> None:
    index = Names(("Ann Lee", "Beyoncé", "Jean-Luc Picard", "Lee")).index()
    assert index.held("a portrait of ANN LEE's cat") == 2  # Ann Lee, Lee
    assert index.held("beyonce on a stage") == 1
    assert index.held("jean luc picard, and Jean-Luc Picard again") == 1
    assert index.held("Anna Leed in a lee-side harbor without Ann") == 1  # lee
    assert index.held("a cat") == 0
    assert Names().index().held("Ann Lee") == 0


@pytest.mark.parametrize(
    ("listed", "texts"),
    [
        (
            "J.K. Rowling",
            ["a JK Rowling book", "J. K. Rowling", "a J.K. Rowling's desk", "j k rowling, as A J.K. Rowling"],
        ),
        ("JK Rowling", ["J.K. Rowling in a cafe", "a J. K. Rowling portrait", "I saw J K Rowling"]),
        ("J. R. R. Tolkien", ["JRR Tolkien", "a J.R.R. Tolkien map"]),
        ("George R.R. Martin", ["George R. R. Martin", "george rr martin"]),
        ("Lech Wałęsa", ["Lech Walesa on a stamp", "LECH WAŁĘSA"]),
        ("Søren Kierkegaard", ["Soren Kierkegaard"]),
        ("Novak Đoković", ["novak dokovic"]),
        ("Işıl Yılmaz", ["Isil Yilmaz"]),
        ("Malcolm X", ["a portrait of Malcolm X. A crowd behind him", "Malcolm X, I think"]),
        ("Conan O’Brien", ["Conan O'Brien’s desk"]),
    ],
)
def test_a_name_is_found_in_its_other_spellings(listed: str, texts: list[str]) -> None:
    index = Names((listed,)).index()
    assert [text for text in texts if index.held(text) != 1] == []


def test_letters_that_stand_apart_are_no_name_for_themselves() -> None:
    index = Names(("J.K. Rowling", "Al Gore", "Ann Lee", "Bo")).index()
    texts = ["plan B, a J cup, K2", "a l-shaped gore", "Rowling", "J. Rowling", "a k rowling boat", "b and o", "A. Lee"]
    assert [text for text in texts if index.held(text)] == []


def test_another_list_is_another_spec() -> None:
    assert Names(("a",)).digest != Names(("b",)).digest
    assert repr(Names(("a",))) != repr(Names(("b",)))
