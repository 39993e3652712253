"""`make bench-gpu`: what a stage makes of an accelerator, against a plain loop over the same loaded model.

The nets have the real ones' shapes and random weights, since no hub is asked: the time is theirs, the pictures are noise.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa

from bench.pairs import Pair, paired
from bench.pictures import jpegs
from conf.recipe import load_recipe
from jobs.specs import generator_spec
from tests import tiny_scorers
from tests.tiny_generators import z_image
from tests.tiny_judges import qwen
from udfs import harness, judges
from udfs.atoms import atom
from udfs.device import claim_device, device_name
from udfs.generators import DiffusersGenerator
from udfs.harness import Model, Spec, Stage, loaded
from udfs.judges import TransformersJudge
from udfs.scorers import SCORERS
from udfs.scorers.fused import COLUMNS, ScorerSet
from udfs.scorers.spec import Source

ROUNDS = 3
SIDE = 1024  # pixels
RENDERED = 12
SCORED = 128
JUDGED = 16
QUESTIONS = [f"is there a {color} circle in the picture ?" for color in ("red", "blue")] + ["is every circle red ?"] * 3
_ID = (("id", pa.string()),)
_PICTURE = (("image", pa.binary()), ("sha256", pa.string()))


def rendering(device: str, folder: Path) -> Pair:
    """Z-Image-Turbo's shape (6 billion parameters, a text encoder of 4), as conf/fine_t2i.yaml calls it."""
    generation = load_recipe("conf/fine_t2i.yaml").generation
    entry = generation.generators[0].model_copy(update={"model": str(z_image(folder)), "revision": None})
    spec = generator_spec(entry, generation.quality)
    _enlarge(spec, device)
    rows = [
        {"id": str(n), "text": "a red circle in the snow", "seed": n, "width": SIDE, "height": SIDE}
        for n in range(RENDERED)
    ]
    return _paired(spec, _PICTURE, rows, device)


def _enlarge(spec: DiffusersGenerator, device: str) -> None:
    """Load the tiny pipeline and give it nets of the real shapes."""
    import torch
    from diffusers import AutoencoderKL, ZImageTransformer2DModel
    from transformers import Qwen3Config, Qwen3Model

    pipe = loaded(spec, device).pipe  # type: ignore[attr-defined]
    torch.set_default_dtype(torch.bfloat16)
    with torch.device(device):
        transformer: Any = ZImageTransformer2DModel()
        pipe.transformer = transformer.eval()  # its defaults are the published model's
        pipe.text_encoder = Qwen3Model(
            Qwen3Config(
                vocab_size=pipe.text_encoder.config.vocab_size,
                hidden_size=2560,
                intermediate_size=9728,
                num_hidden_layers=36,
                num_attention_heads=32,
                num_key_value_heads=8,
                head_dim=128,
            )
        ).eval()
        vae: Any = AutoencoderKL(
            block_out_channels=(128, 256, 512, 512),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=2,
            latent_channels=16,
            scaling_factor=0.3611,
            shift_factor=0.1159,
        )
        vae.eval()
        with torch.inference_mode():  # random weights decode to nearly one grey, which would be refused
            spread = float(vae.decode(torch.randn(1, 16, 32, 32)).sample.float().std())
            vae.decoder.conv_out.weight.mul_(0.3 / spread)
    torch.set_default_dtype(torch.float32)
    pipe.vae = vae


def scoring(device: str, folder: Path) -> Pair:
    """technical, CLIP ViT-L/14, the aesthetic head on it, and open_nsfw, as conf/fine_t2i.yaml has them."""
    import open_clip
    import torch

    net: Any = open_clip.create_model("ViT-L-14-quickgelu", pretrained=None)
    torch.save(net.state_dict(), folder / "clip.pt")
    tiny_scorers.head(folder / "head.safetensors", 768, "layers.", (0, 2, 4, 6, 7))
    clip = Source("clip", "ViT-L-14-quickgelu", str(folder / "clip.pt"))
    aesthetic = Source("aesthetic", str(folder / "head.safetensors"), "1")
    scorers = ScorerSet(
        (
            SCORERS["technical"]("technical"),
            SCORERS["clip_l14"]("clip_l14", clip),
            SCORERS["aesthetic_laion_v2"]("aesthetic_laion_v2", aesthetic, clip),
            SCORERS["nsfw_opennsfw"]("nsfw_opennsfw"),
        ),
        64,
    )
    atoms = [atom("object", "circle", "circle"), atom("color", "circle", "red")]
    rows = [
        {"id": str(n), "image": image, "text": f"a red circle and {n} blue squares", "atoms": atoms}
        for n, image in enumerate(jpegs(SCORED, SIDE))
    ]
    return _paired(scorers, COLUMNS, rows, device)


def judging(device: str, folder: Path) -> Pair:
    """Qwen3-VL-8B's shape: five questions a picture, the picture seen once, against one pass over the whole prompt a question."""
    import torch
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

    spec = TransformersJudge("qwen3_vl", str(qwen(folder)), "1", "bfloat16", 32)
    judge: Any = loaded(spec, device)
    tiny = judge.net.config
    torch.set_default_dtype(torch.bfloat16)
    with torch.device(device):
        judge.net = Qwen3VLForConditionalGeneration(
            Qwen3VLConfig(
                vision_config={
                    "out_hidden_size": 4096,
                    "dtype": "bfloat16",
                },  # else its defaults are the published model's
                text_config={
                    "hidden_size": 4096,
                    "intermediate_size": 12288,
                    "num_hidden_layers": 36,
                    "num_attention_heads": 32,
                    "num_key_value_heads": 8,
                    "rope_parameters": {"rope_type": "default", "rope_theta": 5e6, "mrope_section": [24, 20, 20]},
                },
                **{name: getattr(tiny, name) for name in tiny.to_dict() if name.endswith("_token_id")},
            )
        ).eval()
    torch.set_default_dtype(torch.float32)
    rows = [{"image": image, "questions": QUESTIONS} for image in jpegs(JUDGED, SIDE)]
    batch = [judge.prepare(row) for row in rows]

    def whole_prompts() -> None:
        with mock.patch.object(judges, "SEEN_ONCE", ()):
            judge.run(batch)

    return paired(lambda: judge.run(batch), whole_prompts, ROUNDS)


def _paired(spec: Spec, columns: Any, rows: list[dict[str, Any]], device: str) -> Pair:
    stage = Stage(spec, _ID, columns)
    model = loaded(spec, device)

    def ours() -> None:
        wrong = [row["error_message"] for row in stage.answers(iter(rows)) if row["status"] != "ok"]
        assert not wrong, wrong[0]

    return paired(ours, lambda: _loop(model, rows, spec.batch_size), ROUNDS)


def _loop(model: Model, rows: list[dict[str, Any]], size: int) -> None:
    """A batch at a time: decode, run, encode."""
    for start in range(0, len(rows), size):
        batch = rows[start : start + size]
        results = model.run([model.prepare(row) for row in batch])
        for row, result in zip(batch, results, strict=True):
            model.finish(row, result)


def main() -> int:
    device = claim_device()
    if device == "cpu":
        print("no accelerator is here; make bench measures on the CPU")
        return 1
    print(f"on one {device_name(device)}")
    print("| what | ours | baseline | baseline's | ratio: median (range) |\n|---|---|---|---|---|", flush=True)
    for measure, what, against, count in (
        (rendering, f"rendering at {SIDE} px", "a loop, batch by batch", RENDERED),
        (scoring, f"scoring at {SIDE} px", "a loop, batch by batch", SCORED),
        (judging, f"judging at {SIDE} px", "whole prompts", JUDGED),
    ):
        with tempfile.TemporaryDirectory() as folder:
            pair = measure(device, Path(folder))
        print(pair.row(what, against, count, "pictures"), flush=True)
        harness._cache.clear()
        harness.free_memory()
    return 0


if __name__ == "__main__":
    sys.exit(main())
