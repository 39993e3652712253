"""Which of the five shapes a mask shows: by how far its outline runs from theirs, the same measure for all of them.

An overlap (IoU) would not do: a thin shape loses more of it than a fat one for the same slip of the pen.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from demo.shapes import SHAPES, outline

_SIDE = 64  # masks are compared in a frame of this side,
_ROOT = 24.0  # moved to its middle and scaled to this root of their area; a spur hardly moves either
_FINE = 4
FARTHEST = 0.035  # of the root of the area. Drawn shapes have at most .025; chosen by eye on sheets of generated ones
CLEAREST = 0.7  # of the deviation from the second nearest shape: a round square is neither a circle nor a square


def deviations(mask: np.ndarray) -> dict[str, float]:
    """A filled boolean mask (height, width) -> for each shape the mean distance between its outline and the mask's.

    It is the area between the two over the outline's length, as a share of the root of the mask's area; 0 is equal.
    """
    seen = _framed(mask)
    return {shape: _between(seen, shape) for shape in SHAPES}


def shape_of(mask: np.ndarray) -> str | None:
    """The shape that a filled boolean mask shows; None if it is too far from all of them, or as near to two."""
    (nearest, least), (_, second) = sorted(deviations(mask).items(), key=lambda pair: pair[1])[:2]
    return nearest if least <= FARTHEST and least <= CLEAREST * second else None


def filled(mask: np.ndarray) -> np.ndarray:
    """The mask without its holes."""
    holes: np.ndarray = ndimage.binary_fill_holes(mask)
    return holes


def is_hollow(mask: np.ndarray) -> bool:
    """Whether a mask is an outline: more than 7 % of what it surrounds is open."""
    return float(mask.sum()) < 0.93 * float(filled(mask).sum())


def _between(seen: np.ndarray, shape: str) -> float:
    template, length = _template(shape)
    return float(np.abs(seen - template).sum()) / length / _ROOT


def _framed(mask: np.ndarray) -> np.ndarray:
    rows, columns = np.nonzero(np.pad(mask, 1))
    scale = math.sqrt(len(rows)) / _ROOT
    x, y = columns.mean() + 0.5 - scale * _SIDE / 2, rows.mean() + 0.5 - scale * _SIDE / 2
    image = Image.fromarray(np.pad(mask, 1).astype(np.uint8) * 255)
    moved = image.transform(
        (_SIDE, _SIDE), Image.Transform.AFFINE, (scale, 0, x, 0, scale, y), Image.Resampling.BILINEAR
    )
    return np.asarray(moved, dtype=np.float32) / 255


@cache
def _template(shape: str) -> tuple[np.ndarray, float]:
    """The shape in the frame, 0..1 a pixel, and the length of its outline in the frame's pixels."""
    points = np.array(outline(shape, 64))
    after = np.roll(points, -1, 0)
    cross = points[:, 0] * after[:, 1] - after[:, 0] * points[:, 1]
    middle = ((points + after) * cross[:, None]).sum(0) / (3 * cross.sum())
    scale = _ROOT / math.sqrt(abs(cross.sum()) / 2)
    corners = (_SIDE / 2 + (points - middle) * scale) * _FINE
    image = Image.new("L", (_SIDE * _FINE, _SIDE * _FINE))
    ImageDraw.Draw(image).polygon([(float(u), float(v)) for u, v in corners], fill=255)
    length = float(np.hypot(*(after - points).T).sum()) * scale
    return np.asarray(image.reduce(_FINE), dtype=np.float32) / 255, length
