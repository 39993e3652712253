"""Prompt enhancers: the short prompt in, a longer one that says the same and more.

What it adds is recorded as atoms too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from udfs.atoms import Atom
from udfs.draws import Draw
from udfs.grammar import Picture, Subject, Thing, atoms_of, color_words, subject_of, values_of
from udfs.sentences import Wording, drawn_wording, filled

if TYPE_CHECKING:
    from conf.taxonomy import Category, Taxonomy

_DRAWS = "grammar@2"  # part of every draw's key: while it stays, another revision changes only what it must
_CLOSED = re.compile(r"(?:[!?…]|[.,;:!?…]['\"’”»])\Z")  # ends that no comma may follow
_FEATURES = 3  # a longer text has this many or one more, as far as there are any


@dataclass(frozen=True)
class GrammarEnhancer:
    """Offline: says what a grammar prompt says in another pattern, and gives its things and itself more features."""

    taxonomy: Taxonomy
    name: str = "grammar"
    revision: str = "3"

    @property
    def model(self) -> str:
        return f"{self.name}@{self.revision}"

    def enhance(self, prompt: dict[str, Any]) -> tuple[str, list[Atom]]:
        """(text, atoms) of a grammar prompt: a row with prompt_id, text, category, style, atoms."""
        tax = self.taxonomy
        draw, wording = self._drawn(prompt)
        atoms = prompt["atoms"]
        subject = subject_of(atoms)
        category = next(c for c in tax.categories if c.slug == prompt["category"])
        style = next(s for s in tax.styles if s.slug == prompt["style"])
        place, medium = category.at(*values_of(atoms, "place")), style.of(*values_of(atoms, "style"))
        suitable = tax.features(category, place, medium)
        richer = self._richer(subject, category, draw)
        features = _features(values_of(atoms, "feature"), suitable, draw)
        offered = frozenset([*features, "action"] if richer.first.action else features)
        pattern = draw.choice([p for p in tax.longer if p.fits(offered) and p.says(offered)])
        picture = Picture(richer, place, medium, features)
        return filled(pattern, picture, tax.lexicon, wording), atoms_of(picture)

    def finish(self, prompt: dict[str, Any]) -> tuple[str, list[Atom]]:
        """(text, atoms) of any other prompt: two finishing words more. What is not understood is not rewritten."""
        _, wording = self._drawn(prompt)
        return _with_details(prompt["text"], wording.details), list(prompt["atoms"] or [])

    def wrote(self, prompt: dict[str, Any]) -> bool:
        """Whether a row with writer is a prompt of the grammar; a language model's has template and atoms too."""
        return str(prompt["writer"]).startswith(f"{self.name}@")

    def _drawn(self, prompt: dict[str, Any]) -> tuple[Draw, Wording]:
        draw = Draw(f"{prompt['prompt_id']}/{_DRAWS}")
        return draw, drawn_wording(self.taxonomy.lexicon, draw, details=True)

    def _richer(self, subject: Subject, category: Category, draw: Draw) -> Subject:
        """Things without a color get one, but for a thing that has looks: that one gets a look."""
        first, second = subject.first, subject.second
        if category.looks and not first.look:
            first = replace(first, look=draw.choice(category.looks))
        if category.actions and not first.action:
            first = replace(first, action=draw.choice(category.actions))
        if category.dressed or not category.looks:
            first = self._colored(first, category.dressed, draw)
        return replace(subject, first=first, second=second and self._colored(second, False, draw))

    def _colored(self, thing: Thing, dressed: bool, draw: Draw) -> Thing:
        return replace(thing, color=thing.color or color_words(draw.choice(self.taxonomy.lexicon.colors), dressed))


def _with_details(text: str, details: str) -> str:
    """After a comma instead of a full stop; after a question, an exclamation or what is quoted with its full stop, as
    a sentence of their own.
    """
    told = text.rstrip().rstrip(" .,;:")
    if not told or _CLOSED.search(told):
        return f"{text.rstrip()} {details[:1].upper()}{details[1:]}"
    return f"{told}, {details}"


def _features(stated: list[str], suitable: dict[str, tuple[str, ...]], draw: Draw) -> dict[str, str]:
    """Facet -> words: those that the prompt states, and more, in an order drawn anew."""
    features = {next((f for f, some in suitable.items() if words in some), words): words for words in stated}
    others = [facet for facet, some in suitable.items() if some and facet not in features]
    more = min(len(others), max(0, _FEATURES + draw.below(2) - len(features)))
    features |= {facet: draw.choice(suitable[facet]) for facet in draw.sample(others, more)}
    return {facet: features[facet] for facet in draw.sample(list(features), len(features))}
