"""A small recipe for tests, made in code: taxonomy scenes, policy demo's gates under the name 'test'."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from conf.policy import Best, Policy, Threshold
from conf.recipe import Generation, Generator, Judge, Prompts, Recipe, Release, Scorer
from conf.taxonomy import load_taxonomy
from schemas.delta import Lakehouse

_GENERATOR = Generator(
    name="tiny", model="tiny", revision="1", pipeline="StableDiffusionPipeline", dtype="float32", steps=2, guidance=2.0,
    size_multiple=16, largest_side=80, licence="Apache-2.0", output_may_train=True,
)  # fmt: skip


class Killed(BaseException):
    """In the place of a signal that ends a run: nothing handles it. The tests' process lives on and runs again."""


def small_recipe(lakehouse: Lakehouse, **parts: Any) -> Recipe:
    """The recipe that owns `lakehouse`; `parts` replace its fields."""
    root = Path(lakehouse.root)
    fields: dict[str, Any] = {
        "name": lakehouse.recipe,
        "lakehouse": lakehouse.root,
        "taxonomy": "scenes",
        "policy": "demo",
        "prompts": Prompts(written=20),
        "generation": Generation(generators=(_GENERATOR,), regimes={"square": ("64x64",)}),
        "scorers": (Scorer(name="technical"),),
        "judge": Judge(name="tiny_judge", model="tiny", revision="1", dtype="float32", licence="Apache-2.0"),
        "release": Release(name="test", folder=str(root.parent / "shards")),
    }
    recipe = Recipe(**(fields | parts))
    recipe._taxonomy = load_taxonomy("scenes")
    recipe._policy = Policy(
        name="test",
        best=Best(by="judge"),
        thresholds=(
            Threshold(gate="prompt_words", kind="prompt", minimum=3),
            Threshold(gate="judge", kind="generated", minimum=0.5),
        ),
    )
    recipe._path = root / "recipe.yaml"
    return recipe
