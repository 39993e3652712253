"""Judges: a vision-language model of transformers answers yes/no questions; p(yes) from the logits of its first
answer token."""

from __future__ import annotations

import math
import warnings
from collections.abc import Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
from PIL import Image

from udfs.atoms import WORDING
from udfs.codec import decode
from udfs.errors import ExplainedError
from udfs.harness import NotFiniteError, free_memory, is_out_of_memory

MAX_PIXELS = 1024 * 1024  # more tokens than this answer no question better, and a Qwen-VL would take them all
# Of all tokens, what yes and no must hold together. A judge that answers has nearly all there (the demo's .99 on its scenes), one
# that begins with something else next to nothing; between them there is no model to be lenient with.
LEAST_MASS = 0.2

COLUMNS = (("answers", pa.list_(pa.float64())),)

Answer = tuple[float, float]  # p(yes) among yes and no, and what probability yes and no have of all tokens, each 0-1


class NoAnswerTokenError(ExplainedError):
    """The judge cannot answer yes or no in one token."""


class NoAnswerError(ValueError):
    """The judge began with something else than yes or no: what it gave these two says nothing about the picture."""


@dataclass(frozen=True)
class TransformersJudge:
    """A model that AutoModelForImageTextToText loads, not a thinking one: its first token must be the answer.

    model and revision name it; location is its resolved folder or hub id. batch_size counts (picture, question) pairs.
    A row needs image and questions (list of str); it gets answers: one probability of yes, 0-1, a question.
    """

    model: str
    location: str
    revision: str
    dtype: str
    batch_size: int

    @property
    def parameters(self) -> dict[str, Any]:
        """Everything that shapes the answers besides picture and question."""
        return {
            "model": f"{self.model}@{self.revision}",
            "dtype": self.dtype,
            "max_pixels": MAX_PIXELS,
            "wording": WORDING,
        }

    def load(self, device: str) -> LoadedJudge:
        """NoAnswerTokenError where the tokenizer has no single token for yes or for no."""
        import torch
        from transformers import AutoModelForImageTextToText, AutoProcessor
        from transformers.utils import logging

        logging.disable_progress_bar()
        # a processor may carry a max_length for its own training; prompts are padded to the longest of a batch and
        # never cut
        warnings.filterwarnings("ignore", message="`max_length` is ignored when `padding`=`True`")
        local = Path(self.location).is_dir()
        source: dict[str, Any] = {"local_files_only": True} if local else {"revision": self.revision}
        processor = AutoProcessor.from_pretrained(self.location, **source)
        processor.tokenizer.padding_side = "left"  # the last position of every row is the one that answers
        dtype = getattr(torch, self.dtype)
        net: Any = AutoModelForImageTextToText.from_pretrained(self.location, dtype=dtype, **source)
        yes, no = (answer_tokens(processor.tokenizer, word) for word in ("yes", "no"))
        return LoadedJudge(net.to(device).eval(), processor, yes, no, self.batch_size)


@dataclass
class LoadedJudge:
    net: Any
    processor: Any
    yes: list[int]
    no: list[int]
    pairs_a_batch: int
    limits: dict[tuple[int, int], int] = field(default_factory=dict)  # picture's size -> pairs that memory had room for

    def prepare(self, row: dict[str, Any]) -> tuple[Image.Image, list[str]]:
        """Decode once for all questions of a picture."""
        return capped(decode(row["image"])), [self._prompt(question) for question in row["questions"]]

    def group(self, prepared: tuple[Image.Image, list[str]]) -> Hashable:
        """Pictures of one size share a batch: their prompts have equally many picture tokens."""
        return prepared[0].size

    def run(self, batch: list[tuple[Image.Image, list[str]]]) -> list[list[Answer]]:
        pairs = [(image, prompt) for image, prompts in batch for prompt in prompts]
        answers: dict[int, Answer] = {}
        while not self._ask(pairs, answers):
            free_memory()
        flat = iter(range(len(pairs)))
        return [[answers[next(flat)] for _ in prompts] for _, prompts in batch]

    def finish(self, row: dict[str, Any], result: list[Answer]) -> dict[str, Any]:
        if not all(math.isfinite(number) for answer in result for number in answer):
            raise NotFiniteError("the judge's logits are not finite; use bfloat16 or float32")
        for question, (_, mass) in zip(row["questions"], result, strict=True):
            if mass < LEAST_MASS:
                raise NoAnswerError(
                    f"to {question!r} the judge begins with yes or no only with probability {mass:.3f}: it says something else."
                    " Take a model that answers at once: an instruct model, not a thinking one"
                )
        return {"answers": [answer for answer, _ in result]}

    def _ask(self, pairs: list[tuple[Image.Image, str]], answers: dict[int, Answer]) -> bool:
        """Fill `answers`, by a pair's index, with those that it lacks. False where memory ran out: the next chunks of
        such pictures are half as large. The harness could only halve the pictures, and one has many questions."""
        size = self.limits.get(pairs[0][0].size, self.pairs_a_batch) if pairs else 1
        left = {index: prompt for index, (_, prompt) in enumerate(pairs) if index not in answers}
        for chunk in self._chunks(left, size):
            try:
                found = self._answer([pairs[index] for index in chunk])
            except Exception as error:
                if len(chunk) == 1 or not is_out_of_memory(error):
                    raise
                self.limits[pairs[0][0].size] = len(chunk) // 2
                return False  # and let go of the error: its traceback's frames hold the chunk's tensors
            for index, answer in zip(chunk, found, strict=True):
                answers.setdefault(index, answer)
        return True

    def _chunks(self, prompts: dict[int, str], size: int) -> list[list[int]]:
        """Indexes of the prompts that are asked together, at most `size`.

        The last bits of an answer depend on the shape of its batch. On the CPU, where it costs little, a batch holds
        prompts of one length and is filled by repeating one: an answer does not depend on where a run was cut.
        """
        if self.net.device.type != "cpu":
            indexes = [*prompts]
            return [indexes[start : start + size] for start in range(0, len(indexes), size)]
        lengths: dict[int, list[int]] = {}
        for index, prompt in prompts.items():
            lengths.setdefault(len(self.processor.tokenizer(prompt).input_ids), []).append(index)
        chunks = [alike[start : start + size] for alike in lengths.values() for start in range(0, len(alike), size)]
        return [chunk + chunk[-1:] * (size - len(chunk)) for chunk in chunks]

    def _prompt(self, question: str) -> str:
        content = [{"type": "image"}, {"type": "text", "text": question}]
        messages = [{"role": "user", "content": content}]
        return self.processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)

    def _answer(self, pairs: list[tuple[Image.Image, str]]) -> list[Answer]:
        import torch

        images, prompts = [image for image, _ in pairs], [prompt for _, prompt in pairs]
        inputs = self.processor(images=images, text=prompts, padding=True, return_tensors="pt").to(self.net.device)
        inputs["pixel_values"] = inputs["pixel_values"].to(self.net.dtype)
        with torch.inference_mode():
            out = self.net.generate(
                **inputs, max_new_tokens=1, do_sample=False, return_dict_in_generate=True, output_logits=True
            )
        logits = out.logits[0].float()
        both = torch.stack([logits[:, self.no].logsumexp(1), logits[:, self.yes].logsumexp(1)], 1)
        mass = (both.logsumexp(1) - logits.logsumexp(1)).exp()
        return list(zip(both.softmax(1)[:, 1].cpu().tolist(), mass.cpu().tolist(), strict=True))


def answer_tokens(tokenizer: Any, word: str) -> list[int]:
    """The ids of the single tokens that are this answer: yes, Yes, YES, each also after a space.
    NoAnswerTokenError if there is none."""
    found = set()
    for text in (word, word.capitalize(), word.upper()):
        for spaced in (text, f" {text}"):
            ids = tokenizer.encode(spaced, add_special_tokens=False)
            if len(ids) == 1 and ids[0] != tokenizer.unk_token_id:
                found.add(ids[0])
    if not found:
        raise NoAnswerTokenError(
            f"the judge's tokenizer has no single token for {word!r}; take a model that answers yes or no in one token"
        )
    return sorted(found)


def capped(image: Image.Image) -> Image.Image:
    """The picture with at most MAX_PIXELS, its aspect kept."""
    scale = math.sqrt(MAX_PIXELS / (image.width * image.height))
    if scale >= 1:
        return image
    size = (max(1, int(image.width * scale)), max(1, int(image.height * scale)))
    return image.resize(size, Image.Resampling.LANCZOS)
