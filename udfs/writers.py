"""Prompt writers: a spec in, prompts out.

The grammar writer is offline: every factor is drawn from the taxonomy and recorded as atoms.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from udfs.draws import Draw
from udfs.grammar import Picture, Subject, Thing, atoms_of, color_words
from udfs.ids import prompt_id
from udfs.sentences import drawn_wording, filled

if TYPE_CHECKING:
    from conf.lexicon import Lexicon
    from conf.patterns import Pattern
    from conf.taxonomy import Category, Task, Taxonomy

# Of 100 prompts, those that say a thing's look, what it does where no pattern asks, a second thing that no task asks
# for, and a second feature where the pattern takes several.
_LOOKS, _ACTIONS, _COMPANIONS, _SECOND_FEATURES = 65, 60, 35, 50

_FIELD = re.compile(r"{(\w+)}")


@dataclass(frozen=True)
class GrammarWriter:
    """Writes the prompt of (task, category, style, template, index): the same five give the same text, anywhere."""

    taxonomy: Taxonomy
    seed: int = 0
    name: str = "grammar"
    revision: str = "2"

    def write(self, task: str, category: str, style: str, template: str, index: int) -> dict[str, Any]:
        """One prompt: prompt_id, text, task, category, style, template (slugs) and atoms.

        KeyError for a slug that the taxonomy lacks.
        """
        draw = Draw(f"{self.seed}/{task}/{category}/{style}/{template}/{index}")
        tax, labels = self.taxonomy, self._labels
        chosen: Category = labels["category"][category]
        place, medium = draw.choice(chosen.places), draw.choice(labels["style"][style].media)
        suitable = tax.features(chosen, place, medium)
        pattern = draw.choice(self._fitting(template, chosen.offers(suitable)))
        subject = draw_subject(tax, labels["task"][task], chosen, draw, acting="action" in pattern.fields)
        picture = Picture(subject, place, medium, draw_features(pattern, suitable, draw))
        text = filled(pattern, picture, tax.lexicon, drawn_wording(tax.lexicon, draw, "details" in pattern.fields))
        return {
            "prompt_id": prompt_id(text, task, category, style),
            "text": text,
            "task": task,
            "category": category,
            "style": style,
            "template": template,
            "atoms": atoms_of(picture),
        }

    @cached_property
    def _labels(self) -> dict[str, dict[str, Any]]:
        tax = self.taxonomy
        axes = {"task": tax.tasks, "category": tax.categories, "style": tax.styles, "template": tax.templates}
        return {axis: {label.slug: label for label in labels} for axis, labels in axes.items()}

    @cached_property
    def _fits(self) -> dict[tuple[str, frozenset[str]], list[Pattern]]:
        return {}

    def _fitting(self, template: str, offered: frozenset[str]) -> list[Pattern]:
        key = (template, offered)
        if key not in self._fits:
            self._fits[key] = [p for p in self._labels["template"][template].patterns if p.fits(offered)]
        return self._fits[key]


def draw_subject(taxonomy: Taxonomy, task: Task, category: Category, draw: Draw, acting: bool = False) -> Subject:
    """What the prompt shows: what the task asks for, drawn evenly from the category's words, else the lexicon's.

    acting: the first thing does something, whether or not the dice say so.
    """
    lexicon = taxonomy.lexicon
    objects = category.objects or lexicon.objects
    if category.props:
        first, (second, absent) = draw.choice(objects), draw.sample(category.props, 2)
    else:
        first, second, absent = draw.sample(objects, 3)
    counting, coloring, placing = ("count" in task.asks, "color" in task.asks, "relation" in task.asks)
    with_second = placing or (bool(category.props) and draw.chance(_COMPANIONS))

    def color(dressed: bool) -> str | None:
        return color_words(draw.choice(lexicon.colors), dressed) if coloring else None

    return Subject(
        first=Thing(
            first,
            draw.choice(list(lexicon.counts.values())) if counting else 1,
            color(category.dressed),
            draw.choice(category.looks) if category.looks and draw.chance(_LOOKS) else None,
            draw.choice(category.actions) if acting or (category.actions and draw.chance(_ACTIONS)) else None,
        ),
        relation=draw.choice(lexicon.relations) if placing else None,
        second=Thing(second, 1, color(False)) if with_second else None,
        absent=absent if "reasoning" in task.asks else None,
        text=draw_text(draw.choice(category.texts), lexicon, draw) if category.texts else None,
    )


def draw_features(pattern: Pattern, suitable: dict[str, tuple[str, ...]], draw: Draw) -> dict[str, str]:
    """Facet -> words: those that the pattern names, and one or two more where it takes several."""
    facets = [facet for facet in suitable if facet in pattern.fields]
    if pattern.fields & {"features", "feature_tags"}:
        others = [facet for facet, some in suitable.items() if some and facet not in facets]
        facets += draw.sample(others, min(len(others), 1 + draw.chance(_SECOND_FEATURES)))
    return {facet: draw.choice(suitable[facet]) for facet in facets}


def draw_text(text: str, lexicon: Lexicon, draw: Draw) -> str:
    """The text with its fields filled from the lexicon's text_parts.

    {name} is the same word wherever it stands, {name2} another one; {Name} has a capital, {NAME} is all capitals.
    """
    found: dict[str, str] = {}
    left: dict[str, list[str]] = {}

    def word(field: re.Match[str]) -> str:
        slot = field[1].lower()
        if slot not in found:
            part = slot.rstrip("0123456789")
            words = left.setdefault(part, list(lexicon.text_parts[part]))
            drawn = words.pop(draw.below(len(words)))
            found[slot] = _FIELD.sub(word, drawn) if "{" in drawn else drawn
        return cased(found[slot], field[1])

    return _FIELD.sub(word, text)


def cased(word: str, like: str) -> str:
    """The word in capitals, or with one, as `like` is."""
    if like.isupper():
        return word.upper()
    return word[0].upper() + word[1:] if like[0].isupper() else word
