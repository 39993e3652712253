"""The lexicon: the words that the offline grammar draws from, whatever the category."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from conf.loading import Frozen
from conf.patterns import slots_of


def _phrase(value: str) -> str:
    if value != " ".join(value.split()) or not value or any(mark in value for mark in '{}"'):
        raise ValueError(f"{value!r} is no phrase: single spaces between words, no braces and no double quotes")
    return value


def _one_slot(name: str) -> AfterValidator:
    def checked(value: str) -> str:
        if slots_of(value) != [name]:
            raise ValueError(f"{value!r} must hold {{{name}}}, once, and no other field")
        return value

    return AfterValidator(checked)


def _regular_plural(word: str) -> str:
    if re.search(r"(s|x|z|ch|sh)$", word):
        return f"{word}es"
    return f"{word[:-1]}ies" if re.search(r"[^aeiou]y$", word) else f"{word}s"


Phrase = Annotated[str, AfterValidator(_phrase)]
Phrases = tuple[Phrase, ...]


def part_of(slot: str) -> str:
    """The text_parts that a field of a text draws from: {NAME2} from name."""
    return slot.rstrip("0123456789").lower()


class Lexicon(Frozen):
    """The words that the offline grammar writer and enhancer draw from.

    counts: the word of each number; plurals: those that are not regular. quotes, absences, companions: how a
    quoted text, an absent thing, a second thing without a relation are said. lights: the light and weather that suit a
    setting, by the name of the setting. text_parts: what fills the fields of the categories' texts: {name} with a word
    of text_parts.name, the same one wherever the text has {name}; {name2} with another one of it; {Name} has a
    capital, {NAME} is all capitals; a part may hold fields too. details: finishing words that state nothing to check.
    """

    objects: Phrases = Field(min_length=1)
    plurals: dict[str, Phrase] = Field(default_factory=dict)
    colors: Phrases = Field(min_length=1)
    counts: dict[str, int] = Field(min_length=1)
    relations: Phrases = Field(min_length=1)
    quotes: tuple[Annotated[str, _one_slot("text")], ...] = Field(('with the text "{text}"',), min_length=1)
    absences: tuple[Annotated[str, _one_slot("thing")], ...] = Field(("without any {thing}",), min_length=1)
    companions: tuple[Annotated[str, _one_slot("thing")], ...] = Field(("with {thing} nearby",), min_length=1)
    lights: dict[str, Phrases] = Field(default_factory=dict)
    text_parts: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    details: Phrases = Field(min_length=2)

    @cached_property
    def number_words(self) -> dict[int, str]:
        return {number: word for word, number in self.counts.items()}

    def plural(self, noun: str) -> str:
        """Looked up whole, else by its last word, else by the rules of spelling; of 'bowl of soup' it is 'bowls'."""
        if noun in self.plurals:
            return self.plurals[noun]
        head, of, rest = noun.partition(" of ")
        before, space, last = head.rpartition(" ")
        return before + space + (self.plurals.get(last) or _regular_plural(last)) + of + rest

    @model_validator(mode="after")
    def _parts_end(self) -> Lexicon:
        """Every field of a part is a part, and none leads back to itself."""
        for name, parts in self.text_parts.items():
            for text in parts:
                self.check_text(text, f"lexicon.text_parts.{name}")
        uses = {name: {part_of(s) for text in parts for s in slots_of(text)} for name, parts in self.text_parts.items()}
        settled: set[str] = set()
        while open_parts := uses.keys() - settled:
            ready = {name for name in open_parts if uses[name] <= settled}
            if not ready:
                circle = ", ".join(sorted(open_parts))
                raise ValueError(f"text_parts: {circle} lead back to themselves; take a field out of one of them")
            settled |= ready
        return self

    def check_text(self, text: str, where: str) -> None:
        """ValueError for a text that could not be quoted letter for letter, or whose fields are no text_parts."""
        unknown = sorted({part_of(slot) for slot in slots_of(text)} - self.text_parts.keys())
        if unknown:
            known = ", ".join(sorted(self.text_parts)) or "none"
            raise ValueError(f"{where}: {text!r} uses {unknown}, which lexicon.text_parts lacks; it has: {known}")
        if not text or text != " ".join(text.split()) or '"' in text:
            raise ValueError(f"{where}: {text!r} cannot be quoted: single spaces, no double quotes, not empty")
