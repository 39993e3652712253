"""Prompt enhancers: the short prompt in, a longer one that says the same and more.

What it adds is recorded as atoms too.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from udfs.atoms import Atom
from udfs.grammar import atoms_of, color_words, subject_of, subject_phrase

if TYPE_CHECKING:
    from conf.taxonomy import Taxonomy


@dataclass(frozen=True)
class GrammarEnhancer:
    """Offline: gives every uncolored thing of a grammar prompt a color and adds two details.

    To any other text it adds the details only: what it does not understand it does not rewrite.
    """

    taxonomy: Taxonomy
    name: str = "grammar"
    revision: str = "1"

    @property
    def model(self) -> str:
        return f"{self.name}@{self.revision}"

    def enhance(self, prompt: dict[str, Any]) -> tuple[str, list[Atom]]:
        """(text, atoms) of a row with prompt_id, text, category, style, atoms, template (null: not written here)."""
        draw = random.Random(f"{prompt['prompt_id']}/{self.model}")
        lexicon = self.taxonomy.lexicon
        details = ", ".join(draw.sample(lexicon.details, 2))
        if prompt["template"] is None:
            return f"{prompt['text']}, {details}", list(prompt["atoms"] or [])
        subject = subject_of(prompt["atoms"])
        place = next(str(fact["value"]) for fact in prompt["atoms"] if fact["kind"] == "place")
        category = {c.slug: c for c in self.taxonomy.categories}[prompt["category"]].at(place)
        style = {s.slug: s for s in self.taxonomy.styles}[prompt["style"]]
        colors = [
            thing.color or color_words(draw.choice(lexicon.colors), category.dressed and thing is subject.first)
            for thing in subject.things
        ]
        colored = subject.with_colors(colors[0], colors[-1])
        text = f"{subject_phrase(colored, lexicon)} {category.place}, {style.phrase}, {details}"
        return text, atoms_of(colored, category, style)
