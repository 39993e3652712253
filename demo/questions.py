"""Yes/no questions about a labeled picture, about half of them true; and what each patch of it shows."""

from __future__ import annotations

import random

import torch
from PIL import Image
from torch import Tensor

from demo.degraded import Labeled
from demo.scenes import COLORS, PLACES, RELATIONS, STYLES
from demo.shapes import SHAPES
from demo.truth import holds
from udfs.atoms import Atom, atom

SIDE = 80  # pixels; the judge sees every picture padded to a square of this side
PATCH = 10
GRID = SIDE // PATCH
GROUND = (127, 127, 127)  # what LlavaImageProcessor pads with, for a mean of .5
_TRIES = 12


def questions(seen: Labeled, rng: random.Random) -> list[tuple[Atom, bool]]:
    """Eight atoms with their truth: for each kind a true or a false one is looked for, even odds."""
    several = len({m.shape for m in seen.marks if m.shape}) > 1
    between = "relation" if several else "count"
    kinds = ["object", "count", "color", "color", between, between, "place", "style"]
    return [_wanted(kind, rng.random() < 0.5, seen, rng) for kind in kinds]


def _wanted(kind: str, truth: bool, seen: Labeled, rng: random.Random) -> tuple[Atom, bool]:
    """An atom of the kind whose truth is as wanted, if some tries find one."""
    for _ in range(_TRIES):
        fact = _any(kind, seen, rng)
        told = holds(seen, fact)
        if told == truth:
            break
    return fact, told


def _any(kind: str, seen: Labeled, rng: random.Random) -> Atom:
    there = sorted({m.shape for m in seen.marks if m.shape}) or list(SHAPES)
    shape = rng.choice(there if rng.random() < 0.8 else SHAPES)
    match kind:
        case "object":
            shape = rng.choice(there if rng.random() < 0.5 else SHAPES)
            return atom(kind, shape, shape)
        case "count":
            return atom(kind, shape, rng.choice(("1", "2", "3")))
        case "color":
            near = [m.color for m in seen.marks if m.color]
            color = rng.choice(near) if near and rng.random() < 0.6 else rng.choice(list(COLORS))
            return atom(kind, shape, color)
        case "relation":
            others = [s for s in there if s != shape] or [s for s in SHAPES if s != shape]
            return atom(kind, shape, rng.choice(list(RELATIONS)), rng.choice(others))
        case "place":
            return atom(kind, "picture", rng.choice(list(PLACES)))
    return atom(kind, "picture", rng.choice(STYLES))


def squared(image: Image.Image) -> Image.Image:
    """Padded to a square and resized to SIDE, as the judge's processor does it."""
    if image.width != image.height:
        side = max(image.size)
        padded = Image.new("RGB", (side, side), GROUND)
        padded.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
        image = padded
    return image if image.width == SIDE else image.resize((SIDE, SIDE), Image.Resampling.BICUBIC)


def patch_classes(batch: list[Labeled]) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Class indexes (n, GRID, GRID): shape, shape whose center it is, color, style (-100: not asked); (n,): place."""
    size = (len(batch), GRID, GRID)
    inside, center = torch.zeros(size, dtype=torch.long), torch.zeros(size, dtype=torch.long)
    color, style = torch.full(size, -100), torch.full(size, -100)
    for i, seen in enumerate(batch):
        side = max(seen.image.size)
        left, top = (side - seen.image.width) / 2, (side - seen.image.height) / 2
        for mark in seen.marks:
            kind = SHAPES.index(mark.shape) + 1 if mark.shape else len(SHAPES) + 1
            x, y, reach = ((v * GRID / side) for v in (mark.x + left, mark.y + top, 0.42 * mark.size))
            rows = slice(max(0, round(y - reach)), max(round(y - reach) + 1, round(y + reach)))
            columns = slice(max(0, round(x - reach)), max(round(x - reach) + 1, round(x + reach)))
            inside[i, rows, columns] = kind
            color[i, rows, columns] = list(COLORS).index(mark.color) if mark.color else len(COLORS)
            style[i, rows, columns] = STYLES.index(str(mark.style))
            center[i, min(GRID - 1, int(y)), min(GRID - 1, int(x))] = kind
    return inside, center, color, style, torch.tensor([list(PLACES).index(str(p.place)) for p in batch])


def shape_centers(batch: list[Labeled]) -> tuple[Tensor, Tensor]:
    """(n, shapes, 2): the mean center of each shape's marks, x and y in 0..1 of the padded square; (n, shapes): 1 where
    there is one.
    """
    centers, there = torch.zeros(len(batch), len(SHAPES), 2), torch.zeros(len(batch), len(SHAPES))
    for i, seen in enumerate(batch):
        side = max(seen.image.size)
        left, top = (side - seen.image.width) / 2, (side - seen.image.height) / 2
        for s, shape in enumerate(SHAPES):
            marks = [(mark.x + left, mark.y + top) for mark in seen.marks if mark.shape == shape]
            if marks:
                centers[i, s] = torch.tensor(marks).mean(0) / side
                there[i, s] = 1
    return centers, there
