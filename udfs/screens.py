"""The cheap screens of a prompt's text, written or enhanced: facts only; the policy's gates decide."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from udfs.atoms import Atom
from udfs.attributes import asks_held
from udfs.embedders import MiniLM
from udfs.ids import content_id
from udfs.language import Language
from udfs.safety import SAFE, UNSAFE, anchors_digest, unsafe_margin
from udfs.text_measures import EvaluationPrompts, repetition, residue, words

if TYPE_CHECKING:
    from conf.taxonomy import Taxonomy

COLUMNS = tuple(
    (name, pa.float64())
    for name in (
        "prompt_words",
        "prompt_residue",
        "prompt_repetition",
        "prompt_language",
        "prompt_unsafe_margin",
        "prompt_evaluation_overlap",
        "prompt_attributes",
    )
)
Asks = tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True)
class Screens:
    """asks: task slug -> what its prompts must state; a task that is not named asks nothing."""

    embedder: MiniLM
    language: Language
    asks: Asks
    evaluation: EvaluationPrompts = field(default_factory=EvaluationPrompts)
    batch_size: int = 64
    name: str = "screens"
    version: str = "1"  # of the measures themselves: raise it when one of them answers otherwise

    @property
    def model(self) -> str:
        """name@revision; the revision changes with every part that could change an answer."""
        parts = [
            self.version,
            self.embedder.model,
            anchors_digest(),
            self.language.revision,
            self.asks,
            self.evaluation.digest,
        ]
        return f"{self.name}@{content_id(parts)[:12]}"

    def load(self, device: str) -> Screener:
        return Screener(self, device)


def screens_for(taxonomy: Taxonomy, evaluation: EvaluationPrompts, embedder: MiniLM) -> Screens:
    asks = tuple((task.slug, tuple(task.asks)) for task in taxonomy.tasks)
    return Screens(embedder, Language(taxonomy.language), asks, evaluation)


@dataclass(frozen=True)
class Prepared:
    """What is known of a text before the embedder runs. tokens: None where the row brings its vector along."""

    scores: dict[str, float]
    tokens: list[int] | None
    vector: list[float] | None


class Screener:
    """Rows with text, task, atoms and embedding (null: it is made here) -> the seven screens."""

    def __init__(self, spec: Screens, device: str) -> None:
        self._asks = dict(spec.asks)
        self._embedder = spec.embedder.load(device)
        self._language = spec.language.load()
        self._evaluation = spec.evaluation.index()
        self._unsafe, self._safe = self._embedder.embed(UNSAFE), self._embedder.embed(SAFE)

    def prepare(self, row: dict[str, Any]) -> Prepared:
        text = row["text"]
        scores = {
            "prompt_words": float(len(words(text))),
            "prompt_residue": residue(text),
            "prompt_repetition": repetition(text),
            "prompt_language": self._language.of(text),
            "prompt_evaluation_overlap": self._evaluation.overlap(text),
            "prompt_attributes": attributes_share(text, row["atoms"], self._asks.get(row["task"], ())),
        }
        vector = row["embedding"]
        return Prepared(scores, None if vector else self._embedder.tokens(text), vector)

    def group(self, prepared: Prepared) -> Hashable:
        return len(prepared.tokens or ())

    def run(self, batch: list[Prepared]) -> list[dict[str, float]]:
        if batch[0].tokens is None:
            vectors = np.array([item.vector for item in batch], dtype=np.float32)
        else:
            vectors = self._embedder.encode([item.tokens or [] for item in batch])
        margins = [unsafe_margin(vector, self._unsafe, self._safe) for vector in vectors]
        return [item.scores | {"prompt_unsafe_margin": margin} for item, margin in zip(batch, margins, strict=True)]

    def finish(self, row: dict[str, Any], result: dict[str, float]) -> dict[str, Any]:
        return dict(result)


def attributes_share(text: str, atoms: list[Atom] | None, asks: tuple[str, ...]) -> float:
    """Share of the task's asks that the atoms (or, without atoms, the words) hold, 0-1; 1 where nothing is asked."""
    return len(set(asks) & asks_held(text, atoms)) / len(set(asks)) if asks else 1.0
