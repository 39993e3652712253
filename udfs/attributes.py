"""What a text says about numbers, colors, relations, absence and quotes: for prompts that came without atoms."""

from __future__ import annotations

import re

from udfs.atoms import Atom

# (kind, value, the words that it is bound to); kind: count, color, relation, absence, text
Attribute = tuple[str, ...]

_COLOR_WORDS = (
    "red orange yellow green blue purple pink brown black white gray grey golden gold silver violet cyan magenta"
    " turquoise beige crimson scarlet maroon teal navy"
)
_NUMBER_WORDS = "zero one two three four five six seven eight nine ten eleven twelve"
_COLORS = frozenset(_COLOR_WORDS.split())
_NUMBERS = {word: str(number) for number, word in enumerate(_NUMBER_WORDS.split())}
_NUMBERS |= {"single": "1", "pair": "2", "dozen": "12"}
_RELATIONS = {
    "left of": ("to the left of", "on the left of", "left of"),
    "right of": ("to the right of", "on the right of", "right of"),
    "above": ("on top of", "above", "over"),
    "below": ("underneath", "beneath", "below", "under"),
    "in front of": ("in front of",),
    "behind": ("behind",),
    "next to": ("next to", "beside"),
    "between": ("between",),
    "inside": ("inside",),
}
_PHRASES = sorted(
    ((tuple(p.split()), name) for name, phrases in _RELATIONS.items() for p in phrases), key=lambda item: -len(item[0])
)
_ABSENCE = frozenset(["without", "no"])
_EMPTY = frozenset(
    ["a", "an", "the", "of", "any", "and", "with", "is", "are", "that", "which", "exactly", "only", "some"]
)
_QUOTED = re.compile(r'"([^"]+)"|“([^”]+)”|«([^»]+)»')
_WORD = re.compile(r"\d+(?:\.\d+)?%?|[^\W\d_]+(?:['’-][^\W\d_]+)*")


def quoted_texts(text: str) -> list[str]:
    """The texts in double quotes, in order, letter for letter."""
    return ["".join(groups) for groups in _QUOTED.findall(text)]


def attributes(text: str) -> frozenset[Attribute]:
    """Every attribute that the words state, each with the word that it belongs to.

    So 'a red cat left of two dogs' and 'two red cats left of a dog' differ.

    Word lists, not a parser: a paraphrase that moves a color behind its noun counts as different, so nothing unlike is
    held to be equal.
    """
    words = _WORD.findall(_QUOTED.sub(" ", text).lower())
    found: set[Attribute] = {("text", quoted) for quoted in quoted_texts(text)}
    at = 0
    while at < len(words):
        word = words[at]
        phrase = next((p for p in _PHRASES if tuple(words[at : at + len(p[0])]) == p[0]), None)
        if phrase:
            found.add(("relation", phrase[1], _bound(words[:at][::-1]), _bound(words[at + len(phrase[0]) :])))
            at += len(phrase[0])
            continue
        if word in _COLORS:
            found.add(("color", word.replace("grey", "gray"), _bound(words[at + 1 :])))
        elif word in _NUMBERS or word[0].isdigit():
            found.add(("count", _NUMBERS.get(word, word), _bound(words[at + 1 :])))
        elif word in _ABSENCE:
            found.add(("absence", _bound(words[at + 1 :])))
        at += 1
    return frozenset(found)


def asks_held(text: str, atoms: list[Atom] | None) -> set[str]:
    """Which of color, count, relation, reasoning a prompt states: by its atoms, or by its words where it has none.

    Every thing of a grammar prompt states a count; only one that is not 1 is something to count.
    """
    if atoms:
        kinds = {str(fact["kind"]) for fact in atoms if fact["kind"] != "count" or fact["value"] != "1"}
    else:
        kinds = {found[0] for found in attributes(text)}
    return {"reasoning" if kind == "absence" else kind for kind in kinds & {"color", "count", "relation", "absence"}}


def _bound(words: list[str]) -> str:
    """The first word that carries meaning of its own."""
    skipped = _EMPTY | _COLORS | _NUMBERS.keys()
    return next((word for word in words if word not in skipped and not word[0].isdigit()), "")
