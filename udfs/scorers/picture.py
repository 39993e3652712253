"""One picture on its way through the scorers: decoded once in full and once at a reduced DCT scale, and what scorers
keep about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from udfs.atoms import Atom
from udfs.codec import decode, opened

# pixels; learned scorers look at 224-256: a larger JPEG is decoded at a DCT scale whose sides are at least this long
DRAFT_SIDE = 256
_GRID = 4


@dataclass
class Picture:
    """full: every pixel. small: the draft decode, the same object as full where the file is no larger JPEG. memo:
    what scorers prepared."""

    full: Image.Image
    small: Image.Image
    text: str | None
    atoms: list[Atom] | None
    memo: dict[Any, Any] = field(default_factory=dict)


def open_picture(data: bytes, text: str | None = None, atoms: list[Atom] | None = None) -> Picture:
    """RGB, sRGB, upright. Raises what `decode` raises."""
    with opened(data) as header:
        reducible = header.format == "JPEG" and min(header.size) >= 2 * DRAFT_SIDE
    full = decode(data)
    return Picture(full, decode(data, DRAFT_SIDE) if reducible else full, text, atoms)


def mean_color(image: Image.Image) -> list[float]:
    """48 floats 0-255: mean R, G, B of each cell of a 4 x 4 grid, row by row."""
    cells = image.resize((_GRID, _GRID), Image.Resampling.BOX)
    return [float(value) for value in np.asarray(cells).ravel()]
