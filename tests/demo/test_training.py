"""A training that is cut off goes on where it stopped; figures are computed as their names say."""

from __future__ import annotations

import argparse
import random
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from demo import training
from demo.degraded import label, labeled
from demo.measures import Asked, auc, separation
from demo.prompts import Prompts
from demo.questions import GRID, patch_classes, questions, shape_centers
from demo.scenes import COLORS, PLACES, SIZES, STYLES, scene_for
from demo.shapes import SHAPES
from demo.training import Trainer
from demo.truth import holds
from udfs.atoms import atom


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(training, "CHECKPOINTS", tmp_path)
    return tmp_path


def fit(minutes: float) -> tuple[Trainer, list[str]]:
    torch.manual_seed(0)
    trainer = Trainer("line", nn.Linear(1, 1), argparse.Namespace(minutes=minutes, device="cpu"), rate=0.05)
    done: list[str] = []

    def loss() -> tuple[Tensor, int]:
        x = torch.randn(16, 1)
        return (trainer.model(x) - (3 * x + 1)).pow(2).mean(), 16

    trainer.fit(loss, lambda: done.append("export"), lambda: {"slope": trainer.average.weight.item()})  # type: ignore[operator]
    return trainer, done


def test_it_learns_exports_and_notes_its_curve(folder: Path) -> None:
    trainer, done = fit(0.02)
    assert trainer.average.weight.item() == pytest.approx(3, abs=0.2)  # type: ignore[operator]
    assert done == ["export"]
    header, row = (folder / "line.csv").read_text().split()
    assert header == "minutes,step,slope"
    assert float(row.split(",")[2]) == pytest.approx(3, abs=0.2)


def test_it_goes_on_where_it_stopped(folder: Path) -> None:
    first, _ = fit(0.01)
    second, _ = fit(0.02)
    assert second._step > first._step
    assert second._spent > first._spent
    again = Trainer("line", nn.Linear(1, 1), argparse.Namespace(minutes=0.02, device="cpu"), rate=0.05)
    assert again._step == second._step
    assert again.done == 1.0
    assert torch.equal(again.average.weight, second.average.weight)  # type: ignore[arg-type]


def test_auc_counts_pairs_in_order() -> None:
    assert auc([0.9, 0.8], [0.1, 0.2]) == 1.0
    assert auc([0.5], [0.5]) == 0.5
    assert auc([0.9, 0.1], [0.5]) == 0.5


def test_separation_is_by_kind() -> None:
    seen = labeled(Prompts(0), random.Random(0), 64, 64)
    atoms = [
        [atom("object", "circle", "circle"), atom("count", "circle", "1")],
        [atom("object", "star", "star"), atom("count", "star", "2")],
    ]
    held = [Asked(seen, atoms[0], [True, True]), Asked(seen, atoms[1], [False, False])]
    figures = separation(held, [[0.9, 0.1], [0.2, 0.3]])
    assert figures["auc_object"] == 1.0
    assert figures["auc_count"] == 0.0
    assert "auc_relation" not in figures


def test_questions_have_their_truth_and_both_answers() -> None:
    prompts, rng = Prompts(7), random.Random(7)
    told: dict[str, set[bool]] = {}
    for _ in range(40):
        seen = labeled(prompts, rng, *rng.choice(SIZES))
        for fact, truth in questions(seen, rng):
            assert truth == holds(seen, fact)
            told.setdefault(str(fact["kind"]), set()).add(truth)
    assert told == {kind: {True, False} for kind in ("object", "count", "color", "relation", "place", "style")}


def test_patches_of_a_shape_have_its_classes() -> None:
    red = [atom("object", "star", "star"), atom("color", "star", "red"), atom("place", "picture", "night")]
    scene = scene_for([*red, atom("style", "picture", "outline")], 80, 48, random.Random(0))
    inside, center, color, style, place = patch_classes([label(scene)])
    assert inside.shape == (1, GRID, GRID)
    assert set(inside.unique().tolist()) == {0, SHAPES.index("star") + 1}
    assert (center > 0).sum() == 1
    assert set(color.unique().tolist()) == {-100, list(COLORS).index("red")}
    assert set(style.unique().tolist()) == {-100, STYLES.index("outline")}
    assert place.tolist() == [list(PLACES).index("night")]
    assert inside[0, :1].sum() == inside[0, -1:].sum() == 0  # the padding above and below


def test_centers_are_those_of_the_padded_square() -> None:
    atoms = [atom("object", "star", "star"), atom("object", "circle", "circle"), atom("place", "picture", "snow")]
    atoms += [atom("relation", "star", "left of", "circle"), atom("style", "picture", "flat")]
    seen = label(scene_for(atoms, 80, 48, random.Random(0)))
    centers, there = shape_centers([seen])
    star, circle = SHAPES.index("star"), SHAPES.index("circle")
    assert there[0].nonzero().flatten().tolist() == sorted((star, circle))
    assert centers[0, star, 0] < 0.4 < 0.6 < centers[0, circle, 0]
    assert centers[0, star, 1] == pytest.approx(0.5, abs=0.1)
