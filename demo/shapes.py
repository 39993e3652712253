"""The five shapes as outlines in a unit box. Every shape fills its box: a box alone tells nothing about its shape."""

from __future__ import annotations

import math
from collections.abc import Callable

Point = tuple[float, float]

SHAPES = ("circle", "square", "triangle", "cross", "star")
_ARM = 0.44  # width of the cross's arms; wide enough that an outlined cross stays hollow
_STAR_INNER = 0.48  # inner radius of the star over its outer one: a fat star survives a small picture


def outline(shape: str, corners: int = 32) -> list[Point]:
    """The polygon of a shape with x and y in 0..1, y downwards. KeyError for a shape that the world lacks."""
    return _fill_box(_POLYGONS[shape](corners))


def _circle(corners: int) -> list[Point]:
    return [(math.cos(2 * math.pi * i / corners), math.sin(2 * math.pi * i / corners)) for i in range(corners)]


def _star(_: int) -> list[Point]:
    radii = [1.0, _STAR_INNER] * 5
    angles = [-math.pi / 2 + math.pi * i / 5 for i in range(10)]
    return [(r * math.cos(a), r * math.sin(a)) for r, a in zip(radii, angles, strict=True)]


def _cross(_: int) -> list[Point]:
    a, b = (1 - _ARM) / 2, (1 + _ARM) / 2
    return [(a, 0), (b, 0), (b, a), (1, a), (1, b), (b, b), (b, 1), (a, 1), (a, b), (0, b), (0, a), (a, a)]


_POLYGONS: dict[str, Callable[[int], list[Point]]] = {
    "circle": _circle,
    "square": lambda _: [(0, 0), (1, 0), (1, 1), (0, 1)],
    "triangle": lambda _: [(0.5, 0), (1, 1), (0, 1)],
    "cross": _cross,
    "star": _star,
}


def _fill_box(points: list[Point]) -> list[Point]:
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    x0, y0, w, h = min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)
    return [((x - x0) / w, (y - y0) / h) for x, y in points]
