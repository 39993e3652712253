"""The demo's detector as a scorer: how probable the atoms of the prompt are in the picture (Soft-TIFA in small)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from udfs.atoms import Atom
from udfs.scene_detector import Reading, SceneDetector, load_scene_detector, probability
from udfs.scorers.picture import Picture
from udfs.scorers.spec import Answers, Parts, ScorerSpec

_IN_WORLD = 0.5
_OTHERS_BUSINESS = ("text",)  # a quoted text is the reader's to check


@dataclass(frozen=True)
class SceneDetectorScorer(ScorerSpec):
    """scene_detector: geometric mean, scene_detector_weakest: smallest of the atoms' probabilities, 0-1.

    A picture that is not of the detector's world, and a prompt with a word that it does not know, get no score: it
    would be an invention.
    """

    takes_model = True
    needs = ("atoms",)
    licence = "Apache-2.0"

    @property
    def scores(self) -> tuple[str, ...]:
        return ("scene_detector", "scene_detector_weakest")

    @property
    def revision(self) -> str:
        return f"{self.must(self.source).revision}-full"

    def load(self, device: str, parts: Parts) -> LoadedSceneDetector:
        return LoadedSceneDetector(self.scores, load_scene_detector(self.must(self.source).location, device))


@dataclass
class LoadedSceneDetector:
    scores: tuple[str, ...]
    detector: SceneDetector

    def prepare(self, picture: Picture) -> None:
        picture.memo[self.scores] = picture.full

    def score(self, pictures: list[Picture]) -> list[Answers]:
        readings = self.detector.read([picture.memo[self.scores] for picture in pictures])
        return [self._answer(picture.atoms, reading) for picture, reading in zip(pictures, readings, strict=True)]

    def _answer(self, atoms: list[Atom] | None, reading: Reading) -> Answers:
        facts = [fact for fact in atoms or [] if fact["kind"] not in _OTHERS_BUSINESS]
        if not facts:
            return dict.fromkeys(self.scores, "no atoms")
        if reading.places.sum() < _IN_WORLD:
            return dict.fromkeys(self.scores, "not of its world")
        values: list[float] = []
        for fact in facts:
            value = probability(self.detector.words, reading, fact)
            if value is None:
                return dict.fromkeys(self.scores, f"does not know: {fact['kind']} {fact['subject']} {fact['value']}")
            values.append(value)
        mean, weakest = self.scores
        return {mean: math.prod(values) ** (1 / len(values)), weakest: min(values)}
