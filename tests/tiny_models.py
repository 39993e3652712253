"""Tiny models of the real classes, built from their configs with random weights: they load like the big ones and answer
noise.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def tokenizer(folder: Path, words: list[str], length: int = 16) -> Path:
    """A word-level tokenizer in transformers' fast format."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: index for index, word in enumerate(["<pad>", "<s>", "</s>", "<unk>", *words])}
    core = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    core.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=length,
    )
    fast.save_pretrained(folder)
    return folder


def diffusion_pipeline(folder: Path) -> Path:
    """A StableDiffusionPipeline directory of about 100 kB; latents are 8 times smaller than the picture."""
    import torch
    from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel, UniPCMultistepScheduler
    from transformers import CLIPTextConfig, CLIPTextModel, PreTrainedTokenizerFast

    torch.manual_seed(0)
    tokens = tokenizer(folder / "_tokenizer", ["a", "red", "blue", "circle", "square"])
    widths = (8, 8, 8, 8)
    pipe: Any = StableDiffusionPipeline(
        vae=AutoencoderKL(
            block_out_channels=widths,
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            latent_channels=4,
            norm_num_groups=4,
            mid_block_add_attention=False,
        ),
        unet=UNet2DConditionModel(
            sample_size=8,
            block_out_channels=(8, 8),
            layers_per_block=1,
            norm_num_groups=4,
            cross_attention_dim=16,
            attention_head_dim=4,
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        ),
        text_encoder=CLIPTextModel(
            CLIPTextConfig(
                vocab_size=16,
                hidden_size=16,
                intermediate_size=16,
                num_hidden_layers=1,
                num_attention_heads=2,
                max_position_embeddings=16,
            )
        ),
        tokenizer=PreTrainedTokenizerFast.from_pretrained(tokens),
        scheduler=UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=1.0, steps_offset=1
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.save_pretrained(folder, safe_serialization=True)
    for file in (folder / "_tokenizer").iterdir():
        file.unlink()
    (folder / "_tokenizer").rmdir()
    assert json.loads((folder / "model_index.json").read_text())["_class_name"] == "StableDiffusionPipeline"
    return folder


def chat_model(folder: Path) -> Path:
    """A LlamaForCausalLM of about 30 kB with random weights, its word-level tokenizer and a chat template.

    Not a Qwen: for that AutoTokenizer takes the class of its own byte-level tokenizer, which knows none of the words.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    torch.manual_seed(3)  # of few seeds the likeliest answers differ, and none is empty
    words = ["user", "assistant", "system", ":", "a", "red", "blue", "circle", "square", "in", "the", "snow"]
    tokens = PreTrainedTokenizerFast.from_pretrained(tokenizer(folder, words, length=512))
    tokens.chat_template = (
        "{% for m in messages %}{{ m['role'] }} : {{ m['content'] }} {% endfor %}"
        "{% if add_generation_prompt %}assistant : {% endif %}"
    )
    tokens.save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=16, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=512, initializer_range=0.5, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder
