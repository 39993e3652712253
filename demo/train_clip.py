"""drawn scenes and their prompts -> demo/models/clip: an open_clip model of its own small config.

.venv/bin/python demo/train_clip.py --minutes 6
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

from demo.degraded import Labeled, blurred, label
from demo.pictures import to_tensor
from demo.prompts import HELD_OUT, Prompt, Prompts
from demo.scenes import SIZES, scene_for
from demo.training import MODELS, Trainer, arguments, half
from demo.truth import holds
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


def pairs(prompts: Prompts, n: int, rng: random.Random) -> tuple[Tensor, list[Prompt], list[Labeled]]:
    """n soft or sharp scenes, squashed to 64 x 64 as the preprocessing does, with prompts and labels; sizes mixed."""
    drawn = [prompts.draw() for _ in range(n)]
    seen = [label(scene_for(p.atoms, *rng.choice(SIZES), rng, 1.3)) for p in drawn]
    images = [blurred(scene.image, rng) for scene in seen]
    return to_tensor([i if i.size == (_SIDE, _SIDE) else i.resize((_SIDE, _SIDE), 3) for i in images]), drawn, seen


def same_facts(drawn: list[Prompt]) -> Tensor:
    """(n, n): do two prompts state the same, in whatever words."""
    keys = ["/".join(sorted(str(sorted(a.items(), key=str)) for a in p.atoms)) for p in drawn]
    numbers = torch.tensor([{key: i for i, key in enumerate(keys)}[key] for key in keys])
    return numbers[:, None] == numbers[None]


def clip_loss(model: Any, pixels: Tensor, ids: Tensor, same: Tensor) -> Tensor:
    """The symmetric contrastive loss; prompts that state the same are no negatives of each other."""
    image, text = model.encode_image(pixels, normalize=True), model.encode_text(ids, normalize=True)
    logits = model.logit_scale.exp().clamp(max=100) * image @ text.T
    logits = logits.masked_fill(same & ~torch.eye(len(ids), dtype=torch.bool, device=ids.device), -1e4)
    at = torch.arange(len(ids), device=ids.device)
    return (F.cross_entropy(logits, at) + F.cross_entropy(logits.T, at)) / 2


@torch.no_grad()
def retrieval(model: Any, tokens: Any, n: int = 1000) -> dict[str, float]:
    """Share of n held-out pictures of whose nearest text, of the n, every fact is true; chance: of any other text."""
    pixels, drawn, seen = pairs(Prompts(1, first_index=HELD_OUT), n, random.Random("clip"))
    device = next(model.parameters()).device
    texts = model.encode_text(padded(tokens, [p.text for p in drawn]).to(device), normalize=True)
    image = torch.cat([model.encode_image(part.to(device), normalize=True) for part in pixels.split(200)])
    best = (image @ texts.T).argmax(1).tolist()

    def true(at: int, text: int) -> bool:
        return all(holds(seen[at], fact) for fact in drawn[text].atoms)

    chance = sum(true(at, (at + 1) % n) for at in range(n)) / n
    return {"retrieval_at_1": sum(true(at, text) for at, text in enumerate(best)) / n, "chance": chance}


def main() -> None:
    args = arguments(__doc__ or "", 6)
    words = vocabulary()
    tokens = tokenizer(words)
    trainer = Trainer("clip", new_clip(words), args, rate=2e-3, ema=0.995)
    prompts, rng = Prompts(args.seed), random.Random(args.seed)

    def loss() -> tuple[Tensor, int]:
        pixels, drawn, _ = pairs(prompts, BATCH, rng)
        ids, same = padded(tokens, [p.text for p in drawn]), same_facts(drawn)
        return clip_loss(trainer.model, *(t.to(args.device) for t in (pixels, ids, same))), BATCH

    def export() -> None:
        FOLDER.mkdir(parents=True, exist_ok=True)
        save_file(half(trainer.average).state_dict(), FOLDER / "open_clip_model.safetensors")
        (FOLDER / "open_clip_config.json").write_text(json.dumps(config(words), indent=2) + "\n")
        tokens.save_pretrained(FOLDER)

    trainer.fit(loss, export, lambda: retrieval(trainer.average, tokens), save_every=60, measure_every=120)


if __name__ == "__main__":
    main()
