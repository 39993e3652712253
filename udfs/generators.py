"""Generators: a diffusers pipeline as a spec. One random generator a picture, seeded from its row, so the place in a
batch does not matter.
"""

from __future__ import annotations

import copy
import difflib
import inspect
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from udfs.codec import encode_generated, sha256
from udfs.errors import ExplainedError
from udfs.ids import content_id

# arguments by which a pipeline rewrites the prompt, or renders at another size and resamples, unless it is told otherwise
_MUST_BE_SAID = ("complex_human_instruction", "use_pe", "enable_prompt_rewrite", "use_resolution_binning")

_NO_LIMIT = 1 << 30  # tokens; transformers writes 1e30


class BlankImageError(ValueError):
    """The pipeline decoded to a uniform or non-finite picture (fp16 overflow, a safety checker's black frame)."""


class OtherSizeError(ValueError):
    """The pipeline made a picture of another size than its row asked for."""


class PipelineError(ExplainedError):
    """The recipe names a pipeline that diffusers does not have, or an argument that the pipeline does not take."""


@dataclass(frozen=True)
class DiffusersGenerator:
    """How a pipeline is loaded and called; `parameters` is the part that shapes the pixels and so the ids.

    model: its name in the recipe, with `revision` its identity; location: the folder that holds it on this machine, or
    the hub id.
    """

    fills_batches: ClassVar[bool] = True

    model: str
    location: str
    revision: str
    pipeline: str
    dtype: str
    steps: int
    guidance: float
    guidance_argument: str
    negative_prompt: str | None
    options: str  # canonical JSON, so that the spec stays hashable
    quality: int
    batch_size: int

    @property
    def parameters(self) -> dict[str, Any]:
        """Everything that shapes the picture besides text, seed and size. The batch size does not belong to it."""
        return {
            "model": f"{self.model}@{self.revision}",
            "pipeline": self.pipeline,
            "dtype": self.dtype,
            "steps": self.steps,
            self.guidance_argument: self.guidance,
            "negative_prompt": self.negative_prompt,
            "options": json.loads(self.options),
            "quality": self.quality,
        }

    @property
    def spec_id(self) -> str:
        return content_id(self.parameters)

    @property
    def call(self) -> dict[str, Any]:
        """The arguments of the pipeline's call that are the same for every picture."""
        own = {self.guidance_argument: self.guidance, "num_inference_steps": self.steps, **json.loads(self.options)}
        return own if self.negative_prompt is None else {**own, "negative_prompt": self.negative_prompt}

    def load(self, device: str) -> _LoadedPipeline:
        """PipelineError where diffusers has no such pipeline, or it does not take what it would be called with."""
        import diffusers
        import torch
        import transformers

        diffusers.utils.logging.disable_progress_bar()
        transformers.utils.logging.disable_progress_bar()
        cls = getattr(diffusers, self.pipeline, None)
        if cls is None:
            known = [name for name in dir(diffusers) if name.endswith("Pipeline")]
            near = difflib.get_close_matches(self.pipeline, known, n=5, cutoff=0)
            raise PipelineError(
                f"diffusers {diffusers.__version__} has no pipeline {self.pipeline!r}; the nearest names it has:"
                f" {', '.join(near)}. Mend the generator's key pipeline."
            )
        self.check_arguments(cls)
        local = Path(self.location).is_dir()
        source = {} if local else {"revision": self.revision}
        pipe = cls.from_pretrained(self.location, dtype=getattr(torch, self.dtype), local_files_only=local, **source)
        pipe.set_progress_bar_config(disable=True)
        return _LoadedPipeline(self, pipe.to(device), _readers(pipe, self.call))

    def check_arguments(self, cls: type) -> None:
        """PipelineError where a pipeline of this class does not take what `call` holds."""
        parameters = inspect.signature(cls.__call__).parameters
        if "prompt" not in parameters:
            return  # a class that only chooses the pipeline
        # a pipeline that takes **kwargs for what it once took ignores a misspelt name: they are not asked
        taken = {name for name, parameter in parameters.items() if parameter.kind is not parameter.VAR_KEYWORD}
        foreign = sorted(self.call.keys() - taken)
        if foreign:
            raise PipelineError(
                f"{self.pipeline} takes no {', '.join(foreign)}; it takes: {', '.join(sorted(taken - {'self'}))}."
                " Mend the generator's keys options, negative_prompt or guidance_argument."
            )
        silent = [
            name
            for name in _MUST_BE_SAID
            if name in parameters and name not in self.call and parameters[name].default not in (None, False)
        ]
        if silent:
            raise PipelineError(
                f"{self.pipeline} would change the prompt or the size by itself, and no row would say so: set"
                f" {' and '.join(silent)} in the generator's options, to null or false to have it off."
            )


@dataclass
class _LoadedPipeline:
    spec: DiffusersGenerator
    pipe: Any
    readers: list[tuple[Any, int]]  # tokenizers, and how many tokens of a text each passes on

    def prepare(self, row: dict[str, Any]) -> dict[str, Any]:
        return row

    def group(self, row: dict[str, Any]) -> tuple[int, int]:
        return row["width"], row["height"]

    def run(self, batch: list[dict[str, Any]]) -> list[np.ndarray]:
        import torch

        call = self.spec.call
        if self.spec.negative_prompt is not None:
            call["negative_prompt"] = [self.spec.negative_prompt] * len(batch)
        with torch.inference_mode():
            images = self.pipe(
                prompt=[row["text"] for row in batch],  # a list of our own: some pipelines edit it in place
                width=batch[0]["width"],
                height=batch[0]["height"],
                generator=[torch.Generator("cpu").manual_seed(row["seed"]) for row in batch],
                output_type="np",
                **call,
            ).images
        return list(images)

    def finish(self, row: dict[str, Any], result: np.ndarray) -> dict[str, Any]:
        asked, made = f"{row['width']}x{row['height']}", f"{result.shape[1]}x{result.shape[0]}"
        if made != asked:
            raise OtherSizeError(
                f"the pipeline made {made} where {asked} was asked for: it rounds sizes, so the generator's size_multiple is"
                " wrong. Set it to what the pipeline rounds to, and the sizes of generation.regimes to its multiples"
            )
        data = encode_generated(to_picture(result), self.spec.quality)
        return {"image": data, "sha256": sha256(data), "unread_tokens": self._unread(row["text"])}

    def _unread(self, text: str) -> int | None:
        """Tokens at the text's end that no text encoder gets. A chat template's own tokens are not counted."""
        over = [len(tokenizer(text, verbose=False)["input_ids"]) - limit for tokenizer, limit in self.readers]
        return max(0, min(over)) if over else None


def _readers(pipe: Any, call: dict[str, Any]) -> list[tuple[Any, int]]:
    """The pipeline's tokenizers with their limits: their own (CLIP's 77), or max_sequence_length where it is less."""
    from transformers import PreTrainedTokenizerBase

    parameters = inspect.signature(type(pipe).__call__).parameters
    given = {name: parameter.default for name, parameter in parameters.items()} | call
    asked = given.get("max_sequence_length") or _NO_LIMIT
    parts = [getattr(part, "tokenizer", part) for part in pipe.components.values()]  # of a processor its own
    tokenizers = [part for part in parts if isinstance(part, PreTrainedTokenizerBase)]
    limits = [(tokenizer, min(tokenizer.model_max_length, asked)) for tokenizer in tokenizers]
    # copies: a tokenizer that pads for the pipeline must not be asked by another thread meanwhile
    return [(copy.deepcopy(tokenizer), limit) for tokenizer, limit in limits if limit < _NO_LIMIT]


def to_picture(pixels: np.ndarray) -> Image.Image:
    """An RGB picture from (height, width, 3) floats in 0-1. BlankImageError unless they are finite and the standard
    deviation of a channel is above 2/255.
    """
    if not np.isfinite(pixels).all():
        raise BlankImageError(
            "the pipeline decoded to values that are not finite; use bfloat16 or float32, or the pipeline's fixed VAE"
        )
    deviation = pixels.std(axis=(0, 1)).max()  # a channel at a time: a blue frame's channels differ, its pixels do not
    if deviation <= 2 / 255:
        raise BlankImageError(f"the picture is uniform (standard deviation {deviation * 255:.2f}/255)")
    return Image.fromarray((pixels * 255).round().clip(0, 255).astype(np.uint8), "RGB")
