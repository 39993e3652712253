"""Which facts of a prompt a text's words still state: for a prompt as it was written, and for what an enhancer made of it.

Forgiven is what an enhancer may do: 2 for two, gray for grey, plurals, adjectives in between, a relation told from its
other end. Noticed is what it may not: a fact left out, another number, a color that moved to another thing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from udfs.atoms import Atom, atom
from udfs.attributes import attributes, quoted_texts, relation_name, unquoted
from udfs.fact_words import RELATIONS, tokens
from udfs.read_words import STOPS, ReadWords

KINDS = ("object", "count", "color", "relation", "absence", "text")  # those that words can be read for
_DRESSED = "dressed in "
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
    """The facts of a prompt: its atoms and what it quotes besides, or what its words say where nobody recorded atoms.

    Of its words only those that can be read back from them: a fact that was misread is not asked of another text.
    """
    if atoms:
        return [*atoms, *(atom("text", "picture", quoted) for quoted in _other_quotes(text, atoms))]
    facts = []
    for found in sorted(attributes(text)):
        match found:
            case ("count" | "color" as kind, value, noun) if _means(noun):
                facts.append(atom(kind, noun, value))
            case ("relation", value, first, second) if _means(first) and _means(second):
                facts.append(atom("relation", first, value, second))
            case ("absence", noun) if _means(noun):
                facts.append(atom("absence", noun, "absent"))
            case ("text", quoted):
                facts.append(atom("text", "picture", quoted))
    misread = set(lost(facts, text))
    return [fact for fact in facts if in_words(fact) not in misread]


def readable(facts: Sequence[Atom]) -> list[Atom]:
    """Those that words can be read for; of the others only a language model can say whether a text states them."""
    return [fact for fact in facts if fact["kind"] in KINDS]


def lost(facts: Sequence[Atom], text: str) -> list[str]:
    """The facts that the text does not state, each as 'color circle red'."""
    things = {str(fact[end]) for fact in facts for end in ("subject", "other") if fact[end] and fact["kind"] != "text"}
    read = ReadWords(unquoted(text), things)
    return [in_words(fact) for fact in facts if not _holds(fact, facts, read, text)]


def held_share(facts: Sequence[Atom], lost_facts: Sequence[str]) -> float:
    """0-1; 1 where no fact is known."""
    return 1 - len(lost_facts) / len(facts) if facts else 1.0


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
