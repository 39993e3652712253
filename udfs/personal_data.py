"""Personal data in a text: e-mail addresses, telephone numbers, and names of a list that the user gives."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable

from udfs.text_lists import TextList

_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[^\W\d_]{2,}")
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
# Numbers with a country code are found wherever they are from; without one, those of these regions.
_REGIONS = ("US", "GB")
_FEWEST_DIGITS = 7  # with fewer no number is looked for


def contacts(text: str) -> float:
    """How many e-mail addresses and telephone numbers the text holds.

    Only numbers that a telephone could ring: a year, a size and a film's 555-0123 are none.
    """
    found = len(_EMAIL.findall(text))
    if sum(letter.isdigit() for letter in text) < _FEWEST_DIGITS:
        return float(found)
    from phonenumbers import PhoneNumberMatcher

    spans = {(number.start, number.end) for region in _REGIONS for number in PhoneNumberMatcher(text, region)}
    return float(found + len(spans))


class Names(TextList):
    """Names that no prompt may hold."""

    def index(self) -> NameIndex:
        return NameIndex(self.texts)


class NameIndex:
    """first word -> names as tuples of words, so that a text meets only those that begin with one of its words."""

    def __init__(self, names: Iterable[str]) -> None:
        self._by_first: dict[str, set[tuple[str, ...]]] = defaultdict(set)
        for name in names:
            parts = tuple(_plain_words(name))
            if parts:
                self._by_first[parts[0]].add(parts)

    def held(self, text: str) -> float:
        """How many different names of the list stand in the text, word for word; case and accents do not count."""
        tokens = _plain_words(text)
        found = {
            name
            for at, token in enumerate(tokens)
            for name in self._by_first.get(token, ())
            if tuple(tokens[at : at + len(name)]) == name
        }
        return float(len(found))


def _plain_words(text: str) -> list[str]:
    """Words in lower case without accents and without a possessive 's."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return [re.sub(r"['’]s$", "", word) for word in _WORD.findall(plain)]
