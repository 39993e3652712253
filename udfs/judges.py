"""Judges: a vision-language model of transformers answers yes/no questions; p(yes) from the logits of its first
answer token.

A picture is most of a prompt (1024x1024 px are 1,000 tokens, a question is 20) and stands before the question: it is
seen once, and each of its questions is asked against the keys and values that the model keeps of it.
"""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Hashable
from dataclasses import dataclass, field
from functools import cached_property
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

# The classes (config.model_type) that see a picture once. Tests show that they answer as if asked whole prompts; another
# class may not (attention in both directions, positions of its own): it is asked whole prompts, at a picture's cost each.
SEEN_ONCE = ("llava", "qwen3_vl")
PASSES = 2  # how the model is asked, which moves an answer's last bits: 1 was whole prompts, 2 what SEEN_ONCE says

COLUMNS = (("answers", pa.list_(pa.float64())),)

Answer = tuple[float, float]  # p(yes) among yes and no, and what probability yes and no have of all tokens, each 0-1
Asked = tuple[int, str]  # a picture's place among those that are seen together, and the prompt of one question


class NoAnswerTokenError(ExplainedError):
    """The judge cannot answer yes or no in one token."""


class NoAnswerError(ValueError):
    """The judge began with something else than yes or no: what it gave these two says nothing about the picture."""


@dataclass(frozen=True)
class TransformersJudge:
    """A model that AutoModelForImageTextToText loads, not a thinking one: its first token must be the answer.

    model and revision name it; location is its resolved folder or hub id. batch_size: the most pictures that are seen, and
    the most (picture, question) pairs that are asked, together.
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
            "passes": PASSES,
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


@dataclass(frozen=True)
class Seen:
    """Pictures of one size that the model has seen, up to their last token."""

    images: list[Image.Image]
    cache: Any = None  # the keys and values of their prompts' beginning; None for a class that is asked whole prompts
    position: int = 0  # of the token after it


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
        images = [image for image, _ in batch]
        asked = [(place, prompt) for place, (_, prompts) in enumerate(batch) for prompt in prompts]
        answers: dict[int, Answer] = {}
        while not self._ask(images, asked, answers):
            free_memory()
        flat = iter(range(len(asked)))
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

    def _ask(self, images: list[Image.Image], asked: list[Asked], answers: dict[int, Answer]) -> bool:
        """Fill `answers`, by the index in `asked`, with those that it lacks. False where memory ran out: of such pictures
        half as many are then seen, and half as many pairs asked, together. The harness could only halve the pictures, and
        one has many questions."""
        size = self.limits.get(images[0].size, self.pairs_a_batch)
        left: dict[int, list[int]] = {}  # a picture's place -> the indexes of what it is still asked
        for index, (place, _) in enumerate(asked):
            if index not in answers:
                left.setdefault(place, []).append(index)
        for start in range(0, len(left), size):
            places = self._filled([*left][start : start + size], size)
            rows = len(places)
            try:
                seen = self._see([images[place] for place in places])
                prompts = {index: asked[index][1] for place in places for index in left[place]}
                for chunk in self._chunks(prompts, size):
                    rows = len(chunk)
                    found = self._answer(seen, [(places.index(asked[index][0]), prompts[index]) for index in chunk])
                    for index, answer in zip(chunk, found, strict=True):
                        answers.setdefault(index, answer)
                del seen  # its keys and values, before the next pictures are seen
            except Exception as error:
                if rows == 1 or not is_out_of_memory(error):
                    raise
                self.limits[images[0].size] = rows // 2
                return False  # and let go of the error: its traceback's frames hold the chunk's tensors
        return True

    def _chunks(self, prompts: dict[int, str], size: int) -> list[list[int]]:
        """Indexes of the prompts that are asked together, at most `size`.

        The last bits of an answer depend on the shape of its batch. On the CPU, where it costs little, a batch holds
        prompts of one length and is filled by repeating one, as are the pictures that are seen: an answer does not depend
        on where a run was cut.
        """
        if self.net.device.type != "cpu":
            indexes = [*prompts]
            return [indexes[start : start + size] for start in range(0, len(indexes), size)]
        lengths: dict[int, list[int]] = {}
        for index, prompt in prompts.items():
            lengths.setdefault(len(self.processor.tokenizer(prompt).input_ids), []).append(index)
        chunks = [alike[start : start + size] for alike in lengths.values() for start in range(0, len(alike), size)]
        return [self._filled(chunk, size) for chunk in chunks]

    def _filled(self, chunk: list[int], size: int) -> list[int]:
        return chunk + chunk[-1:] * (size - len(chunk)) if self.net.device.type == "cpu" else chunk

    def _prompt(self, question: str) -> str:
        content = [{"type": "image"}, {"type": "text", "text": question}]
        messages = [{"role": "user", "content": content}]
        return self.processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)

    def _see(self, images: list[Image.Image]) -> Seen:
        """Run what all prompts of these pictures begin with: everything up to the picture's last token."""
        import torch

        if self.net.config.model_type not in SEEN_ONCE:
            return Seen(images)
        inputs = self._inputs(images, [self._prompt("")] * len(images))
        ids = inputs["input_ids"]
        end = len(ids[0]) - ids[0].tolist()[::-1].index(self._beginning[-1])
        inputs = {name: value[:, :end] if value.shape == ids.shape else value for name, value in inputs.items()}
        with torch.inference_mode():
            cache = self.net(**inputs, use_cache=True, logits_to_keep=1).past_key_values
        # a Qwen-VL counts a picture by its longer side, not by its tokens; the same for all pictures of one size
        deltas = getattr(self.net.model, "rope_deltas", None)
        return Seen(images, cache, end + (0 if deltas is None else int(deltas[0])))

    @cached_property
    def _beginning(self) -> list[int]:
        """The tokens that every prompt begins with, the last of them the picture's placeholder."""
        ids = self.processor.tokenizer(self._prompt("")).input_ids
        return ids[: ids.index(self.net.config.image_token_id) + 1]

    def _ending(self, prompt: str) -> list[int]:
        """The tokens of a prompt after its picture."""
        ids, end = self.processor.tokenizer(prompt).input_ids, len(self._beginning)
        if ids[:end] != self._beginning or self._beginning[-1] in ids[end:]:
            raise ValueError(f"a prompt must have one picture, before its question, and this has not: {prompt!r}")
        return ids[end:]

    def _inputs(self, images: list[Image.Image], prompts: list[str]) -> Any:
        inputs = self.processor(images=images, text=prompts, padding=True, return_tensors="pt").to(self.net.device)
        inputs["pixel_values"] = inputs["pixel_values"].to(self.net.dtype)
        return inputs

    def _answer(self, seen: Seen, asked: list[Asked]) -> list[Answer]:
        import torch

        with torch.inference_mode():
            logits = (self._whole if seen.cache is None else self._endings)(seen, asked).float()
        both = torch.stack([logits[:, self.no].logsumexp(1), logits[:, self.yes].logsumexp(1)], 1)
        mass = (both.logsumexp(1) - logits.logsumexp(1)).exp()
        return list(zip(both.softmax(1)[:, 1].cpu().tolist(), mass.cpu().tolist(), strict=True))

    def _whole(self, seen: Seen, asked: list[Asked]) -> Any:
        """The logits of the token after each whole prompt."""
        inputs = self._inputs([seen.images[place] for place, _ in asked], [prompt for _, prompt in asked])
        return self.net.generate(
            **inputs, max_new_tokens=1, do_sample=False, return_dict_in_generate=True, output_logits=True
        ).logits[0]

    def _endings(self, seen: Seen, asked: list[Asked]) -> Any:
        """The same, from what each prompt has after its picture. Shorter ones are filled on the right: no token looks ahead,
        so that needs no mask and moves no position."""
        import torch

        endings = [self._ending(prompt) for _, prompt in asked]
        longest, last = max(map(len, endings)), [len(ending) - 1 for ending in endings]
        kept = sorted(set(last))  # a large vocabulary's logits only where one of them ends
        number: Any = {"device": self.net.device, "dtype": torch.long}
        cache = copy.copy(seen.cache)  # a layer changes by taking new tensors: those of `seen` stay as they are
        cache.layers = [copy.copy(layer) for layer in cache.layers]
        cache.batch_select_indices(torch.tensor([place for place, _ in asked], **number))
        logits = self.net(
            input_ids=torch.tensor([ending + ending[-1:] * (longest - len(ending)) for ending in endings], **number),
            position_ids=torch.arange(seen.position, seen.position + longest, **number).expand(len(asked), -1),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=torch.tensor(kept, **number),
        ).logits
        return logits[torch.arange(len(asked)), [kept.index(end) for end in last]]


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
