"""The real writer's and enhancer's prompts of the scenes, without end: the texts and atoms of every training."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache

from conf.taxonomy import Taxonomy, load_taxonomy
from udfs.atoms import Atom
from udfs.enhancers import GrammarEnhancer
from udfs.writers import GrammarWriter

HELD_OUT = 9_000_000  # indexes from here on are never drawn for a training


@dataclass(frozen=True)
class Prompt:
    text: str
    atoms: list[Atom]
    variant: str  # original | enhanced


class Prompts:
    """Draws prompts evenly over tasks and by weight over the rest; half of them enhanced."""

    def __init__(self, seed: int, taxonomy: Taxonomy | None = None, first_index: int = 0) -> None:
        self._taxonomy = taxonomy or _scenes()
        self._writer = GrammarWriter(self._taxonomy)
        self._enhancer = GrammarEnhancer(self._taxonomy)
        self._rng = random.Random(f"prompts/{seed}/{first_index}")
        self._first = first_index

    def draw(self, variant: str | None = None, task: str | None = None) -> Prompt:
        rng, tax = self._rng, self._taxonomy
        chosen = task or rng.choice(tax.tasks).slug
        category = rng.choices(tax.categories, [c.weight for c in tax.categories])[0].slug
        style = rng.choices(tax.styles, [s.weight for s in tax.styles])[0].slug
        template = rng.choices(tax.templates, [t.weight for t in tax.templates])[0].slug
        row = self._writer.write(chosen, category, style, template, self._first + rng.randrange(1_000_000))
        kind = variant or rng.choice(("original", "enhanced"))
        if kind == "original":
            return Prompt(row["text"], row["atoms"], kind)
        text, atoms = self._enhancer.enhance(row)
        return Prompt(text, atoms, kind)


@cache  # tests draw from thousands of seeds
def _scenes() -> Taxonomy:
    return load_taxonomy("scenes")
