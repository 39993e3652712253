"""The oracle reads a scene without a model (color distance, components, templates). It measures; no gate may use it."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from demo.scenes import COLORS, PLACES
from demo.shapes import SHAPES, outline
from udfs.atoms import Atom

_GRID = 24  # masks are compared at this size
_DISTANCE = 60.0  # Euclidean RGB distance from the background above which a pixel belongs to a shape
_MIN_SIDE = 8  # pixels; smaller spots are no shapes
_MIN_IOU = 0.76
_MIN_ASPECT = 0.75
_HUES = {name: colorsys.rgb_to_hsv(*(c / 255 for c in rgb))[0] for name, rgb in COLORS.items()}
_MAX_HUE_GAP = 0.075


@dataclass(frozen=True)
class Found:
    """One connected component; shape and color are None where nothing fits. box in pixels (x0, y0, x1, y1)."""

    shape: str | None
    color: str | None
    box: tuple[int, int, int, int]
    hollow: bool


@dataclass(frozen=True)
class Reading:
    place: str | None
    found: tuple[Found, ...]


def read(image: Image.Image) -> Reading:
    """What the picture shows, by measuring."""
    pixels = np.asarray(image.convert("RGB"), dtype=np.float32)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    ground = np.median(border, axis=0)
    mask = np.linalg.norm(pixels - ground, axis=2) > _DISTANCE
    labels, _ = ndimage.label(mask, structure=np.ones((3, 3)))
    found = []
    for index, area in enumerate(ndimage.find_objects(labels), start=1):
        if min(area[0].stop - area[0].start, area[1].stop - area[1].start) >= _MIN_SIDE:
            found.append(_component(pixels[area], labels[area] == index, area))
    return Reading(_place(ground), tuple(found))


def judge(image: Image.Image, atoms: list[Atom]) -> dict[int, bool]:
    """Atom index -> is it true of the picture."""
    reading = read(image)
    return {index: _holds(reading, fact) for index, fact in enumerate(atoms)}


def wholly_right(image: Image.Image, atoms: list[Atom]) -> bool:
    """Every atom is true."""
    return all(judge(image, atoms).values())


def _holds(reading: Reading, fact: Atom) -> bool:
    subjects = [f for f in reading.found if f.shape == fact["subject"]]
    match fact["kind"]:
        case "object":
            return bool(subjects)
        case "count":
            return len(subjects) == int(str(fact["value"]))
        case "color":
            return bool(subjects) and all(f.color == fact["value"] for f in subjects)
        case "relation":
            others = [f for f in reading.found if f.shape == fact["other"]]
            return len(subjects) == 1 == len(others) and _related(subjects[0].box, str(fact["value"]), others[0].box)
        case "place":
            return reading.place == fact["value"]
        case "style":
            shaped = [f for f in reading.found if f.shape is not None]
            return bool(shaped) and all(f.hollow == (fact["value"] == "outline") for f in shaped)
    raise ValueError(f"the oracle cannot check an atom of kind {fact['kind']!r}")


def _related(a: tuple[int, int, int, int], relation: str, b: tuple[int, int, int, int]) -> bool:
    match relation:
        case "left of":
            return a[2] <= b[0]
        case "right of":
            return a[0] >= b[2]
        case "above":
            return a[3] <= b[1]
        case "below":
            return a[1] >= b[3]
    raise ValueError(f"the oracle cannot check the relation {relation!r}")


def _place(ground: np.ndarray) -> str | None:
    gaps = {name: float(np.linalg.norm(ground - np.array(color))) for name, color in PLACES.items()}
    best = min(gaps, key=lambda name: gaps[name])
    return best if gaps[best] < 40 else None


def _component(pixels: np.ndarray, mask: np.ndarray, area: tuple[slice, slice]) -> Found:
    filled = ndimage.binary_fill_holes(mask)
    height, width = mask.shape
    scores = {shape: _iou(_normalized(filled), _template(shape)) for shape in SHAPES}
    best = max(scores, key=lambda shape: scores[shape])
    fits = scores[best] >= _MIN_IOU and min(height, width) / max(height, width) >= _MIN_ASPECT
    box = (area[1].start, area[0].start, area[1].stop, area[0].stop)
    return Found(best if fits else None, _color(pixels[mask]), box, _hollow(mask, filled))


def _hollow(mask: np.ndarray, filled: np.ndarray) -> bool:
    return float(mask.sum()) < 0.93 * float(filled.sum())


def _color(pixels: np.ndarray) -> str | None:
    """The nearest hue of the more saturated half of the pixels, weighed as a circular mean."""
    spread = pixels.max(axis=1) - pixels.min(axis=1)
    core = pixels[spread >= np.median(spread)].mean(axis=0) / 255
    hue, saturation, _ = colorsys.rgb_to_hsv(*(float(c) for c in core))
    gaps = {name: min(abs(hue - h), 1 - abs(hue - h)) for name, h in _HUES.items()}
    best = min(gaps, key=lambda name: gaps[name])
    return best if gaps[best] <= _MAX_HUE_GAP and saturation >= 0.35 else None


def _normalized(mask: np.ndarray) -> np.ndarray:
    image = Image.fromarray(mask.astype(np.uint8) * 255).resize((_GRID, _GRID), Image.Resampling.BILINEAR)
    return np.asarray(image) > 127


@cache
def _template(shape: str) -> np.ndarray:
    image = Image.new("L", (_GRID * 8, _GRID * 8))
    ImageDraw.Draw(image).polygon([(x * _GRID * 8, y * _GRID * 8) for x, y in outline(shape)], fill=255)
    return np.asarray(image.reduce(8)) > 127


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())
