"""Scenes: a place, a style and one to three shapes, drawn with Pillow; and the true scene for a prompt's atoms."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache

from PIL import Image, ImageDraw

from demo.shapes import Point, outline
from udfs.atoms import Atom

Color = tuple[int, int, int]
Box = tuple[float, float, float, float]

# Nearly gray places, saturated colors: every color stands out from every place.
PLACES: dict[str, Color] = {"snow": (238, 241, 245), "night": (22, 24, 40), "sand": (206, 192, 166)}
COLORS: dict[str, Color] = {
    "red": (214, 38, 40),
    "yellow": (240, 196, 20),
    "green": (38, 160, 66),
    "blue": (44, 92, 222),
    "purple": (152, 56, 186),
}
STYLES = ("flat", "outline")
SIZES = ((64, 64), (80, 48), (48, 80))  # width, height: the square regime's, then the random_aspect regime's
RELATIONS = {"left of": (0, 1), "right of": (1, 0), "above": (0, 1), "below": (1, 0)}  # cells of subject and other
_SCALE = 2  # drawn at this multiple and reduced: smooth edges


@dataclass(frozen=True)
class Item:
    """One drawn shape; box in pixels (x0, y0, x1, y1)."""

    shape: str
    color: str
    box: Box
    tint: Color


@dataclass(frozen=True)
class Scene:
    """What a picture shows; tints are the drawn RGB values of the place and the items."""

    place: str
    style: str
    width: int
    height: int
    items: tuple[Item, ...]
    tint: Color

    def draw(self) -> Image.Image:
        """An RGB picture of width x height."""
        image = Image.new("RGB", (self.width * _SCALE, self.height * _SCALE), self.tint)
        pen = ImageDraw.Draw(image)
        for item in self.items:
            points = polygon(item)
            if self.style == "flat":
                pen.polygon(points, fill=item.tint)
            else:
                pen.polygon(points, outline=item.tint, width=_stroke(item.box))
        return image.reduce(_SCALE)


def polygon(item: Item) -> list[Point]:
    x0, y0, x1, y1 = (_SCALE * v for v in item.box)
    return [(x0 + u * (x1 - x0), y0 + v * (y1 - y0)) for u, v in _outline(item.shape)]


def scene_for(atoms: list[Atom], width: int, height: int, rng: random.Random, jitter: float = 1.0) -> Scene:
    """A scene in which every atom is true; what the atoms leave open (colors, tints, exact places) is drawn.

    jitter scales the freedom of places and tints; 1.0 is the generator's world. ValueError without object or place.
    """
    shapes = [str(a["subject"]) for a in atoms if a["kind"] == "object"]
    counts = {a["subject"]: int(str(a["value"])) for a in atoms if a["kind"] == "count"}
    colors = {a["subject"]: str(a["value"]) for a in atoms if a["kind"] == "color"}
    relation = next((a for a in atoms if a["kind"] == "relation"), None)
    place = next((str(a["value"]) for a in atoms if a["kind"] == "place"), None)
    style = next((str(a["value"]) for a in atoms if a["kind"] == "style"), None)
    if not shapes or place is None or style is None:
        raise ValueError(f"a scene needs an object, a place and a style atom; these are {atoms}")
    if relation is not None and RELATIONS[str(relation["value"])][0] == 1:
        shapes = shapes[::-1]
    names = [name for name in shapes for _ in range(counts.get(name, 1))]
    kinds = {name: colors.get(name) or rng.choice(list(COLORS)) for name in shapes}
    boxes = arrange(len(names), relation["value"] if relation else None, width, height, rng, jitter)
    tints = {name: shade(COLORS[kinds[name]], rng, 8 * jitter) for name in shapes}
    items = tuple(Item(n, kinds[n], box, tints[n]) for n, box in zip(names, boxes, strict=True))
    return Scene(place, style, width, height, items, shade(PLACES[place], rng, 5 * jitter))


def arrange(n: int, relation: str | None, width: int, height: int, rng: random.Random, jitter: float) -> list[Box]:
    """Boxes for n shapes, in reading order, 4 pixels apart or more: a cell each, large in it, moved a little."""
    cells = _cells(n, relation, width, height)
    room = min(min(w, h) for _, _, w, h in cells) - 4
    largest = min(room, {1: 36.0, 2: 26.0, 3: 23.0}[n])
    smallest = largest * (0.84 if jitter <= 1 else 0.72)
    size = rng.uniform(smallest, largest)
    return [_in_cell(cell, size, rng, 4 * jitter) for cell in cells]


def shade(color: Color, rng: random.Random, spread: float) -> Color:
    """The color with each channel moved by up to `spread`."""
    r, g, b = (min(255, max(0, round(c + rng.uniform(-spread, spread)))) for c in color)
    return r, g, b


def _cells(n: int, relation: str | None, width: int, height: int) -> list[tuple[float, float, float, float]]:
    """(center x, center y, width, height) of n cells: a row, a column, or for three on a square one above two."""
    if n == 3 and width == height:
        w, h = width / 2, height / 2
        return [(w, h / 2, w, h), (w / 2, 3 * h / 2, w, h), (3 * w / 2, 3 * h / 2, w, h)]
    across = relation in ("left of", "right of") if relation else width >= height
    if across:
        return [(width * (i + 0.5) / n, height / 2, width / n, height) for i in range(n)]
    return [(width / 2, height * (i + 0.5) / n, width, height / n) for i in range(n)]


def _in_cell(cell: tuple[float, float, float, float], size: float, rng: random.Random, reach: float) -> Box:
    x, y, w, h = cell
    dx = min(reach, (w - size) / 2 - 2)
    dy = min(reach, (h - size) / 2 - 2)
    x0 = x + rng.uniform(-dx, dx) - size / 2
    y0 = y + rng.uniform(-dy, dy) - size / 2
    return x0, y0, x0 + size, y0 + size


def _stroke(box: Box) -> int:
    """Width of an outline at the drawn scale: 2.5 to 4 pixels in the picture, by the shape's size."""
    return round(_SCALE * max(2.5, 0.12 * (box[2] - box[0])))


@cache
def _outline(shape: str) -> list[Point]:
    return outline(shape)
