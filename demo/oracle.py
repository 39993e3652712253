"""The oracle reads a scene without a model (color distance, components, outlines). It measures; no gate may use it."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage

from demo.forms import filled, is_hollow, shape_of
from demo.scenes import COLORS, PLACES
from udfs.atoms import Atom

_DISTANCE = 60.0  # Euclidean RGB distance from the background above which a pixel belongs to a shape
_MIN_SIDE = 8  # pixels; smaller spots are no shapes
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
    box = (area[1].start, area[0].start, area[1].stop, area[0].stop)
    return Found(shape_of(filled(mask)), _color(pixels[mask]), box, is_hollow(mask))


def _color(pixels: np.ndarray) -> str | None:
    """The nearest hue of the more saturated half of the pixels, weighed as a circular mean."""
    spread = pixels.max(axis=1) - pixels.min(axis=1)
    core = pixels[spread >= np.median(spread)].mean(axis=0) / 255
    hue, saturation, _ = colorsys.rgb_to_hsv(*(float(c) for c in core))
    gaps = {name: min(abs(hue - h), 1 - abs(hue - h)) for name, h in _HUES.items()}
    best = min(gaps, key=lambda name: gaps[name])
    return best if gaps[best] <= _MAX_HUE_GAP and saturation >= 0.35 else None
