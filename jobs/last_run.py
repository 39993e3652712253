"""The last whole run of a recipe: while nothing has changed since, a job that reads tables only has nothing to do, and
need not plan its views to find out.
"""

from __future__ import annotations

import hashlib
from importlib.metadata import distributions
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from pyspark.sql import functions as F

from conf.paths import resolve_model
from conf.recipe import Recipe
from jobs.launch import Context
from jobs.prompt_screens import recipe_screens
from jobs.scoring import scorer_specs
from jobs.specs import embedder_spec
from schemas.tables import TABLES
from udfs.ids import content_id

_READ = sorted(set(TABLES) - {"runs"})
_EDITED = ("policies", "thresholds", "quotas", "reviews", "denylist")  # by people, perhaps while a run is at work


def fingerprint(recipe: Recipe) -> str:
    """The id of all that decides besides the tables: the recipe with its taxonomy and policy, every model's revision,
    Goldpan's own files and every installed package. More than need be: a change that does not matter costs one full look.
    """
    own = {
        f"{package}/{inside}": hashlib.sha256(file.read_bytes()).hexdigest()
        for package in ("conf", "jobs", "schemas", "udfs")
        for inside, file in _files(files(package))
    }
    models: list[Any] = [
        *recipe.generation.generators,
        recipe.judge,
        *(scorer for scorer in recipe.scorers if scorer.model),
        *(entry for entry in recipe.language_models if entry.kind == "transformers"),
    ]
    return content_id(
        {
            "recipe": recipe.model_dump(mode="json"),
            "labels": recipe.labels.model_dump(mode="json"),
            "policy": recipe.gates.model_dump(mode="json"),
            "screens": [recipe_screens(recipe).model, embedder_spec(recipe.deduplication.embedder).model],
            "scorers": {name: spec.model for name, spec in scorer_specs(recipe).items()},
            "models": [resolve_model(str(model.model), model.revision)[1] for model in models],
            "files": own,
            "packages": sorted(f"{package.name}={package.version}" for package in distributions()),
        }
    )


def last_run(context: Context) -> dict[str, Any] | None:
    """The row of the last run that came to its end; None before the first."""
    row = context.lakehouse.read("runs").orderBy(F.desc("created_at"), "run_id").first()
    return None if row is None else row.asDict()


def holds(context: Context, last: dict[str, Any] | None, now: str) -> bool:
    """Whether `last` was made by what is there `now` (a fingerprint) and left the tables as they are."""
    return last is not None and last["fingerprint"] == now and last["table_versions"] == context.table_versions(_READ)


def edits(context: Context) -> dict[str, int]:
    """The versions of the tables that people write. A run takes them when it begins: what is edited while it works may come
    too late for it, and is work for the next."""
    return context.table_versions(_EDITED)


def record(context: Context, now: str, begun_with: dict[str, int], seconds: dict[str, float]) -> None:
    """The row of this run, which has come to its end."""
    versions = context.table_versions(_READ) | begun_with
    row = {"fingerprint": now, "table_versions": versions, "seconds": seconds}
    frame = context.lakehouse.rows("runs", [row], context.run_id)
    context.lakehouse.append("runs", frame)


def _files(folder: Traversable, inside: str = "") -> list[tuple[str, Traversable]]:
    """(path inside, file) of the Python, SQL and YAML files in and below a folder, sorted."""
    found = []
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            found += _files(entry, f"{inside}{entry.name}/")
        elif entry.name.endswith((".py", ".sql", ".yaml")):
            found.append((inside + entry.name, entry))
    return found
