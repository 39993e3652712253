"""A text's words read against things that are known to be in it: where they stand, and what is said of which.

Word lists and distances, not a parser. A number or a color belongs to the thing that follows it, with nothing but
adjectives between ("two large red circles"), or, said after it, to the last one before ("a circle painted red").
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from udfs.fact_words import NUMBERS, denies
from udfs.nouns import IRREGULAR

_TOKEN = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*|[.,;:!?]")  # 3D is a word, not a number
_SENTENCE_ENDS = frozenset(".;:!?")
# Before one of these a run of adjectives is over: what follows is another thing.
STOPS = frozenset(
    [
        "a",
        "an",
        "the",
        "its",
        "their",
        "his",
        "her",
        "this",
        "that",
        "these",
        "those",
        "each",
        "every",
        "another",
        "in",
        "on",
        "at",
        "with",
        "without",
        "by",
        "near",
        "beside",
        "next",
        "left",
        "right",
        "above",
        "below",
        "under",
        "over",
        "behind",
        "between",
        "inside",
        "against",
        "across",
        "from",
        "into",
        "onto",
        "to",
        "of",
        "for",
        "while",
        "where",
        "which",
        "who",
        "whose",
        "is",
        "are",
        "was",
        "were",
        "has",
        "have",
        "but",
        "as",
    ]
)
_NUMBERS = NUMBERS | {"lone": 1, "quartet": 4}
# A color word before one of these is still said of the whole thing ("a cat with red fur").
_PARTS = frozenset(
    [
        "fur",
        "coat",
        "hair",
        "feathers",
        "plumage",
        "skin",
        "scales",
        "petals",
        "dress",
        "shirt",
        "sweater",
        "jacket",
        "robe",
        "gown",
        "suit",
        "uniform",
        "outfit",
        "clothes",
        "clothing",
        "attire",
        "paint",
        "body",
        "surface",
        "hue",
        "tone",
        "shade",
        "color",
        "outline",
        "outlines",
        "lines",
        "fill",
        "ink",
        "frame",
        "shell",
        "and",
    ]
)
_SAID_OF = frozenset(
    ["in", "is", "are", "was", "were", "painted", "colored", "dyed", "all"]
)  # before a color that is said of what came before
_NEGATIONS = frozenset(["none", "zero", "free", "devoid", "absent"])  # besides those that fact_words knows
_REACH = 5  # words from a number or color to the thing that follows it
_BACK = 8  # words back from a color to the thing that it is said of
_NEGATED = 4  # words from a negation to the thing that is not there
_GAP = 2  # words between those of one name ("young woman": "a young, smiling woman")
_FAR = 14  # words between the two things of a relation and its phrase


@dataclass(frozen=True)
class Place:
    """thing: the name under which it is known; start, end: its tokens; plain: written as the name is, not in plural."""

    thing: str
    start: int
    end: int
    plain: bool


class ReadWords:
    def __init__(self, text: str, things: Iterable[str]) -> None:
        self.tokens = tokens(text)
        self.places = [place for thing in set(things) for place in self._places(thing)]
        self._starts = {place.start: place for place in sorted(self.places, key=lambda p: p.end)}  # the longest stays

    def of(self, thing: str) -> list[Place]:
        return [place for place in self.places if place.thing == thing]

    def negated(self, place: Place) -> bool:
        """Whether the text says that the thing is not there: 'without any star', 'the star is absent'."""
        before = self._same_sentence(range(place.start - 1, place.start - 1 - _NEGATED, -1))
        after = self._same_sentence(range(place.end, place.end + 3))
        return any(denies(self.tokens[i]) or self.tokens[i] in _NEGATIONS for i in before) or any(
            self.tokens[i] in ("absent", "missing", "nowhere") for i in after
        )

    def numbers_of(self, thing: str) -> set[int]:
        """The numbers that belong to the thing."""
        found = set()
        for at, token in enumerate(self.tokens):
            number = int(token) if token.isdigit() else _NUMBERS.get(token)
            if number is not None and self._thing_after(at) == thing:
                found.add(number)
        return found

    def has_color(self, thing: str, color: str) -> bool:
        words = tokens(color)
        ends = [i + len(words) - 1 for i in self._phrases(words)]
        return any(self._colored(at) == thing for at in ends)

    def related(self, phrases: Iterable[str], first: str, second: str) -> bool:
        """Whether one of the phrases stands between the two things, each being the nearest one on its side."""
        for phrase in phrases:
            words = tokens(phrase)
            for start in self._phrases(words):
                before = self._nearest_before(start, _FAR)
                after = self._nearest_after(start + len(words), _FAR)
                if (before, after) == (first, second):
                    return True
        return False

    def _colored(self, at: int) -> str | None:
        """The thing that a color word at `at` is said of."""
        before, after = ([".", *self.tokens, "."][at + n] for n in (0, 2))
        closed = before in _SAID_OF and after in STOPS | _SENTENCE_ENDS | {","}  # "dressed in red, brown shoes"
        following = None if closed else self._thing_after(at)
        if following is not None:
            return following
        return self._nearest_before(at, _BACK) if self._is_said_of_one_before(at) else None

    def _is_said_of_one_before(self, at: int) -> bool:
        """'dressed in red', 'is red', 'with red fur', 'circle, red, ...'; not 'on a red cushion'."""
        before, after, next_but_one = ([".", *self.tokens, *".."][at + n] for n in (0, 2, 3))
        if before in _SAID_OF or after in STOPS | _SENTENCE_ENDS | _PARTS:
            return True
        return after == "," and (next_but_one in STOPS | _SENTENCE_ENDS or at + 2 in self._starts)

    def _thing_after(self, at: int) -> str | None:
        """The thing that the adjective or number at `at` belongs to."""
        of_a_number = self.tokens[at] in _NUMBERS
        for i in self._same_sentence(range(at + 1, at + 1 + _REACH)):
            token, previous = self.tokens[i], self.tokens[i - 1]
            if i in self._starts:
                return None if previous == "," else self._starts[i].thing
            if token in STOPS and not (token == "of" and of_a_number and i == at + 1):
                return None
        return None

    def _nearest_before(self, at: int, reach: int) -> str | None:
        inside = {*self._same_sentence(range(at - 1, at - 1 - reach, -1))}
        near = [place for place in self.places if place.end - 1 in inside and place.end <= at]
        return max(near, key=lambda place: place.end).thing if near else None

    def _nearest_after(self, at: int, reach: int) -> str | None:
        inside = {*self._same_sentence(range(at, at + reach))}
        near = [place for place in self.places if place.start in inside]
        return min(near, key=lambda place: (place.start, -place.end)).thing if near else None

    def _same_sentence(self, way: range) -> list[int]:
        """The positions of `way` up to the end of the text or of the sentence."""
        found = []
        for i in way:
            if not 0 <= i < len(self.tokens) or self.tokens[i] in _SENTENCE_ENDS:
                break
            found.append(i)
        return found

    def _phrases(self, words: list[str]) -> list[int]:
        size = len(words)
        return [i for i in range(len(self.tokens) - size + 1) if words and self.tokens[i : i + size] == words]

    def _places(self, thing: str) -> list[Place]:
        """Where the thing's name stands, in singular or plural, perhaps with adjectives between its words."""
        words = tokens(thing)
        found = []
        for start in range(len(self.tokens)):
            end = self._name_end(words, start)
            if end is not None:
                found.append(Place(thing, start, end, self.tokens[start:end][-1:] == words[-1:]))
        return found

    def _name_end(self, words: list[str], start: int) -> int | None:
        at = start
        for number, word in enumerate(words):
            window = range(at, min(at + 1 + (_GAP if number else 0), len(self.tokens)))
            match = next((i for i in window if same_noun(self.tokens[i], word)), None)
            if match is None or any(self.tokens[i] in STOPS | _SENTENCE_ENDS for i in range(at, match)):
                return None
            at = match + 1
        return at if words else None


def tokens(text: str) -> list[str]:
    """Words, numbers and punctuation in lower case; gray is gray however it is spelled."""
    words = (word.replace("’", "'").removesuffix("'s") for word in _TOKEN.findall(text.lower()))
    return [word.replace("grey", "gray").replace("colour", "color") for word in words]


def same_noun(one: str, other: str) -> bool:
    """Whether two words are one noun, each in singular or plural."""
    return one == other or not _singulars(one).isdisjoint(_singulars(other))


def _singulars(word: str) -> set[str]:
    """The word and whatever it could be the plural of; what is no word does no harm."""
    found = {word, IRREGULAR.get(word, word)}
    if word.endswith("s") and not word.endswith("ss"):
        found.add(word[:-1])
    for ending, ones in (("es", [""]), ("ies", ["y"]), ("ves", ["f", "fe"]), ("men", ["man"]), ("i", ["us"])):
        if word.endswith(ending) and len(word) > len(ending):
            found |= {word.removesuffix(ending) + one for one in ones}
    return found
