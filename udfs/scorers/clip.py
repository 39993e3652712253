"""CLIP through open_clip: cosine of picture and text. One pass serves every scorer that looks at the same encoder's
image vectors."""

from __future__ import annotations

import re
import warnings
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from udfs.scorers.picture import DRAFT_SIDE, Picture
from udfs.scorers.spec import Answers, Parts, ScorerSpec, Source

_TEXTS_KEPT = 10_000  # text vectors remembered: every seed and size of a prompt asks for the same one
_SENTENCE_END = re.compile(r"(?<=[.!?;])\s+")
PRECISIONS = ("fp32", "fp16", "bf16", "pure_fp16", "pure_bf16")  # open_clip takes any other word for fp32


@dataclass(frozen=True)
class ClipModel:
    """location: a folder with open_clip_config.json and weights, an open_clip model name (pretrained: its tag or a
    file), or
    `hf-hub:owner/name` (pretrained: the commit). precision: one of PRECISIONS."""

    location: str
    pretrained: str
    precision: str = "fp32"

    def load(self, device: str, parts: Parts) -> LoadedClip:
        """The encoder, loaded once a set of scorers. ValueError where the weights were trained with another GELU
        than the model has."""
        if self not in parts:
            parts[self] = self._load(device)
        return parts[self]

    def _load(self, device: str) -> LoadedClip:
        import open_clip

        name, tag = self._source()
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message="QuickGELU mismatch", category=UserWarning)
            try:
                model, _, preprocess = open_clip.create_model_and_transforms(
                    name, tag, precision=self.precision, device=device
                )
            except UserWarning as mismatch:
                raise ValueError(
                    f"{self.location}: {mismatch} OpenAI's weights need the model's -quickgelu variant; name that one"
                ) from None
        tokenizer = open_clip.get_tokenizer(name)
        return LoadedClip(self, model.eval(), preprocess, tokenizer, device)

    def _source(self) -> tuple[str, str | None]:
        if self.location.startswith("hf-hub:"):  # open_clip's own download pins no commit
            from huggingface_hub import snapshot_download

            return (
                f"local-dir:{snapshot_download(self.location.removeprefix('hf-hub:'), revision=self.pretrained)}",
                None,
            )
        if Path(self.location).is_dir():
            return f"local-dir:{self.location}", None
        return self.location, self.pretrained


class LoadedClip:
    """Unit vectors of pictures (from the draft decode) and texts."""

    def __init__(self, spec: ClipModel, model: Any, preprocess: Any, tokenizer: Any, device: str) -> None:
        self._model, self._preprocess, self._tokenizer, self._device = model, preprocess, tokenizer, device
        self._precision = spec.precision
        self._pixels, self._vector = (spec, "pixels"), (spec, "vector")
        self._texts: OrderedDict[str, np.ndarray] = OrderedDict()

    def prepare(self, picture: Picture) -> None:
        if self._pixels not in picture.memo:
            picture.memo[self._pixels] = self._preprocess(picture.small)

    def image_vectors(self, pictures: list[Picture]) -> np.ndarray:
        """(n, width) float32; each picture is encoded once, whichever scorer asks first."""
        import open_clip
        import torch

        fresh = [picture for picture in pictures if self._vector not in picture.memo]
        if fresh:
            # a half precision model keeps some of its parameters in float32: the dtype is not that of any one
            dtype = open_clip.get_input_dtype(self._precision)
            batch = torch.stack([picture.memo[self._pixels] for picture in fresh]).to(self._device, dtype)
            with torch.inference_mode():
                vectors = self._model.encode_image(batch, normalize=True).float().cpu().numpy()
            for picture, vector in zip(fresh, vectors, strict=True):
                picture.memo[self._vector] = vector
        return np.stack([picture.memo[self._vector] for picture in pictures])

    def known_vector(self, picture: Picture) -> np.ndarray | None:
        """The picture's vector, if it has been encoded."""
        return picture.memo.get(self._vector)

    def text_vectors(self, texts: list[str]) -> list[np.ndarray]:
        """For each text (sentences, width) float32: one row where the text fits the context, else one a sentence."""
        wanted = dict.fromkeys(texts)
        known = {text: self._texts[text] for text in wanted if text in self._texts}
        fresh = {text: self._parts_of(text) for text in wanted if text not in known}
        if fresh:
            flat = self._encode([part for parts in fresh.values() for part in parts])
            ends = np.cumsum([len(parts) for parts in fresh.values()])
            known |= dict(zip(fresh, np.split(flat, ends[:-1]), strict=True))
        for text in wanted:
            self._texts[text] = known[text]
            self._texts.move_to_end(text)
        while len(self._texts) > _TEXTS_KEPT:
            self._texts.popitem(last=False)
        return [known[text] for text in texts]

    def _encode(self, texts: list[str]) -> np.ndarray:
        """(n, width) float32. On the CPU one by one: there a vector's last bits depend on how many are encoded at once, and
        which texts are new to a batch depends on where a run was cut off.
        """
        import torch

        batches = [[text] for text in texts] if self._device == "cpu" else [texts]
        with torch.inference_mode():
            vectors = [
                self._model.encode_text(self._tokenizer(batch).to(self._device), normalize=True).float().cpu().numpy()
                for batch in batches
            ]
        return np.concatenate(vectors)

    def _parts_of(self, text: str) -> list[str]:
        limit = self._tokenizer.context_length
        tokens = self._tokenizer([text], context_length=8 * limit)[0]
        fits = bool((tokens[limit:] == tokens[-1]).all())  # nothing but padding beyond the context
        return [text] if fits else [part for part in _SENTENCE_END.split(text) if part.strip()]


def clip_model(source: Source, precision: str) -> ClipModel:
    return ClipModel(source.location, source.revision, precision)


@dataclass(frozen=True)
class Clip(ScorerSpec):
    """Raw cosine, -1 to 1. A text beyond the context is scored sentence by sentence and the mean counts: CLIP would
    cut it silently."""

    takes_model = True
    needs = ("text",)
    defaults: ClassVar = {"precision": "fp32"}
    allowed: ClassVar = {"precision": PRECISIONS}
    licence = "MIT"

    @property
    def scores(self) -> tuple[str, ...]:
        return (f"{self.name}_similarity",)

    @property
    def revision(self) -> str:
        return f"{self.must(self.source).revision}-draft{DRAFT_SIDE}-sentences-{self.settings['precision']}"

    def load(self, device: str, parts: Parts) -> LoadedClipScorer:
        return LoadedClipScorer(
            self.scores[0], clip_model(self.must(self.source), self.settings["precision"]).load(device, parts)
        )


@dataclass
class LoadedClipScorer:
    score_name: str
    encoder: LoadedClip

    def prepare(self, picture: Picture) -> None:
        self.encoder.prepare(picture)

    def score(self, pictures: list[Picture]) -> list[Answers]:
        images = self.encoder.image_vectors(pictures)
        texts = iter(self.encoder.text_vectors([picture.text for picture in pictures if picture.text]))
        return [
            {self.score_name: float((next(texts) @ image).mean()) if picture.text else "no text"}
            for picture, image in zip(pictures, images, strict=True)
        ]
