"""How well a scorer of atoms tells true from false: area under the ROC curve by kind, on labeled held-out pictures."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import numpy as np

from demo.degraded import Labeled, blurred, degraded, label
from demo.prompts import Prompts
from demo.scenes import COLORS, PLACES, RELATIONS, SIZES, STYLES, scene_for
from demo.shapes import SHAPES
from demo.truth import holds
from udfs.atoms import Atom

KINDS = ("object", "count", "color", "relation", "place", "style")
_VALUES = {
    "count": ("1", "2", "3"),
    "color": tuple(COLORS),
    "relation": tuple(RELATIONS),
    "place": tuple(PLACES),
    "style": STYLES,
}


@dataclass(frozen=True)
class Asked:
    """A picture, the atoms asked about it and whether each is true."""

    picture: Labeled
    atoms: list[Atom]
    truth: list[bool]


def altered(fact: Atom, atoms: list[Atom], rng: random.Random) -> Atom:
    """A near miss: another count, color, shape, place or style, or the relation turned round."""
    match fact["kind"]:
        case "relation" if rng.random() < 0.5:
            return {**fact, "subject": fact["other"], "other": fact["subject"]}
        case "object":
            there = {a["subject"] for a in atoms}
            other = rng.choice([s for s in SHAPES if s not in there])
            return {**fact, "subject": other, "value": other}
    return {**fact, "value": rng.choice([v for v in _VALUES[str(fact["kind"])] if v != fact["value"]])}


def labeled_scenes(n: int, prompts: Prompts, rng: random.Random) -> list[Asked]:
    """n prompts at each size: a true scene or (a third) a degraded picture; each atom as it is or altered."""
    held = []
    for width, height in SIZES:
        for _ in range(n):
            atoms = prompts.draw().atoms
            true = label(scene_for(atoms, width, height, rng))
            picture = replace(true, image=blurred(true.image, rng))
            if rng.random() < 1 / 3:
                picture = degraded(width, height, rng, 0.4)
            asked = [altered(a, atoms, rng) if rng.random() < 0.5 else a for a in atoms]
            held.append(Asked(picture, asked, [holds(picture, a) for a in asked]))
    return held


def separation(held: list[Asked], scores: list[list[float | None]]) -> dict[str, float]:
    """auc_<kind> for each kind with true and false atoms: the chance that a true one scores above a false one."""
    figures = {}
    for kind in KINDS:
        rows = [
            (s, t)
            for one, values in zip(held, scores, strict=True)
            for a, s, t in zip(one.atoms, values, one.truth, strict=True)
            if a["kind"] == kind and s is not None
        ]
        true, false = ([s for s, t in rows if t is truth] for truth in (True, False))
        if true and false:
            figures[f"auc_{kind}"] = auc(true, false)
    return figures


def auc(true: list[float], false: list[float]) -> float:
    """Share of (true, false) pairs that are in order; ties count half."""
    a, b = np.array(true)[:, None], np.array(false)[None]
    return float((a > b).mean() + 0.5 * (a == b).mean())
