"""A growing pool of drawn scenes as latents: every batch draws a few new ones, so that a training can start at once."""

from __future__ import annotations

import random
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from demo.pictures import draw_batch, to_tensor
from demo.prompts import Prompts
from demo.scenes import SIZES
from demo.words import padded

_NEW = 8  # new scenes a batch until the pool is full
_FULL = 40_000  # scenes of one size
_SHAPE_WEIGHT = 3.0


class Latents:
    """batch(n) -> latents (n, 4, h, w), weights (n, h, w), token ids (n, LIMIT), all of one size."""

    def __init__(self, vae: Any, tokens: Any, prompts: Prompts, rng: random.Random) -> None:
        self._vae, self._tokens, self._prompts, self._rng = vae, tokens, prompts, rng
        self._pools: dict[tuple[int, int], list[tuple[Tensor, Tensor, Tensor]]] = {size: [] for size in SIZES}

    def batch(self, n: int) -> tuple[Tensor, Tensor, Tensor]:
        size = SIZES[self._rng.choice((0, 0, 1, 2))]
        pool = self._pools[size]
        fresh = n if len(pool) < 4 * n else _NEW if len(pool) < _FULL else 0
        if fresh:
            pool += self._encode(fresh, size)
        rows = pool[len(pool) - fresh :] + self._rng.choices(pool, k=n - fresh)
        latents, weights, ids = (torch.stack(part).to(self._vae.device) for part in zip(*rows, strict=True))
        return latents.float(), weights.float(), ids.long()

    @torch.no_grad()
    def _encode(self, n: int, size: tuple[int, int]) -> list[tuple[Tensor, Tensor, Tensor]]:
        drawn, images = draw_batch(self._prompts, n, self._rng, size)
        pixels = to_tensor(images).to(self._vae.device)
        latents = self._vae.encode(pixels).latent_dist.mode() * self._vae.config.scaling_factor
        shape = ((pixels - pixels[:, :, :1, :1]).abs().amax(1, keepdim=True) > 0.15).float()
        weights = 1 + (_SHAPE_WEIGHT - 1) * F.max_pool2d(shape, 4)[:, 0]
        ids = padded(self._tokens, [p.text for p in drawn])
        rows = zip(latents.half().cpu(), weights.half().cpu(), ids.to(torch.int16), strict=True)
        return [(a.clone(), b.clone(), c.clone()) for a, b, c in rows]
