"""Phrases of the offline grammar: how the drawn things (count, color, object) become words and atoms.

Used by the writer and the enhancer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from udfs.atoms import Atom, atom

if TYPE_CHECKING:
    from conf.taxonomy import Category, Lexicon, Style, Template


_DRESSED = "dressed in "


@dataclass(frozen=True)
class Thing:
    """One kind of object in a prompt: `count` of them, all of one color (None: the prompt does not say)."""

    object: str
    count: int = 1
    color: str | None = None


@dataclass(frozen=True)
class Subject:
    """What a prompt shows: a thing, perhaps a second one in `relation` to it, an absent object, a quoted text."""

    first: Thing
    relation: str | None = None
    second: Thing | None = None
    absent: str | None = None
    text: str | None = None

    @property
    def things(self) -> list[Thing]:
        return [self.first] if self.second is None else [self.first, self.second]

    def with_colors(self, first: str | None, second: str | None) -> Subject:
        return replace(
            self,
            first=replace(self.first, color=first),
            second=replace(self.second, color=second) if self.second else None,
        )


def subject_phrase(subject: Subject, lexicon: Lexicon, articles: bool = True) -> str:
    """'a red circle left of a blue square'; without articles, as tags have it, 'red circle left of blue square'."""
    parts = [_thing_phrase(subject.first, lexicon, articles)]
    if subject.text is not None:
        parts.append(f'with the text "{subject.text}"')
    if subject.second is not None:
        parts += [str(subject.relation), _thing_phrase(subject.second, lexicon, articles)]
    if subject.absent is not None:
        parts.append(f"without any {subject.absent}")
    return " ".join(parts)


def render(template: Template, subject: Subject, category: Category, style: Style, lexicon: Lexicon) -> str:
    """The prompt's text: the template's pattern with its phrases filled in."""
    return template.pattern.format(
        subject=subject_phrase(subject, lexicon),
        keywords=subject_phrase(subject, lexicon, articles=False),
        place=category.place,
        keyword=category.keyword,
        style=style.phrase,
    )


def atoms_of(subject: Subject, category: Category, style: Style) -> list[Atom]:
    """Every fact that the text states; a thing of count 1 states exactly one."""
    facts = []
    for thing in subject.things:
        facts += [atom("object", thing.object, thing.object), atom("count", thing.object, str(thing.count))]
        if thing.color is not None:
            facts.append(atom("color", thing.object, thing.color))
    if subject.second is not None:
        facts.append(atom("relation", subject.first.object, str(subject.relation), subject.second.object))
    if subject.absent is not None:
        facts.append(atom("absence", subject.absent, "absent"))
    if subject.text is not None:
        facts.append(atom("text", subject.first.object, subject.text))
    return [
        *facts,
        atom("place", "picture", category.keyword),
        atom("style", "picture", style.phrase.removesuffix(" style")),
    ]


def subject_of(atoms: list[Atom]) -> Subject:
    """The subject that `atoms_of` was given: the inverse, for whoever continues a grammar prompt.

    ValueError without an object atom.
    """
    things: dict[str, Thing] = {}
    relation = second = absent = text = None
    for fact in atoms:
        name, value = str(fact["subject"]), str(fact["value"])
        match fact["kind"]:
            case "object":
                things[name] = Thing(name)
            case "count":
                things[name] = replace(things[name], count=int(value))
            case "color":
                things[name] = replace(things[name], color=value)
            case "relation":
                relation, second = value, str(fact["other"])
            case "absence":
                absent = name
            case "text":
                text = value
    if not things:
        raise ValueError("these atoms hold no object; only a prompt of the grammar writer can be taken apart")
    return Subject(next(iter(things.values())), relation, things[second] if second else None, absent, text)


def color_words(color: str, dressed: bool) -> str:
    """The color as the text and its atom say it: of people it is that of their clothes."""
    return f"{_DRESSED}{color}" if dressed else color


def _thing_phrase(thing: Thing, lexicon: Lexicon, articles: bool) -> str:
    number_words = {number: word for word, number in lexicon.counts.items()}
    noun = thing.object if thing.count == 1 else lexicon.plurals.get(thing.object, f"{thing.object}s")
    color = thing.color or ""
    words = [noun, color] if color.startswith(_DRESSED) else [color, noun]
    words = [word for word in words if word]
    if thing.count > 1:
        words.insert(0, number_words[thing.count])
    elif articles:
        words.insert(0, "an" if words[0][0] in "aeiou" else "a")
    return " ".join(words)
