"""Which facts of a prompt a text's words still state: for a prompt as it was written, and for what an enhancer made of it.

Forgiven is what an enhancer may do: 2 for two, gray for grey, plurals, adjectives in between, a relation told from its
other end. Noticed is what it may not: a fact left out, another number, a color that moved to another thing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from udfs.atoms import Atom, atom
from udfs.attributes import head, quoted_texts, relation_name, unquoted, untold
from udfs.fact_words import RELATIONS, tokens
from udfs.nouns import is_modifier
from udfs.read_words import STOPS, ReadWords

KINDS = ("object", "count", "color", "relation", "absence", "text")  # those that words can be read for
_DRESSED = "dressed in "
# `attributes` takes them for nouns: 'a red tree nearby'; a text is where the thing is that bears it
_NO_THINGS = frozenset(["nearby", "close", "side", "sideway", "background", "foreground"])
_LETTERS = frozenset(["text", "inscription", "word", "lettering"])
_WORD = re.compile(r"\w\w")  # two characters of a word
# what a reworded text may say as well; too loose to read a relation from
_AS_WELL = {
    "in front of": ("before",),
    "next to": ("near",),
    "inside": ("within", "in"),
    "on": ("on", "on top of", "atop"),
}
_OTHER_END = {
    "left of": "right of", "right of": "left of", "above": "below", "below": "above", "in front of": "behind",
    "behind": "in front of", "next to": "next to",
}  # fmt: skip


def stated(text: str, atoms: Sequence[Atom] | None) -> list[Atom]:
    """The facts of a prompt: its atoms, what it quotes besides, and, of the kinds that the atoms lack, what its words say.

    Of its words only those that can be read back from them: a fact that was misread is not asked of another text, nor are
    those beside which an atom is misread.
    """
    known = [*(atoms or ()), *(atom("text", "picture", quoted) for quoted in _other_quotes(text, atoms or ()))]
    asked = readable(known)
    words = _of_words(text, atoms or ())
    while words:
        unread = lost([*asked, *words], text)
        misread = [fact for fact in words if in_words(fact) in unread]
        if not misread:
            return [*known, *(words if {*unread} <= {*lost(asked, text)} else ())]
        words = [fact for fact in words if fact not in misread]
    return known


def _of_words(text: str, atoms: Sequence[Atom]) -> list[Atom]:
    """What the words say of the kinds that the atoms lack, of the things by the names that the atoms have for them."""
    things = sorted(_things(readable(atoms)))
    styled = any(fact["kind"] == "style" for fact in atoms)  # it tells 'a black and white photo'

    def names(noun: str) -> list[str]:
        if not _means(noun) or (styled and noun == "picture"):
            return []
        own = [thing for thing in things if head(thing) == noun]
        # of 'a man dressed in red leaping' each thing is tried: what is not said of it is not read back
        return own or (things if noun in _NO_THINGS or is_modifier(noun) else []) or [noun]

    facts = []
    for found in sorted(untold(text, atoms)):
        match found:
            case ("count" | "color" as kind, value, noun):
                facts += [atom(kind, name, value) for name in names(noun)]
            case ("relation", value, first, second):
                firsts = (things if first in _LETTERS else []) or names(first)
                facts += [atom("relation", one, value, other) for one in firsts for other in names(second)]
            case ("absence", noun):
                facts += [atom("absence", name, "absent") for name in names(noun)]
    return facts


def readable(facts: Sequence[Atom]) -> list[Atom]:
    """Those that words can be read for; of the others only a language model can say whether a text states them."""
    return [fact for fact in facts if fact["kind"] in KINDS]


def lost(facts: Sequence[Atom], text: str) -> list[str]:
    """The facts that the text does not state, each as 'color circle red'."""
    words, things = unquoted(text), _things(facts)
    # what is known by its color or number alone parts no two objects: 'a knight in a red cape left of a dragon'
    objects = [fact for fact in facts if fact["kind"] in ("object", "relation")]
    parting = _things(objects) if any(fact["kind"] == "object" for fact in objects) else things
    read = ReadWords(words, things)
    related = read if parting == things else ReadWords(words, parting)
    return [
        in_words(fact)
        for fact in facts
        if not _holds(fact, facts, related if fact["kind"] == "relation" else read, text)
    ]


def held_share(facts: Sequence[Atom], lost_facts: Sequence[str]) -> float:
    """0-1; 1 where no fact is known."""
    return 1 - len(lost_facts) / len(facts) if facts else 1.0


def _things(facts: Sequence[Atom]) -> set[str]:
    return {str(fact[end]) for fact in facts for end in ("subject", "other") if fact[end] and fact["kind"] != "text"}


def _holds(fact: Atom, facts: Sequence[Atom], read: ReadWords, text: str) -> bool:
    """Whether the text states the fact, and nothing against it that is none of the facts."""
    subject, value, other = str(fact["subject"]), str(fact["value"]), str(fact["other"])
    match fact["kind"]:
        case "object":
            return any(not read.negated(place) for place in read.of(subject))
        case "count":
            return _counted(read, subject, value)
        case "color":
            known = {word for each in facts if _of(each, "color", subject) for word in tokens(str(each["value"]))}
            return read.has_color(subject, value.removeprefix(_DRESSED)) and read.colors_of(subject) <= known
        case "relation":
            name = relation_name(value)
            back = _OTHER_END.get(name)
            return _related(read, name, back, subject, other) and (
                back in (None, name) or not _related(read, back, name, subject, other)
            )
        case "absence":
            places = read.of(subject)
            return bool(places) and all(read.negated(place) for place in places)
        case "text":
            return _quoted(value, text) and not _other_quotes(text, facts)
    return True  # place, style, prompt: no list of words says them


def _of(fact: Atom, kind: str, subject: str) -> bool:
    return fact["kind"] == kind and fact["subject"] == subject


def _related(read: ReadWords, name: str, back: str | None, first: str, second: str) -> bool:
    """Whether the first thing is in the relation to the second one, or the second one in that which says the same."""
    return read.related(_phrases(name), first, second) or (
        back is not None and read.related(_phrases(back), second, first)
    )


def _quoted(value: str, text: str) -> bool:
    """Whether the text holds the value letter for letter, and not as a part of longer words: 'SALE 5' of 'SALE 50'."""
    at = text.find(value)
    while at >= 0:
        end = at + len(value)
        if not (_joined(text[at - 1 : at], value[:1]) or _joined(value[-1:], text[end : end + 1])):
            return True
        at = text.find(value, at + 1)
    return False


def _other_quotes(text: str, facts: Sequence[Atom]) -> list[str]:
    """What the text quotes that holds none of the quoted texts among the facts."""
    known = [str(fact["value"]) for fact in facts if fact["kind"] == "text"]
    return [each for each in dict.fromkeys(quoted_texts(text)) if not any(_quoted(value, each) for value in known)]


def _joined(one: str, other: str) -> bool:
    """Whether two neighbors are letters, digits or marks of one word."""
    return _WORD.fullmatch(one + other) is not None


def _phrases(relation: str) -> tuple[str, ...]:
    return RELATIONS.get(relation, ()) + _AS_WELL.get(relation, ()) or (relation,)


def _means(noun: str) -> bool:
    return noun != "" and noun not in STOPS


def _counted(read: ReadWords, subject: str, value: str) -> bool:
    """'two cats, one of them black' still are two; 'a cat' is one, and cats are not."""
    numbers = read.numbers_of(subject)
    if not value.isdecimal():
        return value.lower() in read.tokens
    if value == "1":
        return numbers <= {1} and any(place.plain and not read.negated(place) for place in read.of(subject))
    return int(value) in numbers and numbers <= {1, int(value)}


def in_words(fact: Atom) -> str:
    """'count circle 2', 'relation circle left of square', 'absence star', 'text "OPEN"', 'place snow'."""
    match fact["kind"]:
        case "absence" | "object" as kind:
            return f"{kind} {fact['subject']}"
        case "text":
            return f'text "{fact["value"]}"'
        case "place" | "style" | "feature" | "prompt" as kind:  # of the whole picture: its subject says nothing
            return f"{kind} {fact['value']}"
    return " ".join(str(part) for part in (fact["kind"], fact["subject"], fact["value"], fact["other"]) if part)
