"""A set of scorers as one model of the harness: every picture is decoded once and goes past all of them in one pass."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from udfs.harness import is_fatal, is_out_of_memory
from udfs.scorers.clip import Clip, LoadedClipScorer
from udfs.scorers.picture import Picture, mean_color, open_picture
from udfs.scorers.spec import Answers, LoadedScorer, Parts, ScorerSpec

_REASON_LIMIT = 300
NOT_FINITE = "not finite"  # the reason in the place of a number that is none

COLUMNS = (
    ("values", pa.map_(pa.string(), pa.float64())),
    ("reasons", pa.map_(pa.string(), pa.string())),
    ("revisions", pa.map_(pa.string(), pa.string())),
    ("seconds_by_scorer", pa.map_(pa.string(), pa.float64())),
    ("phash", pa.string()),
    ("mean_color", pa.list_(pa.float32())),
    ("embedding", pa.list_(pa.float32())),
)


@dataclass(frozen=True)
class ScorerSet:
    """The scorers of one pass. A row needs image, text and atoms; it gets COLUMNS."""

    fills_batches: ClassVar[bool] = True

    scorers: tuple[ScorerSpec, ...]
    batch_size: int

    @property
    def needs_device(self) -> bool:
        return any(scorer.needs_device for scorer in self.scorers)

    @property
    def revisions(self) -> dict[str, str]:
        """score -> the model that gives it, name@revision."""
        return {score: scorer.model for scorer in self.scorers for score in scorer.scores}

    def load(self, device: str) -> LoadedSet:
        import imagehash

        parts: Parts = {}
        # CLIP first: of several scorers that share an encoder, its own one pays for the pass
        loaded = {
            scorer: scorer.load(device, parts)
            for scorer in sorted(self.scorers, key=lambda scorer: not isinstance(scorer, Clip))
        }
        return LoadedSet(loaded, list(self.revisions.items()), lambda image: str(imagehash.phash(image)))


@dataclass
class Scored:
    """A picture and what was said about it so far."""

    picture: Picture
    phash: str
    mean_color: list[float]
    failed: dict[str, str] = field(default_factory=dict)  # scorer -> why it could not prepare the picture
    answers: Answers = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    embedding: list[float] | None = None


@dataclass
class LoadedSet:
    scorers: dict[ScorerSpec, LoadedScorer]
    revisions: list[tuple[str, str]]
    phash: Callable[[Any], str]

    def prepare(self, row: dict[str, Any]) -> Scored:
        """Decode and preprocess. Raises what the decoder raises, and where there is no memory."""
        picture = open_picture(row["image"], row["text"], row["atoms"])
        scored = Scored(picture, self.phash(picture.small), mean_color(picture.small))
        for spec, scorer in self.scorers.items():
            started = time.perf_counter()
            try:
                scorer.prepare(picture)
            except Exception as error:
                if is_fatal(error) or is_out_of_memory(error):
                    raise  # says nothing about the picture: an error row, which --retry errors does again
                scored.failed[spec.name] = _reason(spec, error)
            scored.seconds[spec.name] = time.perf_counter() - started
        return scored

    def group(self, scored: Scored) -> None:
        """Every scorer brings its pictures to one size: all may share a batch."""

    def run(self, batch: list[Scored]) -> list[Scored]:
        distinct = [*{id(scored): scored for scored in batch}.values()]  # the harness repeats one to fill the batch
        for spec, scorer in self.scorers.items():
            started = time.perf_counter()
            asked = batch if spec.needs_device else distinct
            ready = [scored for scored in asked if spec.name not in scored.failed]
            for scored, answers in zip(ready, _answers(spec, scorer, ready), strict=True):
                scored.answers |= answers
            for scored in distinct:
                reason = scored.failed.get(spec.name)
                scored.answers |= dict.fromkeys(spec.scores, reason) if reason else {}
                scored.seconds[spec.name] += (time.perf_counter() - started) / len(distinct)
        self._embed(distinct)
        return batch

    def finish(self, row: dict[str, Any], scored: Scored) -> dict[str, Any]:
        values = {
            score: value
            for score, value in scored.answers.items()
            if not isinstance(value, str) and math.isfinite(value)
        }
        reasons = {
            score: value if isinstance(value, str) else NOT_FINITE
            for score, value in scored.answers.items()
            if score not in values
        }
        return {
            "values": list(values.items()),
            "reasons": list(reasons.items()),
            "revisions": self.revisions,
            "seconds_by_scorer": list(scored.seconds.items()),
            "phash": scored.phash,
            "mean_color": scored.mean_color,
            "embedding": scored.embedding,
        }

    def _embed(self, batch: list[Scored]) -> None:
        """Keep the image vectors of the first CLIP scorer, where it could encode the picture. One that is not finite is
        null: the scorer's own score says why."""
        clip = next((scorer for scorer in self.scorers.values() if isinstance(scorer, LoadedClipScorer)), None)
        for scored in batch:
            vector = clip.encoder.known_vector(scored.picture) if clip else None
            scored.embedding = vector.tolist() if vector is not None and np.isfinite(vector).all() else None


def _answers(spec: ScorerSpec, scorer: LoadedScorer, batch: list[Scored]) -> list[Answers]:
    """One answer a picture. A batch that raises is halved until the picture that the scorer cannot do is alone; it
    costs its scores only."""
    if not batch:
        return []
    try:
        answers = scorer.score([scored.picture for scored in batch])
    except Exception as error:
        if is_fatal(error) or is_out_of_memory(error):
            raise  # the harness halves the batch, or gives the task back
        if len(batch) == 1:
            return [dict.fromkeys(spec.scores, _reason(spec, error))]
        answers = None
    if answers is None:
        half = len(batch) // 2
        return _answers(spec, scorer, batch[:half]) + _answers(spec, scorer, batch[half:])
    if len(answers) != len(batch) or any(set(answer) != set(spec.scores) for answer in answers):
        raise RuntimeError(f"scorer {spec.name} must answer {len(batch)} pictures with {', '.join(spec.scores)} each")
    return answers


def _reason(spec: ScorerSpec, error: Exception) -> str:
    message = " ".join((str(error) or type(error).__name__).split())
    return f"{spec.name}: {message}"[:_REASON_LIMIT]
