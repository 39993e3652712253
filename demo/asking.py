"""Questions to a judge's folder through transformers' own classes, as the pipeline's judge asks them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

from udfs.atoms import Atom, question

_BATCH = 32


def answers(folder: Path, images: list[Image.Image], atoms: list[list[Atom]]) -> list[list[float | None]]:
    """For each picture and atom p(yes), 0..1: the softmax over yes and no of the first answer token."""
    processor: Any = AutoProcessor.from_pretrained(folder, local_files_only=True)
    processor.tokenizer.padding_side = "left"
    net: Any = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32, local_files_only=True).eval()
    yes, no = processor.tokenizer.convert_tokens_to_ids(["yes", "no"])
    pairs = [(image, _prompt(processor, fact)) for image, facts in zip(images, atoms, strict=True) for fact in facts]
    told: list[float] = []
    for at in range(0, len(pairs), _BATCH):
        part = pairs[at : at + _BATCH]
        inputs = processor(
            images=[image for image, _ in part], text=[text for _, text in part], padding=True, return_tensors="pt"
        )
        with torch.inference_mode():
            logits = net(**inputs).logits[:, -1].float()
        told += logits[:, [no, yes]].softmax(1)[:, 1].tolist()
    flat = iter(told)
    return [[next(flat) for _ in facts] for facts in atoms]


def _prompt(processor: Any, fact: Atom) -> str:
    content = [{"type": "image"}, {"type": "text", "text": question(fact)}]
    messages = [{"role": "user", "content": content}]
    text: str = processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return text
