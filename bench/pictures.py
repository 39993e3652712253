"""Pictures to measure with: crops of the photographs that scikit-learn ships, as JPEG."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images


def jpegs(count: int, side: int) -> list[bytes]:
    """`count` different square crops of that side in pixels, always the same."""
    photographs = [Image.fromarray(pixels) for pixels in load_sample_images().images]
    draw = np.random.default_rng(0)
    out = []
    for number in range(count):
        photograph = photographs[number % len(photographs)]
        edge = int(draw.integers(200, min(photograph.size) + 1))
        left, top = (int(draw.integers(0, size - edge + 1)) for size in photograph.size)
        buffer = io.BytesIO()
        photograph.crop((left, top, left + edge, top + edge)).resize((side, side)).save(buffer, "JPEG", quality=92)
        out.append(buffer.getvalue())
    return out
