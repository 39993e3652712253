"""Prints what the shipped models reach on held-out prompts and seeds.

.venv/bin/python demo/evaluate.py [MODEL ...] [--samples N] [--steps N] [--guidance X] [--sheet FILE]
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from PIL import Image
from sklearn.datasets import load_sample_image

from demo.asking import answers
from demo.measures import labeled_scenes, separation
from demo.painting import GUIDANCE, STEPS, painted, rightness
from demo.pictures import contact_sheet
from demo.prompts import HELD_OUT, Prompts
from demo.train_clip import retrieval
from demo.train_vae import measure_vae
from demo.training import MODELS
from udfs.scene_detector import load_scene_detector

Figures = dict[str, float]


def evaluate_vae(n: int) -> Figures:
    return measure_vae(AutoencoderKL.from_pretrained(MODELS / "vae", torch_dtype=torch.float32), n)


def load_generator(folder: Path = MODELS / "generator") -> Any:
    pipe = StableDiffusionPipeline.from_pretrained(
        folder,
        torch_dtype=torch.float32,
        local_files_only=True,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def evaluate_generator(n: int, steps: int = STEPS, guidance: float = GUIDANCE) -> Figures:
    """The oracle's shares at the given number of steps and guidance."""
    return rightness(*painted(load_generator(), n, 2, guidance, steps))


def evaluate_clip(n: int) -> Figures:
    import open_clip

    source = f"local-dir:{MODELS / 'clip'}"
    model, _, _ = open_clip.create_model_and_transforms(source)
    return retrieval(model.eval(), open_clip.get_tokenizer(source).tokenizer, min(1000, 4 * n))


def evaluate_detector(n: int) -> Figures:
    """auc_<kind>, and the largest chance, 0..1, that it gives one of two photographs to be of its world."""
    detector = load_scene_detector(MODELS / "scene_detector")
    held = labeled_scenes(n, Prompts(3, first_index=HELD_OUT), random.Random("evaluate"))
    scores = detector.atom_probabilities([h.picture.image for h in held], [h.atoms for h in held])
    photographs = [Image.fromarray(load_sample_image(name)) for name in ("china.jpg", "flower.jpg")]
    scenes = detector.in_world([h.picture.image for h in held])
    return separation(held, scores) | {
        "photograph_in_world_at_most": max(detector.in_world(photographs)),
        "scene_in_world_at_least": min(scenes),
    }


def evaluate_judge(n: int) -> Figures:
    held = labeled_scenes(n // 2, Prompts(3, first_index=HELD_OUT), random.Random("evaluate"))
    return separation(held, answers(MODELS / "judge", [h.picture.image for h in held], [h.atoms for h in held]))


EVALUATIONS: dict[str, Callable[..., Figures]] = {
    "vae": evaluate_vae,
    "generator": evaluate_generator,
    "clip": evaluate_clip,
    "scene_detector": evaluate_detector,
    "judge": evaluate_judge,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", metavar="MODEL", help=f"of {', '.join(EVALUATIONS)}; all if none is named")
    parser.add_argument("--samples", type=int, default=128)
    parser.add_argument("--steps", type=int, default=STEPS, help="of the generator")
    parser.add_argument("--guidance", type=float, default=GUIDANCE, help="of the generator")
    parser.add_argument("--sheet", type=Path, help="write a contact sheet of generated pictures there instead")
    args = parser.parse_args()
    unknown = sorted(set(args.models) - set(EVALUATIONS))
    if unknown:
        parser.error(f"{', '.join(unknown)}: no such model; allowed: {', '.join(EVALUATIONS)}")
    torch.set_num_threads(1)
    if args.sheet:
        prompts, images = painted(load_generator(), args.samples, 2, args.guidance, args.steps)
        contact_sheet(images).save(args.sheet)
        print("\n".join(f"{i:3d} {p.text}" for i, p in enumerate(prompts)))
        return
    for name in args.models or EVALUATIONS:
        note = f" ({args.steps} steps, guidance {args.guidance})" if name == "generator" else ""
        settings = {"steps": args.steps, "guidance": args.guidance} if name == "generator" else {}
        told = EVALUATIONS[name](args.samples, **settings)
        print(f"{name}{note}: " + ", ".join(f"{key} {value:.3f}" for key, value in told.items()), flush=True)


if __name__ == "__main__":
    main()
