"""A tiny judge of Qwen3-VL's real classes, built from its config with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.tiny_models import tokenizer
from tests.tiny_scorers import WORDS

# what Qwen's own template gives for one picture and one question, its newlines included
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL = ["<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]


def qwen(folder: Path) -> Path:
    """A Qwen3-VL directory: patches of 16 px, merged by 2 x 2, positions of time, height and width, a layer of the vision
    tower that goes into the text model's first (deepstack), grouped queries.

    Nearly all the probability of its first token lies on yes and no.
    """
    import torch
    from transformers import (
        PreTrainedTokenizerFast,
        Qwen2VLImageProcessor,
        Qwen3VLConfig,
        Qwen3VLForConditionalGeneration,
        Qwen3VLProcessor,
        Qwen3VLVideoProcessor,
    )

    fast = PreTrainedTokenizerFast.from_pretrained(tokenizer(folder, [*WORDS, "user", "assistant"], length=4096))
    fast.add_special_tokens({"additional_special_tokens": SPECIAL})
    ids = dict(zip(SPECIAL, fast.convert_tokens_to_ids(SPECIAL), strict=True))
    # Qwen3-VL's own numbers: a picture has at least 256 patches' pixels, and may have far more than a judge is given
    pictures: dict[str, Any] = {"patch_size": 16, "temporal_patch_size": 2, "merge_size": 2}
    pictures |= {"size": {"shortest_edge": 65536, "longest_edge": 16777216}}
    half = [0.5, 0.5, 0.5]
    Qwen3VLProcessor(
        image_processor=Qwen2VLImageProcessor(**pictures, image_mean=half, image_std=half),
        tokenizer=fast,
        video_processor=Qwen3VLVideoProcessor(),
        chat_template=CHAT_TEMPLATE,
    ).save_pretrained(folder)
    torch.manual_seed(4)
    net = Qwen3VLForConditionalGeneration(
        Qwen3VLConfig(
            vision_config={
                "depth": 2,
                "hidden_size": 16,
                "intermediate_size": 32,
                "num_heads": 2,
                "out_hidden_size": 32,
                "num_position_embeddings": 64,
                "deepstack_visual_indexes": [0],
            },
            text_config={
                "vocab_size": len(fast),
                "hidden_size": 32,
                "intermediate_size": 64,
                "num_hidden_layers": 2,
                "num_attention_heads": 4,
                "num_key_value_heads": 2,
                "head_dim": 16,
                "rope_parameters": {
                    "rope_type": "default",
                    "rope_theta": 10000.0,
                    "mrope_interleaved": True,
                    "mrope_section": [4, 2, 2],
                },
            },
            image_token_id=ids["<|image_pad|>"],
            video_token_id=ids["<|video_pad|>"],
            vision_start_token_id=ids["<|vision_start|>"],
            vision_end_token_id=ids["<|vision_end|>"],
        )
    )
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if "norm" not in name:
                parameter.normal_(0, 0.3)
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                parameter[0] = 0
        # one number that every token carries through all layers, and that makes the other words unlikely
        taken: Any = net.get_input_embeddings().weight
        answers: Any = net.get_output_embeddings().weight
        taken[:, 0] = 9
        answers[:, 0] = -3
        answers[fast.convert_tokens_to_ids(["yes", "no"]), 0] = 3
    net.save_pretrained(folder)
    return folder
