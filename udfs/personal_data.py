"""Personal data in a text: e-mail addresses, telephone numbers, and names of a list that the user gives."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator

from udfs.text_lists import TextList

_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[^\W\d_]{2,}")
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
# Numbers with a country code are found wherever they are from; without one, those of these regions.
_REGIONS = ("US", "GB")
# Letters that Unicode does not take apart, and the apostrophe of a keyboard.
_PLAIN = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ð": "d", "ħ": "h", "ŧ": "t", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th", "’": "'"}
)
_INITIALS = 4  # of one name, at most
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
            parts = _joined(_plain_words(name))
            if parts:
                self._by_first[parts[0]].add(parts)

    def held(self, text: str) -> float:
        """How many different names of the list stand in the text, word for word; case and accents do not count, nor
        whether initials stand apart: J. K., J.K. and JK are one.
        """
        tokens = _plain_words(text)
        found = {
            name
            for at in range(len(tokens))
            for first in _firsts(tokens, at)
            for name in self._by_first.get(first, ())
            if _stands(name, tokens, at)
        }
        return float(len(found))


def _plain_words(text: str) -> list[str]:
    """Words in lower case without accents and without a possessive 's."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(letter for letter in decomposed if not unicodedata.combining(letter)).translate(_PLAIN)
    return [re.sub(r"'s$", "", word) for word in _WORD.findall(plain)]


def _joined(words: list[str]) -> tuple[str, ...]:
    """A name's words, its initials as one. Only a list's: in a text an article may stand before them."""
    found: list[str] = []
    for at, word in enumerate(words):
        if at and len(word) == len(words[at - 1]) == 1:
            found[-1] += word
        else:
            found.append(word)
    return tuple(found)


def _firsts(tokens: list[str], at: int) -> Iterator[str]:
    """What may be the first word of a name there: the token, and initials that stand apart, as one word."""
    yield tokens[at]
    for end in range(at + 2, min(at + _INITIALS, len(tokens)) + 1):
        if any(len(token) > 1 for token in tokens[at:end]):
            return
        yield "".join(tokens[at:end])


def _stands(name: tuple[str, ...], tokens: list[str], at: int) -> bool:
    for word in name:
        if tokens[at : at + 1] == [word]:
            at += 1
        elif tokens[at : at + len(word)] == [*word]:
            at += len(word)
        else:
            return False
    return True
