"""The detector's arithmetic on cells that are given, and its answers on drawn scenes, photographs and unknown words."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

from demo.prompts import HELD_OUT, Prompts
from demo.scenes import SIZES, scene_for
from demo.training import MODELS
from udfs.atoms import Atom, atom
from udfs.scene_detector import Reading, SceneDetector, Words, fit, load_scene_detector, peaks, probability

WORDS = Words(("circle", "square"), ("red", "blue"), ("flat", "outline"), ("snow", "night"), ((64, 64), (80, 48)))


@pytest.fixture(scope="module")
def detector() -> SceneDetector:
    return load_scene_detector(MODELS / "scene_detector")


def reading(*things: tuple[int, int, list[float], list[float], list[float]]) -> Reading:
    """An 8 x 8 grid with (row, column, shape, color, style probabilities) each in one cell."""
    shapes, colors, styles = np.zeros((8, 8, 4)), np.full((8, 8, 3), 1 / 3), np.full((8, 8, 2), 0.5)
    shapes[:, :, 0] = 1
    for row, column, shape, color, style in things:
        shapes[row, column] = [1 - sum(shape), *shape]
        colors[row, column], styles[row, column] = color, style
    return Reading(peaks(WORDS, shapes, colors, styles), np.array([0.9, 0.05]))


RED_CIRCLE = (2, 1, [0.8, 0.1, 0.1], [0.9, 0.1, 0.0], [1.0, 0.0])
BLUE_SQUARE = (2, 6, [0.0, 1.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0])


@pytest.mark.parametrize(
    ("fact", "expected"),
    [
        (atom("object", "circle", "circle"), 0.8),
        (atom("count", "circle", "1"), 0.8),
        (atom("count", "circle", "2"), 0.0),
        (atom("count", "square", "1"), 0.9),  # 1 - (both are squares)
        (atom("color", "circle", "red"), 0.8 * (1 - 0.8 * 0.1)),
        (atom("color", "square", "blue"), 1 - 0.1 * 0.9),
        (atom("place", "picture", "night"), 0.05),
        (atom("object", "star", "star"), None),
        (atom("place", "picture", "desert"), None),
        (atom("relation", "circle", "inside", "square"), None),
        (atom("text", "circle", "SALE"), None),
    ],
)
def test_probability_of_an_atom(fact: Atom, expected: float | None) -> None:
    told = probability(WORDS, reading(RED_CIRCLE, BLUE_SQUARE), fact)
    assert told == (None if expected is None else pytest.approx(expected, abs=1e-6))


def test_a_relation_needs_the_direction() -> None:
    seen = reading(RED_CIRCLE, BLUE_SQUARE)
    left = probability(WORDS, seen, atom("relation", "circle", "left of", "square"))
    right = probability(WORDS, seen, atom("relation", "circle", "right of", "square"))
    assert left == pytest.approx(0.8, abs=1e-3)
    assert right is not None
    assert right < 1e-3


def test_a_shape_split_over_two_cells_is_one_thing() -> None:
    half = ([0.5, 0.0, 0.0], [1.0, 0.0, 0.0], [1.0, 0.0])
    seen = reading((3, 3, *half), (3, 4, *half))
    assert len(seen.peaks) == 1
    assert probability(WORDS, seen, atom("count", "circle", "1")) == pytest.approx(1)
    assert seen.peaks[0].x == pytest.approx(4 * 8)  # between the two cells


def test_a_thing_in_the_corner_is_found() -> None:
    corner = reading((7, 7, *RED_CIRCLE[2:]))
    assert probability(WORDS, corner, atom("object", "circle", "circle")) == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("size", "fitted"), [((64, 64), (64, 64)), ((512, 512), (64, 64)), ((640, 427), (80, 48)), ((80, 48), (80, 48))]
)
def test_another_size_is_fitted_to_the_nearest_of_the_world(size: tuple[int, int], fitted: tuple[int, int]) -> None:
    assert fit(Image.new("L", size), WORDS.sizes).size == fitted


def test_true_scenes_score_high_and_other_prompts_low(detector: SceneDetector) -> None:
    prompts, rng = Prompts(11, first_index=HELD_OUT), random.Random(11)
    drawn = [prompts.draw(variant="enhanced", task="colors_position").atoms for _ in range(60)]
    images = [scene_for(atoms, *SIZES[i % 3], rng).draw() for i, atoms in enumerate(drawn)]
    own = np.array([min(p or 0.0 for p in row) for row in detector.atom_probabilities(images, drawn)])
    other = np.array([min(p or 0.0 for p in row) for row in detector.atom_probabilities(images, drawn[1:] + drawn[:1])])
    assert (own > 0.5).mean() > 0.95
    assert (other < 0.5).mean() > 0.95


def test_photographs_are_not_of_its_world_and_scenes_are(detector: SceneDetector) -> None:
    photographs = [Image.fromarray(load_sample_image(name)) for name in ("china.jpg", "flower.jpg")]
    prompts, rng = Prompts(12, first_index=HELD_OUT), random.Random(12)
    scenes = [scene_for(prompts.draw().atoms, *size, rng).draw() for size in SIZES]
    assert max(detector.in_world(photographs)) < 0.1
    assert min(detector.in_world(scenes)) > 0.9


def test_answers_do_not_depend_on_the_batch(detector: SceneDetector) -> None:
    prompts, rng = Prompts(13), random.Random(13)
    atoms = [prompts.draw().atoms for _ in SIZES]
    images = [scene_for(a, *size, rng).draw() for a, size in zip(atoms, SIZES, strict=True)]
    together = detector.atom_probabilities(images, atoms)
    alone = [detector.atom_probabilities([i], [a])[0] for i, a in zip(images, atoms, strict=True)]
    assert [pytest.approx(row, abs=1e-5) for row in alone] == together


def test_a_folder_without_weights_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_scene_detector(tmp_path)
