"""Tiny scorers' and judges' models of the real classes, built from their configs with random weights."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from tests.tiny_models import tokenizer

WORDS = ["a", "red", "blue", "circle", "square", "is", "there", "in", "the", "picture", "every", "?", "yes", "no"]


def jpeg(image: Image.Image, quality: int = 95) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()


def drawn(color: str = "red", x: int = 20, size: tuple[int, int] = (64, 64)) -> Image.Image:
    """A circle on a light ground with a slight slope of brightness."""
    image = Image.linear_gradient("L").resize(size).point(lambda value: 215 + value // 16).convert("RGB")
    ImageDraw.Draw(image).ellipse((x, 20, x + 24, 44), fill=color)
    return image


def clip(folder: Path, seed: int = 0, **model: object) -> Path:
    """An open_clip directory: 32 px, 16 wide, 12 tokens of context."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    tokenizer(folder, WORDS, length=12)
    config = {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 16, "head_width": 8, "patch_size": 8},
        "text_cfg": {
            "context_length": 12,
            "vocab_size": len(WORDS) + 4,
            "width": 16,
            "heads": 2,
            "layers": 1,
            "hf_tokenizer_name": "here",
        },
        **model,
    }
    mean = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": mean}))
    torch.manual_seed(seed)
    net = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.normal_(0, 0.3)  # far from the careful start, so that different pictures get different scores
    save_file(
        {name: tensor.clone() for name, tensor in net.state_dict().items()}, folder / "open_clip_model.safetensors"
    )
    return folder


def head(file: Path, width: int, prefix: str, places: tuple[int, ...]) -> dict[str, object]:
    """A random aesthetic head (width-1024-128-64-16-1) saved under the published names; its state."""
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(1)
    sizes = (width, 1024, 128, 64, 16, 1)
    state = {}
    for place, inside, outside in zip(places, sizes, sizes[1:], strict=False):
        state[f"{prefix}{place}.weight"] = torch.randn(outside, inside) / inside**0.5
        state[f"{prefix}{place}.bias"] = torch.randn(outside)
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, file)
    return state


def siglip(folder: Path) -> Path:
    """A SigLIP vision tower of 16 px and 8 wide with its image processor."""
    import torch
    from transformers import SiglipImageProcessor, SiglipVisionConfig, SiglipVisionModel

    torch.manual_seed(2)
    config = SiglipVisionConfig(
        hidden_size=8, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=16, patch_size=8
    )
    SiglipVisionModel(config).save_pretrained(folder)
    SiglipImageProcessor(size={"height": 16, "width": 16}).save_pretrained(folder)
    return folder


def judge(folder: Path, words: list[str] = WORDS, begins_with: tuple[str, ...] = ("yes", "no")) -> Path:
    """A LLaVA directory: CLIP vision tower of 32 px, Llama of two layers, a chat template.

    Nearly all the probability of its first token lies on `begins_with`.
    """
    import torch
    from transformers import (
        CLIPImageProcessor,
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
        PreTrainedTokenizerFast,
    )

    fast = PreTrainedTokenizerFast.from_pretrained(tokenizer(folder, words, length=64))
    fast.add_special_tokens({"additional_special_tokens": ["<image>"]})
    template = (
        "{% for m in messages %}{% for c in m['content'] %}"
        "{% if c['type'] == 'image' %}<image>{% else %} {{ c['text'] }}{% endif %}{% endfor %}{% endfor %}"
    )
    size = {"height": 32, "width": 32}
    LlavaProcessor(
        image_processor=CLIPImageProcessor(size=size, crop_size=size),
        tokenizer=fast,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=template,
    ).save_pretrained(folder)
    torch.manual_seed(3)
    small: dict[str, Any] = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    net = LlavaForConditionalGeneration(
        LlavaConfig(
            vision_config=CLIPVisionConfig(image_size=32, patch_size=8, **small),
            text_config=LlamaConfig(vocab_size=len(fast), **small),
            image_token_index=fast.convert_tokens_to_ids("<image>"),
        )
    )
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if "norm" not in name:
                parameter.normal_(0, 0.3)
        # one number that every token carries through all layers, and that makes the other words unlikely
        taken: Any = net.get_input_embeddings().weight
        answers: Any = net.get_output_embeddings().weight
        taken[:, 0] = 9
        answers[:, 0] = -1
        answers[fast.convert_tokens_to_ids(list(begins_with)), 0] = 1
    net.save_pretrained(folder)
    return folder
