"""Labeled pictures that go wrong as a weak generator's do: unsteady, half, melted shapes, wrong numbers, mixed colors.

The labels come from the drawing itself, never from reading a picture: what the pen has touched is measured with forms.py, so
that detector and judge learn where a shape ends to be one.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from scipy import ndimage

from demo.forms import filled, is_hollow, shape_of
from demo.prompts import Prompts
from demo.scenes import COLORS, PLACES, STYLES, Box, Color, Scene, arrange, scene_for, shade
from demo.shapes import SHAPES, Point, outline

_SCALE = 2
_CORNERS = 48
_LEAST_SIDE = 8  # pixels; smaller spots are no marks
_NO_COLOR = len(COLORS) + 1
_ONE_COLOR = 0.8  # share of a mark's pixels
_FAULTS = (
    "wobble",
    "wobble",
    "wobble",
    "morph",
    "stretch",
    "muddy",
    "melt",
    "spur",
    "cut",
    "bite",
    "blot",
    "two colors",
)


Ink = tuple[Color, int]  # a color, and its pen: 1 + the index of the color's name, _NO_COLOR, 0 for nothing


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


def labeled(prompts: Prompts, rng: random.Random, width: int, height: int) -> Labeled:
    """A true scene, with more freedom than the generator's world or without, or (as many) a degraded picture."""
    if rng.random() < 0.5:
        return degraded(width, height, rng, rng.choice((0.2, 0.7)))
    true = label(scene_for(prompts.draw().atoms, width, height, rng, rng.choice((1.0, 1.6))))
    return Labeled(blurred(true.image, rng), true.place, true.marks)


def degraded(width: int, height: int, rng: random.Random, broken: float = 0.3) -> Labeled:
    """A picture of 0 to 4 shapes, each broken with the given probability, colors and styles sometimes mixed."""
    place, style = rng.choice(list(PLACES)), rng.choice(STYLES)
    n = rng.choices((0, 1, 2, 3, 4), (1, 3, 4, 4, 1))[0]
    drawing = Drawing(width, height, shade(PLACES[place], rng, 6))
    same_shape, same_color, same_style = rng.random() < 0.5, rng.random() < 0.5, rng.random() < 0.85
    shape, color = rng.choice(SHAPES), rng.choice(list(COLORS))
    boxes = _boxes(n, width, height, rng)
    for box in boxes:
        _stamp(
            drawing,
            shape if same_shape else rng.choice(SHAPES),
            color if same_color else rng.choice(list(COLORS)),
            style if same_style else rng.choice(STYLES),
            box,
            rng,
            broken,
        )
    if n > 1 and rng.random() < broken / 4:
        drawing.line(_center(boxes[0]), _center(boxes[1]), rng.uniform(1.5, 6), _ink(color, rng))
    return Labeled(blurred(drawing.image.reduce(_SCALE), rng), place, drawing.marks())


class Drawing:
    """A picture at twice its size, and which color's pen has touched which pixel."""

    def __init__(self, width: int, height: int, ground: Color) -> None:
        self.image = Image.new("RGB", (width * _SCALE, height * _SCALE), ground)
        self.ground = ground
        self.nothing: Ink = ground, 0  # takes away what is there
        self._pens = Image.new("L", self.image.size)
        self._faces: tuple[Any, Any] = (ImageDraw.Draw(self.image), ImageDraw.Draw(self._pens))

    def shape(self, points: list[Point], box: Box, ink: Ink, flat: bool) -> None:
        x0, y0, x1, y1 = (_SCALE * v for v in box)
        corners = [(x0 + u * (x1 - x0), y0 + v * (y1 - y0)) for u, v in points]
        stroke = round(_SCALE * max(2.5, 0.12 * (box[2] - box[0])))
        for face, value in zip(self._faces, ink, strict=True):
            if flat:
                face.polygon(corners, fill=value)
            else:
                face.polygon(corners, outline=value, width=stroke)

    def line(self, start: Point, end: Point, width: float, ink: Ink) -> None:
        ends = [(_SCALE * x, _SCALE * y) for x, y in (start, end)]
        for face, value in zip(self._faces, ink, strict=True):
            face.line(ends, fill=value, width=round(_SCALE * width))

    def disc(self, x: float, y: float, radius: float, ink: Ink) -> None:
        for face, value in zip(self._faces, ink, strict=True):
            face.ellipse([_SCALE * v for v in (x - radius, y - radius, x + radius, y + radius)], fill=value)

    def rectangle(self, box: Box, ink: Ink) -> None:
        for face, value in zip(self._faces, ink, strict=True):
            face.rectangle([_SCALE * v for v in box], fill=value)

    def repaint(self, box: Box, ink: Ink) -> None:
        """Another color for what is already drawn inside the box."""
        x0, y0, x1, y1 = (round(_SCALE * v) for v in box)
        drawn = self._pens.crop((x0, y0, x1, y1)).point(lambda pen: 255 if pen else 0)
        self.image.paste(ink[0], (x0, y0, x1, y1), drawn)
        self._pens.paste(ink[1], (x0, y0, x1, y1), drawn)

    def marks(self) -> tuple[Mark, ...]:
        """What is there now, one mark for all that hangs together; what is too small to see is left out."""
        pens = np.asarray(self._pens)
        labels, _ = ndimage.label(pens > 0, structure=np.ones((3, 3)))
        found = []
        for index, area in enumerate(ndimage.find_objects(labels), start=1):
            height, width = (part.stop - part.start for part in area)
            if min(height, width) >= _LEAST_SIDE * _SCALE:
                mask = labels[area] == index
                x, y = area[1].start + width / 2, area[0].start + height / 2
                found.append(
                    Mark(
                        shape_of(filled(mask)),
                        _color(pens[area][mask]),
                        "outline" if is_hollow(mask) else "flat",
                        x / _SCALE,
                        y / _SCALE,
                        max(width, height) / _SCALE,
                    )
                )
        return tuple(found)


def _ink(color: str, rng: random.Random) -> Ink:
    return shade(COLORS[color], rng, 12), list(COLORS).index(color) + 1


def _color(pens: np.ndarray) -> str | None:
    """The color of nearly all the pixels."""
    counts = np.bincount(pens, minlength=_NO_COLOR + 1)
    most = int(counts.argmax())
    return list(COLORS)[most - 1] if most != _NO_COLOR and counts[most] >= _ONE_COLOR * len(pens) else None


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


def _stamp(drawing: Drawing, shape: str, color: str, style: str, box: Box, rng: random.Random, broken: float) -> None:
    """Draws one shape, with one or two faults if it is to be broken; a slight fault leaves it what it is."""
    points, ink, flat = outline(shape, _CORNERS), _ink(color, rng), style == "flat"
    faults = rng.sample(_FAULTS, rng.choice((1, 1, 2))) if rng.random() < broken else []
    if "morph" in faults:
        points = _morph(shape, rng)
    if "wobble" in faults:
        points = _wobble(points, rng)
    if "stretch" in faults:
        points = _stretch(points, rng)
    if "muddy" in faults:
        ink = _muddy(drawing.ground, rng), _NO_COLOR
    if "melt" in faults:
        drawing.shape(outline(rng.choice(SHAPES), _CORNERS), _moved(box, rng), ink, flat)
    drawing.shape(points, box, ink, flat)
    size, (x, y) = box[2] - box[0], _center(box)
    if "spur" in faults:
        angle, reach = rng.uniform(0, 2 * math.pi), size * rng.uniform(0.55, 0.9)
        start = x + 0.35 * size * math.cos(angle), y + 0.35 * size * math.sin(angle)
        end = x + reach * math.cos(angle + 0.3), y + reach * math.sin(angle + 0.3)
        drawing.line(start, end, rng.uniform(1.5, 4.5), ink)
    if "cut" in faults:
        drawing.rectangle(_side(box, rng.uniform(0.06, 0.6), rng), drawing.nothing)
    if "bite" in faults:
        u, v = rng.choice(points)
        drawing.disc(box[0] + u * size, box[1] + v * size, size * rng.uniform(0.06, 0.25), drawing.nothing)
    if "blot" in faults:
        drawing.disc(x + rng.uniform(-0.4, 0.4) * size, y + rng.uniform(-0.4, 0.4) * size, rng.uniform(1, 5), ink)
    if "two colors" in faults:
        drawing.repaint(_side(box, rng.uniform(0.06, 0.5), rng), _ink(rng.choice(list(COLORS)), rng))


def _center(box: Box) -> Point:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def _mark(shape: str, color: str, style: str, box: Box) -> Mark:
    return Mark(shape, color, style, *_center(box), box[2] - box[0])


def _wobble(points: list[Point], rng: random.Random) -> list[Point]:
    """The outline of an unsteady hand: every corner moved, as smoothly as the number of waves says."""
    dense = np.array(points)
    after = np.roll(dense, -1, 0)
    steps = np.linspace(0, 1, max(1, _CORNERS // len(points)), endpoint=False)
    dense = (dense[:, None] + (after - dense)[:, None] * steps[None, :, None]).reshape(-1, 2)
    angles = np.arctan2(dense[:, 1] - 0.5, dense[:, 0] - 0.5)
    reach = rng.uniform(0.02, 0.16)
    for axis in (0, 1):
        for k in rng.sample(range(1, 9), 3):
            dense[:, axis] += reach / math.sqrt(k) * rng.uniform(-1, 1) * np.sin(k * angles + rng.uniform(0, 6.28))
    return [(float(u), float(v)) for u, v in dense]


def _morph(shape: str, rng: random.Random) -> list[Point]:
    """On the way to another shape: a mean of their radii around the center."""
    other = rng.choice([s for s in SHAPES if s != shape])
    share = rng.uniform(0.4, 0.95)
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


def _stretch(points: list[Point], rng: random.Random) -> list[Point]:
    share = rng.uniform(0.45, 1.0)
    if rng.random() < 0.5:
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


def _side(box: Box, share: float, rng: random.Random) -> Box:
    """That share of the box at one of its four sides, and a little beyond."""
    x0, y0, x1, y1 = box[0] - 1, box[1] - 1, box[2] + 1, box[3] + 1
    reach = share * (box[2] - box[0]) + 1
    parts = ((x0, y0, x0 + reach, y1), (x1 - reach, y0, x1, y1), (x0, y0, x1, y0 + reach), (x0, y1 - reach, x1, y1))
    return rng.choice(parts)
