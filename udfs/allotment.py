"""How many prompts each stratum gets: whole numbers that follow the weights and add up exactly."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import product
from typing import TYPE_CHECKING

from udfs.ids import content_id

if TYPE_CHECKING:
    from conf.taxonomy import Taxonomy

Stratum = tuple[str, str, str]


def allotted(taxonomy: Taxonomy, total: int) -> dict[Stratum, int]:
    """(task, category, style) -> prompts, `total` in all: largest remainder of the product of the weights.

    Every stratum gets its share rounded down or up.
    """
    axes = (taxonomy.tasks, taxonomy.categories, taxonomy.styles)
    weights = {(t.slug, c.slug, s.slug): t.weight * c.weight * s.weight for t, c, s in product(*axes)}
    return largest_remainder(weights, total)


def largest_remainder(weights: Mapping[Stratum, float], total: int) -> dict[Stratum, int]:
    whole = math.fsum(weights.values())
    # rounded: equal shares must have equal remainders, whatever the last bit of their products says
    shares = {key: round(total * weight / whole, 9) for key, weight in weights.items()}
    counts = {key: math.floor(share) for key, share in shares.items()}
    # ties by content id: the order of the labels would favor the first task in all its strata
    by_remainder = sorted(shares, key=lambda key: (round(counts[key] - shares[key], 9), content_id(key)))
    for key in by_remainder[: total - sum(counts.values())]:
        counts[key] += 1
    return counts


def to_add(targets: Mapping[Stratum, int], present: Mapping[Stratum, int], total: int) -> dict[Stratum, int]:
    """How many to add where, so that there are `total` in all at most; strata that need none are left out.

    A larger total can give one stratum a smaller share than before (largest remainder is not monotone). What it has
    stays, and the strata with the smallest gaps wait.
    """
    gaps = {key: target - present.get(key, 0) for key, target in targets.items() if target > present.get(key, 0)}
    left = max(0, total - sum(present.values()))
    added = {}
    for key in sorted(gaps, key=lambda key: -gaps[key]):
        added[key] = min(gaps[key], left)
        left -= added[key]
    return {key: count for key, count in added.items() if count}
