"""Technical measures of the pixels: no weights, numpy and Pillow. They look at every pixel, never at a reduced
decode."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops

from udfs.scorers.picture import Picture
from udfs.scorers.spec import Answers, Parts, ScorerSpec

_WINDOW = 9  # Crete's blur filter, pixels
_SMALLEST = 16  # pixels; below this side the windows do not fit
# rows measured at a time: as few as a core's cache holds, which takes a third of the time, and no fewer: between two calls of numpy
# threads wait for each other
_STRIP = 256
_BLOCK = 8  # JPEG's block, pixels
_FLOOR = 0.5  # grey levels added to both gradients, so that a flat picture has the ratio 1
_UNIFORM = 8  # levels from a bar's own color that JPEG leaves in it
_RING = 16  # pixels that JPEG rings into a bar (one block of the halved color planes), but at most ...
_RING_SHARE = 1 / 32  # ... this share of the side: in a small picture an object is as near
_RING_LEVELS = 48  # levels that a ring differs from the bar, all but _OVERSHOOT of its pixels
_OVERSHOOT = 0.02
_LONG_EDGE = 0.8  # share of its length along which a bar must end without a gap


@dataclass(frozen=True)
class Technical(ScorerSpec):
    needs_device = False
    licence = "Apache-2.0"

    @property
    def scores(self) -> tuple[str, ...]:
        return ("blur", "noise", "blockiness", "clipping", "border", "entropy")

    @property
    def revision(self) -> str:
        return "3-full"

    def load(self, device: str, parts: Parts) -> LoadedTechnical:
        return LoadedTechnical()


class LoadedTechnical:
    def prepare(self, picture: Picture) -> None:
        picture.memo["technical"] = measures(picture.full)

    def score(self, pictures: list[Picture]) -> list[Answers]:
        # kept in the memo: where a later scorer is out of memory, the halves of the batch ask again
        return [picture.memo["technical"] for picture in pictures]


def measures(image: Image.Image) -> Answers:
    """Every measure of an RGB picture; a reason instead of the values where a side is under 16 px."""
    if min(image.size) < _SMALLEST:
        return dict.fromkeys(
            ("blur", "noise", "blockiness", "clipping", "border", "entropy"), f"smaller than {_SMALLEST} px"
        )
    luma = image.convert("L")
    grey = np.asarray(luma, dtype=np.int16)  # holds the largest sum of a window, 2,295
    return {
        "blur": blur(grey),
        "noise": noise(grey),
        "blockiness": blockiness(grey),
        "clipping": clipping(image),
        "border": border(np.asarray(image)),
        "entropy": entropy(luma),
    }


def blur(grey: np.ndarray) -> float:
    """Crete et al. 2007, "The blur effect", SPIE 6492: how little a strong blur changes the neighbours' differences.
    0 sharp, 1 blurred.

    A picture without any edge is as blurred as can be: 1.
    """
    return max(_blur_along(grey), _blur_along(np.ascontiguousarray(grey.T)))


def _blur_along(grey: np.ndarray) -> float:
    """Along the first axis, where the whole window fits. Whole numbers: everything is multiplied by the window's length."""
    margin = _WINDOW // 2
    differences = len(grey) - _WINDOW
    total = lost = 0
    for start in range(0, differences, _STRIP):
        rows = min(_STRIP, differences - start) + 1  # of the blurred picture
        strip = grey[start : start + rows + _WINDOW - 1]
        blurred = strip[:rows].copy()
        for step in range(1, _WINDOW):
            blurred += strip[step : step + rows]
        sharp = _WINDOW * np.abs(np.diff(strip[margin : margin + rows], axis=0))
        change = sharp - np.abs(np.diff(blurred, axis=0))
        total += int(sharp.sum(axis=0, dtype=np.int32).sum(dtype=np.int64))
        lost += int(np.maximum(change, 0, out=change).sum(axis=0, dtype=np.int32).sum(dtype=np.int64))
    return 1 - lost / total if total else 1.0


def noise(grey: np.ndarray) -> float:
    """Immerkaer 1996, "Fast noise variance estimation", CVIU 64: standard deviation in grey levels, from the
    difference of two Laplacians."""
    rows = grey[:-2] - 2 * grey[1:-1] + grey[2:]
    response = rows[:, :-2] - 2 * rows[:, 1:-1] + rows[:, 2:]
    return math.sqrt(math.pi / 2) / 6 * float(np.abs(response).mean(dtype=np.float64))


def blockiness(grey: np.ndarray) -> float:
    """Mean gradient across the borders of 8 px blocks over the mean gradient elsewhere, the larger of both
    directions; 1 is none.

    After Wang, Sheikh, Bovik 2002, "No-reference perceptual quality assessment of JPEG compressed images" (its B, as
    a ratio).
    """
    return max(_blockiness_along(grey, 0), _blockiness_along(grey, 1))


def _blockiness_along(grey: np.ndarray, axis: int) -> float:
    across = 1 - axis
    steps = np.abs(np.diff(grey, axis=axis)).sum(axis=across, dtype=np.int32) / grey.shape[across]
    at_border = np.arange(1, len(steps) + 1) % _BLOCK == 0
    return float((steps[at_border].mean() + _FLOOR) / (steps[~at_border].mean() + _FLOOR))


def clipping(image: Image.Image) -> float:
    """Share of pixels that are wholly black or wholly white: 0 in every channel, or 255 in every channel."""
    red, green, blue = image.split()
    least = ImageChops.darker(ImageChops.darker(red, green), blue).histogram()
    most = ImageChops.lighter(ImageChops.lighter(red, green), blue).histogram()
    pixels = image.width * image.height
    return most[0] / pixels + least[-1] / pixels


def border(pixels: np.ndarray) -> float:
    """Share of the picture taken by uniform bars at its edges (letterbox, frame); 1 where nothing else is left.

    A bar is uniform within 8 levels, but for what JPEG rings into its last 16 px, and ends without a gap along at
    least .8 of its length within 8 px: a plain background that goes on beside objects is none. Black bars on a night
    picture that is as black are not seen.
    """
    height, width = pixels.shape[:2]
    top, bottom = _bar(pixels), _bar(pixels[::-1])
    if top + bottom >= height:
        return 1.0
    inside = pixels[top : height - bottom].transpose(1, 0, 2)
    left, right = _bar(inside), _bar(inside[::-1])
    if left + right >= width:
        return 1.0
    area = height * width  # one division of whole numbers: 5 % is 0.05, not the last bit more
    return (area - (height - top - bottom) * (width - left - right)) / area


def _bar(pixels: np.ndarray) -> int:
    """Rows of the bar at the first row; 0 if there is none, all rows if the whole is uniform."""
    color = np.median(pixels[0], axis=0).astype(np.int16)
    ring = min(_RING, int(len(pixels) * _RING_SHARE))
    uniform = len(pixels)  # rows before the first that is not uniform
    for start in range(0, len(pixels), _STRIP // 4):
        away = _distance(pixels[start : start + _STRIP // 4], color)
        differs = np.any(away > _UNIFORM, axis=1)
        ends = np.mean(away > _RING_LEVELS, axis=1) > _OVERSHOOT
        for row in range(start, start + len(away)):
            if uniform == len(pixels) and differs[row - start]:
                uniform = row
            if row > uniform + ring:
                return 0
            if ends[row - start]:
                ended = np.any(_distance(pixels[row : row + _BLOCK], color) > _UNIFORM, axis=0)
                return row if _longest_run(ended) >= _LONG_EDGE * len(ended) else 0
    return len(pixels) if uniform == len(pixels) else 0


def _distance(lines: np.ndarray, color: np.ndarray) -> np.ndarray:
    """Levels between each pixel of some lines and the color, the largest of the channels."""
    red, green, blue = (np.abs(lines[..., channel].astype(np.int16) - color[channel]) for channel in range(3))
    return np.maximum(np.maximum(red, green), blue)


def _longest_run(flags: np.ndarray) -> int:
    gaps = np.flatnonzero(~flags)
    return int(np.diff(gaps, prepend=-1, append=len(flags)).max()) - 1


def entropy(luma: Image.Image) -> float:
    """Shannon 1948, of the 256-bin grey histogram, bits."""
    counts = np.asarray(luma.histogram(), dtype=np.float64)
    shares = counts[counts > 0] / counts.sum()
    return max(0.0, -float((shares * np.log2(shares)).sum()))
