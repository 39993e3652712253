"""Labeled pictures that go wrong as a weak generator's do: broken, half, melted shapes, wrong numbers, mixed colors.

The labels come from the drawing itself, never from the oracle: so detector and judge learn what is no shape.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from demo.scenes import COLORS, PLACES, STYLES, Box, Color, Scene, arrange, shade
from demo.shapes import SHAPES, Point, outline

_SCALE = 2
_CORNERS = 48


@dataclass(frozen=True)
class Mark:
    """What is drawn where. None: nothing that the world knows; x, y: center in pixels."""

    shape: str | None
    color: str | None
    style: str | None
    x: float
    y: float
    size: float


@dataclass(frozen=True)
class Labeled:
    image: Image.Image
    place: str | None
    marks: tuple[Mark, ...]


def label(scene: Scene) -> Labeled:
    """A true scene with its marks."""
    marks = tuple(_mark(i.shape, i.color, scene.style, i.box) for i in scene.items)
    return Labeled(scene.draw(), scene.place, marks)


def degraded(width: int, height: int, rng: random.Random, broken: float = 0.3) -> Labeled:
    """A picture of 0 to 4 shapes, each broken with the given probability, colors and styles sometimes mixed."""
    place, style = rng.choice(list(PLACES)), rng.choice(STYLES)
    n = rng.choices((0, 1, 2, 3, 4), (1, 3, 4, 4, 1))[0]
    ground = shade(PLACES[place], rng, 6)
    image = Image.new("RGB", (width * _SCALE, height * _SCALE), ground)
    same_shape, same_color, same_style = rng.random() < 0.5, rng.random() < 0.5, rng.random() < 0.85
    shape, color = rng.choice(SHAPES), rng.choice(list(COLORS))
    marks = []
    for box in _boxes(n, width, height, rng):
        mark = _mark(
            shape if same_shape else rng.choice(SHAPES),
            color if same_color else rng.choice(list(COLORS)),
            style if same_style else rng.choice(STYLES),
            box,
        )
        marks.append(_stamp(image, mark, box, ground, rng, broken))
    return Labeled(blurred(image.reduce(_SCALE), rng), place, tuple(marks))


def blurred(image: Image.Image, rng: random.Random) -> Image.Image:
    """A third sharp, a third softened as a round trip through an autoencoder does, the rest with noise too."""
    kind = rng.random()
    if kind < 0.33:
        return image
    image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.1)))
    if kind < 0.66:
        return image
    noise = np.random.default_rng(rng.getrandbits(32)).normal(0, rng.uniform(2, 9), (image.height, image.width, 3))
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))


def _boxes(n: int, width: int, height: int, rng: random.Random) -> list[Box]:
    if n == 0:
        return []
    if n < 4:
        relation = rng.choice((None, "left of", "above")) if n == 2 else None
        return arrange(n, relation, width, height, rng, 1.6)
    size = min(width, height) / 2 - 5
    centers = [(width * (i + 0.5) / 2, height * (j + 0.5) / 2) for i in (0, 1) for j in (0, 1)]
    return [(x - size / 2, y - size / 2, x + size / 2, y + size / 2) for x, y in centers]


def _stamp(image: Image.Image, mark: Mark, box: Box, ground: Color, rng: random.Random, broken: float) -> Mark:
    """Draws one mark, perhaps broken; returns what was really drawn."""
    points, shape, color = outline(str(mark.shape), _CORNERS), mark.shape, mark.color
    fault = rng.choice(("blob", "morph", "half", "melt", "muddy", "stretch")) if rng.random() < broken else None
    if fault == "blob":
        points, shape = _blob(rng), None
    elif fault == "morph":
        points, shape = _morph(str(mark.shape), rng), None
    elif fault == "stretch":
        points, shape = _stretch(points, rng.uniform(0.35, 0.6)), None
    pen = ImageDraw.Draw(image)
    tint = shade(COLORS[str(mark.color)], rng, 12)
    if fault == "muddy":
        tint, color = _muddy(ground, rng), None
    if fault == "melt":
        other = _moved(box, rng)
        _draw(pen, outline(rng.choice(SHAPES), _CORNERS), other, tint, mark.style)
        shape = None
    _draw(pen, points, box, tint, mark.style)
    if fault == "half":
        _erase(pen, box, ground, rng)
        shape = None
    return replace(mark, shape=shape, color=color)


def _mark(shape: str, color: str, style: str, box: Box) -> Mark:
    return Mark(shape, color, style, (box[0] + box[2]) / 2, (box[1] + box[3]) / 2, box[2] - box[0])


def _draw(pen: ImageDraw.ImageDraw, points: list[Point], box: Box, tint: Color, style: str | None) -> None:
    x0, y0, x1, y1 = (_SCALE * v for v in box)
    corners = [(x0 + u * (x1 - x0), y0 + v * (y1 - y0)) for u, v in points]
    if style == "flat":
        pen.polygon(corners, fill=tint)
    else:
        pen.polygon(corners, outline=tint, width=round(_SCALE * max(2.5, 0.12 * (box[2] - box[0]))))


def _blob(rng: random.Random) -> list[Point]:
    """A smooth random closed curve."""
    waves = [(k, rng.uniform(0.08, 0.3) / math.sqrt(k), rng.uniform(0, 2 * math.pi)) for k in (2, 3, 5)]
    angles = [2 * math.pi * i / _CORNERS for i in range(_CORNERS)]
    radii = [0.42 * (1 + sum(a * math.sin(k * t + p) for k, a, p in waves)) for t in angles]
    return [(0.5 + r * math.cos(t), 0.5 + r * math.sin(t)) for r, t in zip(radii, angles, strict=True)]


def _morph(shape: str, rng: random.Random) -> list[Point]:
    """Half way between two shapes: the mean of their radii around the center."""
    other = rng.choice([s for s in SHAPES if s != shape])
    share = rng.uniform(0.4, 0.6)
    angles = [2 * math.pi * i / _CORNERS - math.pi for i in range(_CORNERS)]
    radii = [share * a + (1 - share) * b for a, b in zip(_radii(shape, angles), _radii(other, angles), strict=True)]
    return [(0.5 + r * math.cos(t), 0.5 + r * math.sin(t)) for r, t in zip(radii, angles, strict=True)]


def _radii(shape: str, angles: list[float]) -> list[float]:
    """Distance from the box's center to the outline in each direction; the shapes are star-shaped around it."""
    points = np.array(outline(shape, _CORNERS))
    along = np.roll(points, -1, 0) - points
    dense = np.concatenate([points + along * share for share in np.linspace(0, 1, 12, endpoint=False)])
    offset = dense - 0.5
    at = np.arctan2(offset[:, 1], offset[:, 0])
    order = np.argsort(at)
    return list(np.interp(angles, at[order], np.hypot(offset[:, 0], offset[:, 1])[order], period=2 * math.pi))


def _stretch(points: list[Point], share: float) -> list[Point]:
    if share < 0.48:  # flat, else narrow
        return [(u, 0.5 + (v - 0.5) * share) for u, v in points]
    return [(0.5 + (u - 0.5) * share, v) for u, v in points]


def _muddy(ground: Color, rng: random.Random) -> Color:
    """A gray or a shade half gone into the background: no color of the world."""
    gray = rng.choice((110, 140, 170) if sum(ground) < 300 else (60, 90, 120))
    r, g, b = shade((gray, gray, gray), rng, 12)
    return r, g, b


def _moved(box: Box, rng: random.Random) -> Box:
    size = box[2] - box[0]
    angle = rng.uniform(0, 2 * math.pi)
    dx, dy = 0.42 * size * math.cos(angle), 0.42 * size * math.sin(angle)
    return box[0] + dx, box[1] + dy, box[2] + dx, box[3] + dy


def _erase(pen: ImageDraw.ImageDraw, box: Box, ground: Color, rng: random.Random) -> None:
    x0, y0, x1, y1 = (_SCALE * v for v in box)
    cut = rng.uniform(0.35, 0.6)
    side = rng.randrange(4)
    part = [
        (x0, y0, x0 + cut * (x1 - x0), y1),
        (x1 - cut * (x1 - x0), y0, x1, y1),
        (x0, y0, x1, y0 + cut * (y1 - y0)),
        (x0, y1 - cut * (y1 - y0), x1, y1),
    ][side]
    pen.rectangle((part[0] - 2, part[1] - 2, part[2] + 2, part[3] + 2), fill=ground)
