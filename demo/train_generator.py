"""drawn scenes -> demo/models/generator: a StableDiffusionPipeline by flow matching in the latents of demo/models/vae.

.venv/bin/python demo/train_generator.py --minutes 40
"""

from __future__ import annotations

import random
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel

from demo.latents import Latents
from demo.painting import painted, pipeline, rightness
from demo.prompts import Prompts
from demo.reading import learn_to_read
from demo.training import MODELS, Trainer, arguments, half, log
from demo.words import LIMIT, tokenizer, vocabulary

BATCH = 32
TEXT_WIDTH = 96
DROPPED = 0.1  # share of samples without their text, for classifier-free guidance


def new_unet() -> Any:
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=4,
        out_channels=4,
        block_out_channels=(32, 64, 96),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=4,  # diffusers reads it as the number of heads
        norm_num_groups=16,
    )


def new_text(words: list[str]) -> Any:
    config = CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=TEXT_WIDTH,
        intermediate_size=4 * TEXT_WIDTH,
        projection_dim=TEXT_WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=LIMIT,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=3,
    )
    return CLIPTextModel(config)


def flow_loss(unet: Any, text: Any, latents: Tensor, weight: Tensor, ids: Tensor) -> Tensor:
    """x = (1 - s) latents + s noise, target noise - latents, s = sigmoid(normal); shapes weigh more than the ground."""
    noise = torch.randn_like(latents)
    s = torch.sigmoid(torch.randn(len(latents), device=latents.device))
    mixed = latents + s[:, None, None, None] * (noise - latents)
    told = unet(mixed, 1000 * s, text(ids).last_hidden_state).sample.float()
    error = (told - (noise - latents)).pow(2).mean(1)
    return (weight * error).sum() / weight.sum()


def main() -> None:
    args = arguments(__doc__ or "", 40)
    words = vocabulary()
    tokens = tokenizer(words)
    vae: Any = AutoencoderKL.from_pretrained(MODELS / "vae", torch_dtype=torch.float32).to(args.device).eval()
    text = new_text(words)
    if not (MODELS.parent / "checkpoints" / "generator.pt").exists():
        log.info("text encoder names %.3f of the atoms", learn_to_read(text, tokens, Prompts(args.seed + 7)))
    trainer = Trainer("generator", nn.ModuleDict({"unet": new_unet(), "text": text}), args, rate=1.3e-3)
    rng = random.Random(f"{args.seed}/{torch.seed()}")
    pool = Latents(vae, tokens, Prompts(rng.getrandbits(30)), rng)
    model: Any = trainer.model
    average: Any = trainer.average
    empty = torch.tensor(tokens("", padding="max_length", max_length=LIMIT).input_ids, device=args.device)

    def loss() -> tuple[Tensor, int]:
        latents, weight, ids = pool.batch(BATCH)
        ids = torch.where(torch.rand(BATCH, 1, device=ids.device) < DROPPED, empty, ids)
        return flow_loss(model["unet"], model["text"], latents, weight, ids), BATCH

    def measure() -> dict[str, float]:
        return rightness(*painted(pipeline(average["unet"], average["text"], tokens, vae), 128))

    def export() -> None:
        shipped = half(vae)
        shipped.register_to_config(_name_or_path="demo/models/vae")  # it was loaded from a path of this machine
        pipe = pipeline(half(average["unet"]), half(average["text"]), tokens, shipped)
        pipe.save_pretrained(MODELS / "generator")

    trainer.fit(loss, export, measure, measure_every=480)


if __name__ == "__main__":
    main()
