"""Prompt writers: a spec in, prompts out.

The grammar writer is offline: every factor is drawn from the taxonomy and recorded as atoms.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from udfs.grammar import Subject, Thing, atoms_of, color_words, render
from udfs.ids import prompt_id

if TYPE_CHECKING:
    from conf.taxonomy import Category, Task, Taxonomy


@dataclass(frozen=True)
class GrammarWriter:
    """Writes the prompt of (task, category, style, template, index): the same five always give the same text, anywhere."""

    taxonomy: Taxonomy
    seed: int = 0
    name: str = "grammar"
    revision: str = "1"

    def write(self, task: str, category: str, style: str, template: str, index: int) -> dict[str, Any]:
        """One prompt: prompt_id, text, task, category, style, template (slugs) and atoms.

        KeyError for a slug that the taxonomy lacks.
        """
        draw = random.Random(f"{self.seed}/{task}/{category}/{style}/{template}/{index}")
        tax = self.taxonomy
        chosen_task = {t.slug: t for t in tax.tasks}[task]
        chosen_category = {c.slug: c for c in tax.categories}[category]
        chosen_style = {s.slug: s for s in tax.styles}[style]
        chosen_template = {t.slug: t for t in tax.templates}[template]
        subject = draw_subject(tax, chosen_task, chosen_category, draw)
        if chosen_category.more_places:
            places = [chosen_category.keyword, *(place.keyword for place in chosen_category.more_places)]
            chosen_category = chosen_category.at(draw.choice(places))
        text = render(chosen_template, subject, chosen_category, chosen_style, tax.lexicon)
        return {
            "prompt_id": prompt_id(text, task, category, style),
            "text": text,
            "task": task,
            "category": category,
            "style": style,
            "template": template,
            "atoms": atoms_of(subject, chosen_category, chosen_style),
        }


def draw_subject(taxonomy: Taxonomy, task: Task, category: Category, draw: random.Random) -> Subject:
    """What the prompt shows: what the task asks for, drawn evenly from the category's words, else the lexicon's."""
    lexicon = taxonomy.lexicon
    objects = category.objects or lexicon.objects
    if category.props:
        first, (second, absent) = draw.choice(objects), draw.sample(category.props, 2)
    else:
        first, second, absent = draw.sample(objects, 3)
    counting, coloring, placing = ("count" in task.asks, "color" in task.asks, "relation" in task.asks)

    def thing(name: str, countable: bool, dressed: bool) -> Thing:
        count = draw.choice(list(lexicon.counts.values())) if countable else 1
        return Thing(name, count, color_words(draw.choice(lexicon.colors), dressed) if coloring else None)

    return Subject(
        first=thing(first, counting, category.dressed),
        relation=draw.choice(lexicon.relations) if placing else None,
        second=thing(second, False, False) if placing else None,
        absent=absent if "reasoning" in task.asks else None,
        text=draw.choice(category.texts) if category.texts else None,
    )
