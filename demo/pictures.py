"""Pictures and tensors of drawn scenes, a batch of one size at a time."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from demo.prompts import Prompt, Prompts
from demo.scenes import SIZES, scene_for


def size_of(rng: random.Random) -> tuple[int, int]:
    """Half of all pictures are square, the rest are wide or tall."""
    return SIZES[rng.choice((0, 0, 1, 2))]


def draw_batch(
    prompts: Prompts, n: int, rng: random.Random, size: tuple[int, int] | None = None, jitter: float = 1.0
) -> tuple[list[Prompt], list[Image.Image]]:
    """n prompts and a true scene for each, all of one size (drawn if None)."""
    width, height = size or size_of(rng)
    drawn = [prompts.draw() for _ in range(n)]
    return drawn, [scene_for(p.atoms, width, height, rng, jitter).draw() for p in drawn]


def to_tensor(images: Sequence[Image.Image]) -> Tensor:
    """(n, 3, height, width) in -1..1."""
    array = np.stack([np.asarray(image.convert("RGB")) for image in images])
    return torch.from_numpy(array).permute(0, 3, 1, 2).float() / 127.5 - 1


def to_images(batch: Tensor) -> list[Image.Image]:
    """The inverse of to_tensor, clipped and rounded."""
    array = ((batch.detach().float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return [Image.fromarray(pixels) for pixels in array]


def contact_sheet(images: Sequence[Image.Image], columns: int = 12, cell: int = 84) -> Image.Image:
    """The pictures in a grid, in reading order, unscaled."""
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * cell, rows * cell), (128, 128, 128))
    for i, image in enumerate(images):
        sheet.paste(image, ((i % columns) * cell + 2, (i // columns) * cell + 2))
    return sheet
