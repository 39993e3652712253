"""A text's words read against things that are known to be in it: where they stand, and what is said of which.

Word lists and distances, not a parser. A number or a color belongs to the thing that follows it, with nothing but
adjectives between ("two large red circles"), or, said after it, to the last one before ("a circle painted red").
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from udfs.fact_words import (
    COLORS,
    DENIALS_OF_TWO,
    NO_DENIAL,
    NUMBERS,
    THINGS_TOO,
    UNITS,
    denies,
    is_year,
    number_at,
    tokens,
)
from udfs.nouns import IRREGULAR, is_modifier, is_one_of_several_names, is_plural, leads_on, noun
from udfs.nouns import STOPS as PHRASE_ENDS

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
_TWINS = frozenset(["twin", "twins"])
_MORE_NUMBERS = {"lone": 1, "quartet": 4} | dict.fromkeys(_TWINS, 2)
_NUMBER_WORDS = NUMBERS.keys() | _MORE_NUMBERS.keys()
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
# the same, where it cannot be said of what comes after: 'cats turned blue', not 'a cat in white snow'
_PLAINLY_SAID_OF = frozenset(["is", "are", "was", "were", "turned", "painted", "colored", "dyed"])
_DRESSED = frozenset(["dressed", "clad"])  # before 'in'
_NEGATIONS = frozenset(["none", "zero", "absent"])  # besides those that fact_words knows
_ABSENT = frozenset(["absent", "missing", "nowhere"])  # after a thing that is not there
_DENIED_NO_FURTHER = frozenset(["and", "but", "with"])
_LIST_ENDS = frozenset(["or", "nor"])  # what joins the last of several things that one denial denies
_ARTICLES = frozenset(["a", "an", "the"])
_LINKS = STOPS - _ARTICLES - {"of"}
# what may lead a phrase; a second one leads another
_DETERMINERS = _ARTICLES | {"its", "their", "his", "her", "this", "that", "these", "those", "each", "every", "another"}
_JOINS = frozenset([",", "and", "or"])  # adjectives, or two things
_NEW_CLAUSES = frozenset([",", "and", "or", "but", "while", "where", "whereas"])  # before a determiner: another thing
_REACH = 5  # words from a number or color to the thing that follows it
_BACK = 8  # words back from a color to the thing that it is said of
_NEGATED = 4  # words from a negation to the thing that is not there
_GAP = 2  # words between those of one name ("young woman": "a young, smiling woman")
_FAR = 14  # words between the two things of a relation and its phrase
_LISTED = 8  # words from a thing to the 'or' of its list
# what may stand in a clause before the phrase that it opens with: 'to the left of the dog is a cat'
_OPENERS = frozenset(["to", "on", "at", "the", "just", "directly", "right", "high", "far", "and"])
_NO_THINGS = _OPENERS | _DETERMINERS
# what may not stand between the two things of such a clause: a third thing may come with it
_OTHER_THINGS = (
    (STOPS | {"and", "or"}) - _ARTICLES - {"is", "are", "was", "were", "its", "their", "his", "her", "another"}
)


@dataclass(frozen=True)
class Place:
    """thing: the name under which it is known; start, end: its tokens; plain: in singular, as the name is."""

    thing: str
    start: int
    end: int
    plain: bool


class ReadWords:
    def __init__(self, text: str, things: Iterable[str]) -> None:
        self.tokens = _words(text)
        self.places = [place for thing in set(things) for place in self._places(thing)]
        self._starts = {place.start: place for place in sorted(self.places, key=lambda p: p.end)}  # the longest stays
        self._lasts = {place.end - 1 for place in self.places}

    def of(self, thing: str) -> list[Place]:
        return [place for place in self.places if place.thing == thing]

    def negated(self, place: Place) -> bool:
        """Whether the text says that the thing is not there: 'without any star', 'the star is absent'.

        A denial ends where the next thing begins ('no hat and a dog', 'no chairs, a cat'), but reaches all that one 'or'
        joins: 'no cats, dogs or birds'.
        """
        return self._denied(place.start, place.end) or self._absent_after(place)

    def numbers_of(self, thing: str) -> set[int]:
        """The numbers that belong to the thing."""
        found = set()
        for at, end, number in self._numbers():
            place = self._place_after(end - 1)
            if place is None or place.thing != thing or self.negated(place):
                continue
            if self._counts(at, end, place):
                found.add(number)
        return found

    def has_color(self, thing: str, color: str) -> bool:
        words = _words(color)
        ends = [i + len(words) - 1 for i in self._phrases(words)]
        return any(self._colored(at) == thing and not self._denied(at, at + 1) for at in ends)

    def colors_of(self, thing: str) -> set[str]:
        """The colors that stand before the thing or are plainly said of it: 'red cats turned blue'; not 'a cat in white
        snow'.
        """
        colors = [at for at, token in enumerate(self.tokens) if token in COLORS and not self._denied(at, at + 1)]
        return {self.tokens[at] for at in colors if self._colored(at, plainly=True) == thing}

    def related(self, phrases: Iterable[str], first: str, second: str) -> bool:
        """Whether one of the phrases stands between the two things, each being the nearest one on its side, or opens its
        clause, with the second thing and then the first one behind it: 'behind the dog stands a cat'.

        What may be a third thing, or denies the phrase, must not stand between.
        """
        for phrase in phrases:
            words = _words(phrase)
            for start in self._phrases(words):
                end = start + len(words)
                before, after = self._nearest_before(start, _FAR), self._nearest_after(end, _FAR)
                if after is None or after.thing != second or self.negated(after) or not self._leads_to(after, end):
                    continue
                if before and before.thing == first and not self.negated(before) and self._goes_on(before.end, start):
                    return True
                if self._inverted(start, after.end, first):
                    return True
        return False

    def _leads_to(self, place: Place, start: int) -> bool:
        """Whether from `start` to the thing there is nothing but its own article, numbers and adjectives."""
        for i in range(start, place.start):
            token, previous = self.tokens[i], self.tokens[i - 1]
            if token in _JOINS:
                if i == start or not self._is_adjective(i - 1):
                    return False
            elif token == "of":
                if previous not in _NUMBER_WORDS:  # 'a pair of dogs'
                    return False
            elif token in _DETERMINERS:
                if i > start and previous != "of":
                    return False
            elif token in STOPS or token in PHRASE_ENDS:
                return False
        return True

    def _goes_on(self, end: int, start: int) -> bool:
        """Whether what is said from `start` on is said of the thing that ends at `end`: no denial stands between, and no
        third thing begins, as in 'a cat and a sofa left of a dog' and 'cat, sofa left of dog'.
        """
        if any(self._denies(i) and self.tokens[i + 1] not in NO_DENIAL for i in range(end, start)):
            return False
        joins = [i for i in range(end, start) if self.tokens[i] in _NEW_CLAUSES]
        if any(self._leads(i + 1) for i in joins):
            return False
        last = [word for word in self.tokens[joins[-1] + 1 : start] if word not in _NO_THINGS] if joins else []
        return not last or any(_no_noun(word) for word in last)

    def _leads(self, at: int) -> bool:
        """Whether a phrase of its own begins here, of another thing: with an article or a number."""
        token = self.tokens[at]
        return token in _ARTICLES or token == "another" or token in _NUMBER_WORDS or token.isdecimal()

    def _is_adjective(self, at: int) -> bool:
        token = self.tokens[at]
        return leads_on(token) or token in COLORS or token in THINGS_TOO or token in _NUMBER_WORDS

    def _numbers(self) -> Iterator[tuple[int, int, int]]:
        """(start, end, number) of every number, in digits or words."""
        at = 0
        while at < len(self.tokens):
            more = _MORE_NUMBERS.get(self.tokens[at])
            found = number_at(self.tokens, at) or (None if more is None else (more, 1))
            if found:
                yield at, at + found[1], found[0]
            at += found[1] if found else 1

    def _denied(self, start: int, end: int) -> bool:
        """Goes back from `start` to the nearest denial, `_NEGATED` words at most, more between the things of a list."""
        at, last = start - 1, start - _NEGATED
        listed: bool | None = None  # not known yet: rarely asked
        linked = False  # by a preposition: 'no cats on rugs or beds' denies cats alone
        while at >= max(last, 0):
            token = self.tokens[at]
            if self._denies(at):
                return self.tokens[at + 1] not in NO_DENIAL
            if token in _DENIED_NO_FURTHER and at and self._denies(at - 1):  # 'not with a dog'
                return True
            if token in _SENTENCE_ENDS or token in _DENIED_NO_FURTHER:
                return False
            if token in _LIST_ENDS:
                listed, last = True, at - _NEGATED
            elif token == "," or (at in self._lasts and at < start - 1):  # 'dog house' is one name
                listed = self._in_list(end) if listed is None else listed
                if linked or not listed:
                    return False
                last = at - _NEGATED if token == "," else last
            linked = linked or token in _LINKS
            at -= 1
        return False

    def _denies(self, at: int) -> bool:
        token = self.tokens[at]
        return denies(token) or token in _NEGATIONS or tuple(self.tokens[at : at + 2]) in DENIALS_OF_TWO

    def _in_list(self, end: int) -> bool:
        """Whether the things from here on are joined by 'or': 'cats', 'dogs' in 'cats, dogs or birds'."""
        for i in self._same_sentence(range(end, end + _LISTED)):
            token = self.tokens[i]
            if token in _LIST_ENDS:
                return True
            if token not in _ARTICLES and (token in STOPS or token in _DENIED_NO_FURTHER or self._denies(i)):
                return False
        return False

    def _absent_after(self, place: Place) -> bool:
        for i in self._same_sentence(range(place.end, place.end + 3)):
            token = self.tokens[i]
            if token in _ABSENT:
                return True
            if token == "," or token in _DENIED_NO_FURTHER or i in self._starts:
                return False
        return False

    def _counts(self, at: int, end: int, place: Place) -> bool:
        """Whether the number from `at` to `end` counts the thing: no year, no measure, no 'twin bed'."""
        if self.tokens[at] in _TWINS:
            return not place.plain
        if end < place.start and self.tokens[end] in UNITS:
            return False
        if is_year(self.tokens[at]):  # not of '1500 boats'
            return not (place.plain or (at and self.tokens[at - 1] in NUMBERS))
        return True

    def _opens(self, at: int) -> str | None:
        """What stands before the clause that the phrase at `at` opens: '.' or ','; None where it opens none."""
        while at and self.tokens[at - 1] in _OPENERS:
            at -= 1
        before = self.tokens[at - 1] if at else "."
        return "." if before in _SENTENCE_ENDS else before if before == "," else None

    def _inverted(self, start: int, end: int, thing: str) -> bool:
        """Whether the phrase from `start` opens its clause, and the thing is the next one from `end` on, with nothing between
        that could bring another. 'A cat, left of a dog, a box' says nothing of the box.
        """
        opened, place = self._opens(start), self._nearest_after(end, _FAR)
        if opened is None or place is None or place.thing != thing or self.negated(place):
            return False
        between = self.tokens[end : place.start]
        return _OTHER_THINGS.isdisjoint(between) and not (opened == "," and "," in between)

    def _colored(self, at: int, plainly: bool = False) -> str | None:
        """The thing that a color word at `at` is said of; plainly: not by a guess."""
        before, after = ([".", *self.tokens, "."][at + n] for n in (0, 2))
        closed = before in _SAID_OF and after in STOPS | _SENTENCE_ENDS | {","}  # "dressed in red, brown shoes"
        place = None if closed else self._place_after(at)
        if place is None and (self._is_plainly_said(at) if plainly else self._is_said_of_one_before(at)):
            place = self._nearest_before(at, _BACK)
            if place and self._third_between(place.end, at):
                return None
        return place.thing if place else None

    def _third_between(self, start: int, at: int) -> bool:
        """Whether the color at `at` may be said of a thing that stands between: 'a cat near a barn painted red', not 'a
        cat in a bright red coat'.
        """
        leads = [i for i in range(start, at) if self._leads(i)]
        own = self.tokens[leads[-1] + 1 : at] if leads else []
        return len(leads) > 1 or not (STOPS | _SAID_OF).isdisjoint(own)

    def _is_said_of_one_before(self, at: int) -> bool:
        """'dressed in red', 'is red', 'with red fur', 'circle, red, ...'; not 'on a red cushion'."""
        before, after, next_but_one = ([".", *self.tokens, *".."][at + n] for n in (0, 2, 3))
        if before in _SAID_OF or after in STOPS | _SENTENCE_ENDS | _PARTS:
            return True
        return after == "," and (next_but_one in STOPS | _SENTENCE_ENDS or at + 2 in self._starts)

    def _is_plainly_said(self, at: int) -> bool:
        first, before = ([".", ".", *self.tokens][at + n] for n in (0, 1))
        return before in _PLAINLY_SAID_OF or (before == "in" and first in _DRESSED)

    def _place_after(self, at: int) -> Place | None:
        """The thing that the adjective or number at `at` belongs to."""
        of_a_number = self.tokens[at] in _NUMBER_WORDS
        counted = of_a_number or self.tokens[at].isdecimal()
        for i in self._same_sentence(range(at + 1, at + 1 + _REACH)):
            token, previous = self.tokens[i], self.tokens[i - 1]
            if i in self._starts:
                return None if previous == "," else self._starts[i]
            if token in _JOINS and (is_plural(previous) if counted else not self._is_adjective(i - 1)):
                return None  # 'two boats, white cats', 'a red barn and cats'
            if token in STOPS and not (token == "of" and of_a_number and i == at + 1):
                return None
        return None

    def _nearest_before(self, at: int, reach: int) -> Place | None:
        inside = {*self._same_sentence(range(at - 1, at - 1 - reach, -1))}
        near = [place for place in self.places if place.end - 1 in inside and place.end <= at]
        return max(near, key=lambda place: place.end) if near else None

    def _nearest_after(self, at: int, reach: int) -> Place | None:
        inside = {*self._same_sentence(range(at, at + reach))}
        near = [place for place in self.places if place.start in inside]
        return min(near, key=lambda place: (place.start, -place.end)) if near else None

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
        words = _words(thing)
        found = []
        for start in range(len(self.tokens)):
            end = self._name_end(words, start)
            if end is not None:
                last = self.tokens[end - 1]
                found.append(Place(thing, start, end, last == words[-1] or is_one_of_several_names(last)))
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


def _words(text: str) -> list[str]:
    return [token for token in tokens(text) if token not in ("(", ")")]


def _no_noun(word: str) -> bool:
    """An adjective, a participle, a verb, or what may be one by its ending: 'lounges'."""
    return word in COLORS or word in PHRASE_ENDS or is_modifier(word) or leads_on(word) or word.endswith("s")


def same_noun(one: str, other: str) -> bool:
    """Whether two words are one noun, each in singular or plural, or two names of one thing: 'couch' and 'sofas'."""
    return one == other or not _forms(one).isdisjoint(_forms(other))


@lru_cache(maxsize=1 << 16)  # a text is read once for every fact's words
def _forms(word: str) -> frozenset[str]:
    singulars = _singulars(word)
    return frozenset(singulars | {noun(single) for single in singulars})


def _singulars(word: str) -> set[str]:
    """The word and whatever it could be the plural of; what is no word does no harm."""
    found = {word, IRREGULAR.get(word, word)}
    if word.endswith("s") and not word.endswith("ss"):
        found.add(word[:-1])
    for ending, ones in (("es", [""]), ("ies", ["y"]), ("ves", ["f", "fe"]), ("men", ["man"]), ("i", ["us"])):
        if word.endswith(ending) and len(word) > len(ending):
            found |= {word.removesuffix(ending) + one for one in ones}
    return found
