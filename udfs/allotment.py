"""How many prompts each cell of the plan gets: whole numbers that follow the weights and add up exactly."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, TypeVar

from udfs.ids import content_id

if TYPE_CHECKING:
    from conf.taxonomy import Taxonomy

Cell = tuple[str, str, str, str, str]  # writer, task, category, style, template
Key = TypeVar("Key", bound=Hashable)


def allotted(taxonomy: Taxonomy, writers: Mapping[str, float], total: int) -> dict[Cell, int]:
    """Cell -> prompts, `total` in all; cells that get none are left out. writers: their names and weights.

    The total is divided among the writers, each writer's share among the tasks, and so on down to the templates.
    """
    labels = (taxonomy.tasks, taxonomy.categories, taxonomy.styles, taxonomy.templates)
    counts: dict[tuple[str, ...], int] = {(): total}
    for weights in (writers, *({label.slug: label.weight for label in axis} for axis in labels)):
        counts = divided(counts, weights)
    return {(cell[0], cell[1], cell[2], cell[3], cell[4]): count for cell, count in counts.items() if count}


def divided(counts: Mapping[tuple[str, ...], int], weights: Mapping[str, float]) -> dict[tuple[str, ...], int]:
    """Each count divided among the labels, by largest remainder: a label gets its share rounded down or up.

    What rounding took from a label or gave it counts in the next division: so a label of small weight, which no
    single cell would give one prompt, still gets its share of all of them.
    """
    whole = math.fsum(weights.values())
    owed = dict.fromkeys(weights, 0.0)
    found: dict[tuple[str, ...], int] = {}
    for parent in sorted(counts, key=content_id):  # by content id: the order of the labels would favor the first
        # rounded: equal shares must have equal remainders, whatever the last bit of their products says
        shares = {label: round(counts[parent] * weight / whole, 9) for label, weight in weights.items()}
        given = {label: math.floor(share) for label, share in shares.items()}
        due = {label: round(shares[label] - given[label] + owed[label], 9) for label in weights}
        # a whole share is not rounded, however much its label is owed
        rounded = [label for label in weights if shares[label] > given[label]]
        by_due = sorted(rounded, key=lambda label: (-due[label], content_id([*parent, label])))
        for label in by_due[: counts[parent] - sum(given.values())]:
            given[label] += 1
        for label in weights:
            owed[label] += shares[label] - given[label]
            found[(*parent, label)] = given[label]
    return found


def to_add(targets: Mapping[Key, int], present: Mapping[Key, int], total: int) -> dict[Key, int]:
    """How many to add where, so that there are `total` in all at most; cells that need none are left out.

    A larger total can give one cell a smaller share than before (largest remainder is not monotone). What it has stays,
    and the cells with the smallest gaps wait.
    """
    gaps = {key: target - present.get(key, 0) for key, target in targets.items() if target > present.get(key, 0)}
    left = max(0, total - sum(present.values()))
    added = {}
    for key in sorted(gaps, key=lambda key: -gaps[key]):
        added[key] = min(gaps[key], left)
        left -= added[key]
    return {key: count for key, count in added.items() if count}
