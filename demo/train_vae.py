"""drawn scenes -> demo/models/vae: an AutoencoderKL, 4 times smaller, 4 channels.

.venv/bin/python demo/train_vae.py --minutes 15
"""

from __future__ import annotations

import copy
import random
from typing import Any

import torch
from diffusers import AutoencoderKL
from torch import Tensor
from torch.nn import functional as F

from demo.oracle import wholly_right
from demo.pictures import draw_batch, to_images, to_tensor
from demo.prompts import HELD_OUT, Prompts
from demo.scenes import SIZES
from demo.training import MODELS, Trainer, arguments, half

BATCH = 32


def new_vae() -> Any:
    widths = (16, 32, 64)
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * len(widths),
        up_block_types=("UpDecoderBlock2D",) * len(widths),
        block_out_channels=widths,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=8,  # one channel a group would lose the color
        mid_block_add_attention=False,
        sample_size=64,
    )


def vae_loss(vae: Any, pixels: Tensor) -> Tensor:
    """L1 + L2, where the picture differs from its background four times as heavy, + gradients + a little KL."""
    posterior = vae.encode(pixels).latent_dist
    again = vae.decode(posterior.sample()).sample.float()
    ground = pixels[:, :, :1, :1]
    weight = 1 + 3 * F.max_pool2d(((pixels - ground).abs().amax(1, keepdim=True) > 0.15).float(), 3, 1, 1)
    error = again - pixels
    plain = (weight * (error.abs() + error**2)).mean()
    edges = error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean()
    spread = posterior.logvar.exp() + posterior.mean**2 - 1 - posterior.logvar
    return plain + 0.5 * edges + 3e-4 * spread.mean()


@torch.no_grad()
def measure_vae(vae: Any, n: int = 128) -> dict[str, float]:
    """On held-out scenes of all sizes: PSNR in dB, share that the oracle finds wholly right after a round trip."""
    prompts, rng = Prompts(1, first_index=HELD_OUT), random.Random("vae")
    psnr, right = [], []
    for size in SIZES:
        drawn, images = draw_batch(prompts, n, rng, size)
        pixels = to_tensor(images).to(vae.device)
        again = vae.decode(vae.encode(pixels).latent_dist.mode()).sample.clamp(-1, 1)
        psnr += (-10 * torch.log10(((again - pixels) / 2).pow(2).mean((1, 2, 3)))).tolist()
        right += [wholly_right(image, p.atoms) for p, image in zip(drawn, to_images(again), strict=True)]
    return {"psnr": sum(psnr) / len(psnr), "round_trip_right": sum(right) / len(right)}


@torch.no_grad()
def normalized(vae: Any) -> Any:
    """A copy whose latents have mean 0 and deviation 1 a channel: folded into its two 1 x 1 convolutions, exactly."""
    vae = copy.deepcopy(vae)
    _, images = draw_batch(Prompts(2), 256, random.Random("scale"), SIZES[0])
    latents = vae.encode(to_tensor(images).to(vae.device)).latent_dist.mode()
    mean, std = latents.mean((0, 2, 3)), latents.std((0, 2, 3))
    n, inward, outward = len(mean), vae.quant_conv, vae.post_quant_conv
    outward.bias += outward.weight[:, :, 0, 0] @ mean
    outward.weight *= std[None, :, None, None]
    inward.weight[:n] /= std[:, None, None, None]
    inward.bias[:n] = (inward.bias[:n] - mean) / std
    inward.bias[n:] -= 2 * std.log()  # the log-variances
    vae.register_to_config(scaling_factor=1.0)
    return vae


def main() -> None:
    args = arguments(__doc__ or "", 15)
    trainer = Trainer("vae", new_vae(), args, rate=2e-3, ema=0.995)
    average: Any = trainer.average
    prompts, rng = Prompts(args.seed), random.Random(args.seed)

    def loss() -> tuple[Tensor, int]:
        _, images = draw_batch(prompts, BATCH, rng)
        with torch.autocast(args.device, torch.bfloat16):
            return vae_loss(trainer.model, to_tensor(images).to(args.device)), BATCH

    def export() -> None:
        half(normalized(average)).save_pretrained(MODELS / "vae")

    trainer.fit(loss, export, lambda: measure_vae(average), measure_every=240)


if __name__ == "__main__":
    main()
