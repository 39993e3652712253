"""Labeled pictures as the generator's VAE would decode them from latents that are a little off: a growing pool of them.

A generated picture is never as clean as a drawn one; who shall judge it must have seen that.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import torch
from diffusers import AutoencoderKL
from torch.nn import functional as F

from demo.degraded import Labeled
from demo.pictures import to_images, to_tensor
from demo.scenes import SIZES
from demo.training import MODELS

_FULL = 6_000  # pictures of one size
_NEW = 0.15  # share of a batch that is new until the pool is full
_MOST = 0.35  # standard deviation of the noise at most; that of the latents is about 1

Draw = Callable[[int, int], Labeled]


class WornPictures:
    """take(n, size) -> n labeled pictures of one (width, height); `draw` makes the clean ones."""

    def __init__(self, draw: Draw, rng: random.Random, device: str) -> None:
        vae: Any = AutoencoderKL.from_pretrained(MODELS / "vae", torch_dtype=torch.float32)
        self._vae, self._draw, self._rng = vae.to(device).eval(), draw, rng
        self._pools: dict[tuple[int, int], list[Labeled]] = {size: [] for size in SIZES}

    def take(self, n: int, size: tuple[int, int]) -> list[Labeled]:
        pool = self._pools[size]
        fresh = n if len(pool) < 4 * n else round(_NEW * n) if len(pool) < _FULL else 0
        if fresh:
            pool += self._wear([self._draw(*size) for _ in range(fresh)])
        return pool[len(pool) - fresh :] + self._rng.choices(pool, k=n - fresh)

    @torch.no_grad()
    def _wear(self, clean: list[Labeled]) -> list[Labeled]:
        pixels = to_tensor([picture.image for picture in clean]).to(self._vae.device)
        latents = self._vae.encode(pixels).latent_dist.mode()
        noise = torch.randn_like(latents)
        noise = 0.5 * noise + 1.5 * F.avg_pool2d(F.pad(noise, (1, 1, 1, 1), mode="reflect"), 3, 1)  # spots, not dust
        reach = _MOST * torch.rand(len(clean), 1, 1, 1, device=latents.device)
        images = to_images(self._vae.decode(latents + reach * noise).sample)
        return [Labeled(image, one.place, one.marks) for image, one in zip(images, clean, strict=True)]
