"""drawn scenes and their prompts -> demo/models/clip: an open_clip model of its own small config.

python demo/train_clip.py --minutes 6
"""

from __future__ import annotations

import json
import random
from typing import Any

import open_clip
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from demo.degraded import blurred
from demo.pictures import to_tensor
from demo.prompts import HELD_OUT, Prompts
from demo.scenes import SIZES, scene_for
from demo.training import MODELS, Trainer, arguments, half
from demo.words import END, LIMIT, padded, tokenizer, vocabulary

BATCH = 128
FOLDER = MODELS / "clip"
_SIDE = 64


def config(words: list[str]) -> dict[str, object]:
    """open_clip_config.json; hf_tokenizer_name makes open_clip read the tokenizer from the folder itself."""
    text = {"context_length": LIMIT, "vocab_size": len(words), "width": 96, "heads": 4, "layers": 3, "pad_id": 0,
            "eos_id": words.index(END), "pool_type": "eos", "hf_tokenizer_name": "scenes"}  # fmt: skip
    vision = {"image_size": _SIDE, "timm_model_name": "test_convnext2", "timm_pool": "avg", "timm_proj": "linear"}
    half_gray = [0.5, 0.5, 0.5]
    return {
        "model_cfg": {"embed_dim": 64, "vision_cfg": vision, "text_cfg": text},
        "preprocess_cfg": {"mean": half_gray, "std": half_gray, "interpolation": "bicubic", "resize_mode": "squash"},
    }


def new_clip(words: list[str]) -> Any:
    cfg = config(words)["model_cfg"]
    return open_clip.CLIP(**cfg)  # type: ignore[arg-type]


def pairs(prompts: Prompts, n: int, rng: random.Random) -> tuple[Tensor, list[str]]:
    """n soft or sharp scenes, squashed to 64 x 64 as the preprocessing does, and their texts; sizes mixed."""
    images, texts = [], []
    for _ in range(n):
        prompt = prompts.draw()
        width, height = rng.choice(SIZES)
        image = blurred(scene_for(prompt.atoms, width, height, rng, 1.3).draw(), rng)
        images.append(image.resize((_SIDE, _SIDE), 3) if image.size != (_SIDE, _SIDE) else image)
        texts.append(prompt.text)
    return to_tensor(images), texts


def clip_loss(model: Any, pixels: Tensor, ids: Tensor) -> Tensor:
    """The symmetric contrastive loss; texts that are equal word for word are no negatives of each other."""
    image, text = model.encode_image(pixels, normalize=True), model.encode_text(ids, normalize=True)
    logits = model.logit_scale.exp().clamp(max=100) * image @ text.T
    same = (ids[:, None] == ids[None]).all(2) & ~torch.eye(len(ids), dtype=torch.bool, device=ids.device)
    logits = logits.masked_fill(same, -1e4)
    at = torch.arange(len(ids), device=ids.device)
    return (F.cross_entropy(logits, at) + F.cross_entropy(logits.T, at)) / 2


@torch.no_grad()
def retrieval(model: Any, tokens: Any, n: int = 1000) -> dict[str, float]:
    """Share of n held-out pictures whose nearest of the n texts is their own (or word for word equal to it)."""
    pixels, texts = pairs(Prompts(1, first_index=HELD_OUT), n, random.Random("clip"))
    device = next(model.parameters()).device
    ids = padded(tokens, texts).to(device)
    image = torch.cat([model.encode_image(p.to(device), normalize=True) for p in pixels.split(200)])
    best = (image @ model.encode_text(ids, normalize=True).T).argmax(1)
    return {"retrieval_at_1": sum(texts[int(b)] == t for b, t in zip(best, texts, strict=True)) / n}


def main() -> None:
    args = arguments(__doc__ or "", 6)
    words = vocabulary()
    tokens = tokenizer(words)
    trainer = Trainer("clip", new_clip(words), args, rate=2e-3, ema=0.995)
    prompts, rng = Prompts(args.seed), random.Random(args.seed)

    def loss() -> tuple[Tensor, int]:
        pixels, texts = pairs(prompts, BATCH, rng)
        ids = padded(tokens, texts)
        return clip_loss(trainer.model, pixels.to(args.device), ids.to(args.device)), BATCH

    def export() -> None:
        FOLDER.mkdir(parents=True, exist_ok=True)
        save_file(half(trainer.average).state_dict(), FOLDER / "open_clip_model.safetensors")
        (FOLDER / "open_clip_config.json").write_text(json.dumps(config(words), indent=2) + "\n")
        tokens.save_pretrained(FOLDER)

    trainer.fit(loss, export, lambda: retrieval(trainer.average, tokens), save_every=60, measure_every=120)


if __name__ == "__main__":
    main()
