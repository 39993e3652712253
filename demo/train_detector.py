"""drawn, degraded, worn and strange pictures -> demo/models/scene_detector.

.venv/bin/python demo/train_detector.py --minutes 25
"""

from __future__ import annotations

import json
import random
from dataclasses import asdict

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from demo.degraded import Labeled, labeled
from demo.measures import labeled_scenes, separation
from demo.pictures import size_of, to_tensor
from demo.prompts import HELD_OUT, Prompts
from demo.scenes import COLORS, PLACES, SIZES, STYLES
from demo.shapes import SHAPES
from demo.strange import strange
from demo.training import MODELS, Trainer, arguments, half
from demo.worn import WornPictures
from udfs.scene_detector import STRIDE, SceneDetector, Words, build, split

BATCH = 64
WORN = 44
WORDS = Words(SHAPES, tuple(COLORS), STYLES, tuple(PLACES), SIZES)
FOLDER = MODELS / "scene_detector"


def labeled_batch(prompts: Prompts, rng: random.Random, worn: WornPictures) -> list[Labeled]:
    """A batch of one size: most of it worn, the rest clean or (a sixth) not of this world."""
    size = size_of(rng)
    batch = worn.take(WORN, size)
    while len(batch) < BATCH:
        foreign = rng.random() < 0.5
        batch.append(Labeled(strange(*size, rng), None, ()) if foreign else labeled(prompts, rng, *size))
    return batch


def targets(batch: list[Labeled]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Class indexes a cell for shape, color, style (-100: not asked there) and a picture for place."""
    width, height = batch[0].image.size
    size = (len(batch), height // STRIDE, width // STRIDE)
    shape, color, style = torch.zeros(size, dtype=torch.long), torch.full(size, -100), torch.full(size, -100)
    for i, picture in enumerate(batch):
        for mark in picture.marks:
            cell = i, min(size[1] - 1, int(mark.y / STRIDE)), min(size[2] - 1, int(mark.x / STRIDE))
            shape[cell] = WORDS.shapes.index(mark.shape) + 1 if mark.shape else len(WORDS.shapes) + 1
            color[cell] = WORDS.colors.index(mark.color) if mark.color else len(WORDS.colors)
            style[cell] = WORDS.styles.index(str(mark.style))
    place = torch.tensor([WORDS.places.index(p.place) if p.place else len(WORDS.places) for p in batch])
    return shape, color, style, place


def detector_loss(net: torch.nn.Module, batch: list[Labeled], device: str) -> Tensor:
    cells, places = net(to_tensor([p.image for p in batch]).to(device))
    logits = [part.float() for part in split(cells, WORDS)]
    shape, color, style, place = (t.to(device) for t in targets(batch))
    weight = torch.where(shape > 0, 4.0, 1.0)
    where = (F.cross_entropy(logits[0], shape, reduction="none") * weight).sum() / len(batch)
    looks = F.cross_entropy(logits[1], color) + 0.5 * F.cross_entropy(logits[2], style)
    return 0.2 * where + 0.5 * looks + F.cross_entropy(places.float(), place)


def export(net: torch.nn.Module) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    save_file(half(net).state_dict(), FOLDER / "model.safetensors")
    (FOLDER / "config.json").write_text(json.dumps(asdict(WORDS), indent=2) + "\n")


def main() -> None:
    args = arguments(__doc__ or "", 25)
    trainer = Trainer("detector", build(WORDS), args, rate=3e-3, ema=0.998)
    rng = random.Random(f"{args.seed}/{trainer.done}")
    prompts = Prompts(rng.getrandbits(30))
    worn = WornPictures(lambda width, height: labeled(prompts, rng, width, height), rng, args.device)

    def loss() -> tuple[Tensor, int]:
        trainer.model.train()
        return detector_loss(trainer.model, labeled_batch(prompts, rng, worn), args.device), BATCH

    def measure() -> dict[str, float]:
        found = SceneDetector(WORDS, trainer.average, args.device)
        held = labeled_scenes(200, Prompts(1, first_index=HELD_OUT), random.Random("detector"))
        scores = found.atom_probabilities([h.picture.image for h in held], [h.atoms for h in held])
        return separation(held, scores)

    trainer.fit(loss, lambda: export(trainer.average), measure, save_every=60, measure_every=300)


if __name__ == "__main__":
    main()
