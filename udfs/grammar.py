"""What a prompt of the offline grammar shows, as atoms, and the atoms as what it shows.

Used by the writer and the enhancer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from udfs.atoms import Atom, atom

if TYPE_CHECKING:
    from conf.taxonomy import Medium, Place

DRESSED = "dressed in "


@dataclass(frozen=True)
class Thing:
    """One kind of object in a prompt: `count` of them, all of one color and look, all doing the same.

    None: the prompt does not say.
    """

    object: str
    count: int = 1
    color: str | None = None
    look: str | None = None
    action: str | None = None


@dataclass(frozen=True)
class Subject:
    """What a prompt shows: a thing, perhaps a second one, an absent object, a quoted text.

    relation: where the first is, seen from the second; None: the second is just there too.
    """

    first: Thing
    relation: str | None = None
    second: Thing | None = None
    absent: str | None = None
    text: str | None = None

    @property
    def things(self) -> list[Thing]:
        return [self.first] if self.second is None else [self.first, self.second]


@dataclass(frozen=True)
class Picture:
    """All that a prompt states. features: facet (light, view, finish, manner) -> words, in the order of the text."""

    subject: Subject
    place: Place
    medium: Medium
    features: dict[str, str]


def atoms_of(picture: Picture) -> list[Atom]:
    """Every fact that the text states; a thing of count 1 states exactly one."""
    subject, facts = picture.subject, []
    for thing in subject.things:
        facts += [atom("object", thing.object, thing.object), atom("count", thing.object, str(thing.count))]
        for kind, value in (("color", thing.color), ("attribute", thing.look), ("action", thing.action)):
            if value is not None:
                facts.append(atom(kind, thing.object, value))
    if subject.second is not None and subject.relation is not None:
        facts.append(atom("relation", subject.first.object, subject.relation, subject.second.object))
    if subject.absent is not None:
        facts.append(atom("absence", subject.absent, "absent"))
    if subject.text is not None:
        facts.append(atom("text", subject.first.object, subject.text))
    return [
        *facts,
        atom("place", "picture", picture.place.keyword),
        atom("style", "picture", picture.medium.fact),
        *(atom("feature", "picture", words) for words in picture.features.values()),
    ]


def subject_of(atoms: list[Atom]) -> Subject:
    """The subject that `atoms_of` was given: the inverse, for whoever continues a grammar prompt.

    ValueError without an object atom.
    """
    things: dict[str, Thing] = {}
    relation = absent = text = None
    for fact in atoms:
        name, value = str(fact["subject"]), str(fact["value"])
        match fact["kind"]:
            case "object":
                things[name] = Thing(name)
            case "count":
                things[name] = replace(things[name], count=int(value))
            case "color":
                things[name] = replace(things[name], color=value)
            case "attribute":
                things[name] = replace(things[name], look=value)
            case "action":
                things[name] = replace(things[name], action=value)
            case "relation":
                relation = value
            case "absence":
                absent = name
            case "text":
                text = value
    if not things:
        raise ValueError("these atoms hold no object; only a prompt of the grammar writer can be taken apart")
    first, second = [*things.values(), None][:2]
    assert first is not None
    return Subject(first, relation, second, absent, text)


def values_of(atoms: list[Atom], kind: str) -> list[str]:
    """The values of the atoms of one kind, in order."""
    return [str(fact["value"]) for fact in atoms if fact["kind"] == kind]


def color_words(color: str, dressed: bool) -> str:
    """The color as the text and its atom say it: of people it is that of their clothes."""
    return f"{DRESSED}{color}" if dressed else color
