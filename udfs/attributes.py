"""What a text says about numbers, colors, relations, absence and quotes: for prompts that came without atoms."""

from __future__ import annotations

import re

from udfs.atoms import Atom
from udfs.nouns import STOPS, ends_phrase, is_modifier, leads_on, noun

# (kind, value, the nouns that it is bound to); kind: count, color, relation, absence, text
Attribute = tuple[str, ...]

_COLOR_WORDS = (
    "red orange yellow green blue purple pink brown black white gray grey golden gold silver violet cyan magenta"
    " turquoise beige crimson scarlet maroon teal navy"
)
_NUMBER_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
    " eighteen nineteen twenty"
)
_COLORS = frozenset(_COLOR_WORDS.split())
_NUMBERS = {word: str(number) for number, word in enumerate(_NUMBER_WORDS.split())}
_NUMBERS |= {"single": "1", "pair": "2", "couple": "2", "trio": "3", "dozen": "12"}
_RELATIONS = {
    "left of": ("to the left side of", "on the left side of", "to the left of", "on the left of", "left of"),
    "right of": ("to the right side of", "on the right side of", "to the right of", "on the right of", "right of"),
    "above": ("on top of", "above", "over", "atop"),
    "below": ("underneath", "beneath", "below", "under"),
    "in front of": ("in front of",),
    "behind": ("behind", "in back of"),
    "next to": ("next to", "beside", "alongside", "adjacent to"),
    "between": ("between", "in between"),
    "inside": ("inside", "inside of"),
}
# first word -> (the phrase's words, its name), the longest first
_PHRASES: dict[str, list[tuple[list[str], str]]] = {}
for _name, _spelled in _RELATIONS.items():
    for _phrase in sorted(_spelled, key=len, reverse=True):
        _PHRASES.setdefault(_phrase.split()[0], []).append((_phrase.split(), _name))
for _found in _PHRASES.values():
    _found.sort(key=lambda item: -len(item[0]))
_ABSENCE = frozenset(["without", "no", "lacking"])
_BEFORE = frozenset(["a", "an", "the", "of", "any", "exactly", "only", "some", "all"])  # what may lead a noun phrase
_NO_NOUNS = STOPS | _BEFORE | _COLORS | _NUMBERS.keys()
_QUOTED = re.compile(r'"([^"]+)"|“([^”]+)”|«([^»]+)»')
_WORD = re.compile(r"\d+(?:\.\d+)?%?|[^\W\d_]+(?:['’-][^\W\d_]+)*|[,.;:!?()]")


def quoted_texts(text: str) -> list[str]:
    """The texts in double quotes, in order, letter for letter."""
    return ["".join(groups) for groups in _QUOTED.findall(text)]


def attributes(text: str) -> frozenset[Attribute]:
    """Every attribute that the words state, each with the noun that it belongs to.

    So 'a red cat left of two dogs' and 'two red cats left of a dog' differ, and 'two happy dogs' and 'two dogs' do not.

    Word lists, not a parser: a paraphrase with a verb that they lack counts as different, so nothing unlike is held to
    be equal.
    """
    words = _WORD.findall(_QUOTED.sub(" , ", text).lower())
    found: set[Attribute] = {("text", quoted) for quoted in quoted_texts(text)}
    at = 0
    while at < len(words):
        word = words[at]
        if phrase := _relation(words, at):
            found.add(("relation", phrase[1], _noun_before(words[:at]), _noun_after(words[at + len(phrase[0]) :])))
            at += len(phrase[0])
            continue
        if word in _COLORS:
            found.add(("color", word.replace("grey", "gray"), _noun_of(words, at)))
        elif _number(word):
            found.add(("count", _NUMBERS.get(word, word), _noun_of(words, at)))
        elif word in _ABSENCE:
            found.add(("absence", _noun_after(words[at + 1 :])))
        at += 1
    return frozenset(found)


def stated(text: str, atoms: list[Atom] | None) -> frozenset[Attribute]:
    """What the guard compares: the attributes that the atoms state, or, without atoms, the words. One of a thing is no
    attribute: 'one fox' is 'a fox'.
    """
    found = {_of_atom(fact) for fact in atoms} - {None} if atoms else attributes(text)
    return frozenset(each for each in found if each is not None and each[:2] != ("count", "1"))


def asks_held(text: str, atoms: list[Atom] | None) -> set[str]:
    """Which of color, count, relation, reasoning a prompt states: by its atoms, or by its words where it has none.

    Every thing of a grammar prompt states a count; only one that is not 1 is something to count.
    """
    if atoms:
        kinds = {str(fact["kind"]) for fact in atoms if fact["kind"] != "count" or fact["value"] != "1"}
    else:
        kinds = {found[0] for found in attributes(text)}
    return {"reasoning" if kind == "absence" else kind for kind in kinds & {"color", "count", "relation", "absence"}}


def _of_atom(fact: Atom) -> Attribute | None:
    """An atom in the form that `attributes` finds in words; None of one that the guard does not ask for."""
    subject, value = _head(str(fact["subject"])), str(fact["value"])
    match fact["kind"]:
        case "count":
            return ("count", value, subject)
        case "color":
            named = next((word for word in value.lower().split()[::-1] if word in _COLORS), value)
            return ("color", named.replace("grey", "gray"), subject)
        case "relation":
            words = value.lower().split()
            phrase = _relation(words, 0)
            name = phrase[1] if phrase and len(phrase[0]) == len(words) else value
            return ("relation", name, subject, _head(str(fact["other"])))
        case "absence":
            return ("absence", subject)
        case "text":
            return ("text", value)
    return None


def _head(phrase: str) -> str:
    return _noun_after(_WORD.findall(phrase.lower()))


def _noun_of(words: list[str], at: int) -> str:
    """The noun that a color or number belongs to: the head of the phrase that it leads, or, where it leads none (as in
    'dressed in red, ...' and 'the door is blue'), the nearest one before.
    """
    return _noun_after(words[at + 1 :]) or _noun_before(words[:at])


def _noun_after(words: list[str]) -> str:
    """The last word of the noun phrase that these words begin with; '' where they begin with none."""
    head = ""
    for at, word in enumerate(words):
        if word in _COLORS or (not head and (word in _BEFORE or _number(word) or _joins_colors(words, at))):
            continue
        if (
            not word[0].isalpha()
            or ends_phrase(word, first=not head or leads_on(head))
            or _number(word)
            or _relation(words, at)
        ):
            break
        head = word
    return noun(head)


def _noun_before(words: list[str]) -> str:
    """The nearest word before that can be a noun; '' where there is none."""
    return next((noun(w) for w in words[::-1] if w[0].isalpha() and w not in _NO_NOUNS and not is_modifier(w)), "")


def _relation(words: list[str], at: int) -> tuple[list[str], str] | None:
    """The relation that is spelled from here on."""
    return next((p for p in _PHRASES.get(words[at], ()) if words[at : at + len(p[0])] == p[0]), None)


def _number(word: str) -> bool:
    return word in _NUMBERS or word[0].isdigit()


def _joins_colors(words: list[str], at: int) -> bool:
    """The 'and' or comma of 'a red and white flag'."""
    return words[at] in ("and", ",") and at + 1 < len(words) and words[at + 1] in _COLORS and at == 0
