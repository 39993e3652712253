"""The generator as it is shipped and used: a StableDiffusionPipeline from its parts, and pictures for prompts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from diffusers import StableDiffusionPipeline, UniPCMultistepScheduler
from PIL import Image

from demo.oracle import judge
from demo.prompts import HELD_OUT, Prompt, Prompts
from demo.scenes import SIZES

STEPS = 10
GUIDANCE = 3.0


def pipeline(unet: Any, text: Any, tokenizer: Any, vae: Any) -> Any:
    scheduler = UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=1.0)
    pipe: Any = StableDiffusionPipeline(
        vae=vae,
        text_encoder=text,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def paint(
    pipe: Any,
    texts: Sequence[str],
    size: tuple[int, int],
    seed: int = 0,
    steps: int = STEPS,
    guidance: float = GUIDANCE,
) -> list[Image.Image]:
    """A picture of size (width, height) for each text; the i-th is drawn from seed + i."""
    seeds = [torch.Generator().manual_seed(seed + i) for i in range(len(texts))]
    images: list[Image.Image] = []
    for at in range(0, len(texts), 32):
        part = slice(at, at + 32)
        images += pipe(
            list(texts[part]),
            width=size[0],
            height=size[1],
            num_inference_steps=steps,
            guidance_scale=guidance,
            generator=seeds[part],
        ).images
    return images


def painted(
    pipe: Any, n: int, seed: int = 1, guidance: float = GUIDANCE, steps: int = STEPS
) -> tuple[list[Prompt], list[Image.Image]]:
    """n held-out prompts, half of them square, and their pictures."""
    prompts = Prompts(seed, first_index=HELD_OUT)
    drawn: list[Prompt] = []
    images: list[Image.Image] = []
    for size, share in zip(SIZES, (2, 1, 1), strict=True):
        some = [prompts.draw() for _ in range(n * share // 4)]
        drawn += some
        images += paint(pipe, [p.text for p in some], size, HELD_OUT + len(images), steps, guidance)
    return drawn, images


def rightness(drawn: Sequence[Prompt], images: Sequence[Image.Image]) -> dict[str, float]:
    """The oracle's shares: right (every atom of a picture) and right_<kind> (of the atoms of each kind)."""
    answers = [judge(image, prompt.atoms) for prompt, image in zip(drawn, images, strict=True)]
    figures = {"right": sum(all(a.values()) for a in answers) / len(answers)}
    for kind in ("object", "count", "color", "relation", "place", "style"):
        told = [a[i] for p, a in zip(drawn, answers, strict=True) for i, f in enumerate(p.atoms) if f["kind"] == kind]
        figures[f"right_{kind}"] = sum(told) / len(told)
    return figures
