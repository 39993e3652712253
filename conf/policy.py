"""A policy: a named set of gates over scores, the best-of-n rule and the quotas. Published to tables; the views decide
with them.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from conf.loading import CONF, Frozen, load, unknown
from conf.scores import SCORES
from conf.taxonomy import Slug, Taxonomy

Kind = Literal["prompt", "generated", "photograph"]


class Threshold(Frozen):
    """One gate: the score must lie within [minimum, maximum]. A null label means all; the row with more labels wins."""

    gate: str
    kind: Kind
    minimum: float | None = None
    maximum: float | None = None
    task: Slug | None = None
    category: Slug | None = None
    style: Slug | None = None
    note: str = ""

    @model_validator(mode="after")
    def _within_the_range(self) -> Threshold:
        if self.gate not in SCORES:
            raise unknown("", "gate", self.gate, [*SCORES], "Use the name of a score.")
        score = SCORES[self.gate]
        if (self.kind == "prompt") != (score.of == "prompt"):
            allowed = [name for name, other in SCORES.items() if (other.of == "prompt") == (self.kind == "prompt")]
            raise ValueError(f"gate {self.gate} is no score of a {self.kind}; allowed: {', '.join(allowed)}")
        if self.minimum is None and self.maximum is None:
            raise ValueError(f"gate {self.gate} has neither a minimum nor a maximum; give one")
        for end in ("minimum", "maximum"):
            value = getattr(self, end)
            if value is not None and not score.low <= value <= score.high:
                raise ValueError(
                    f"gate {self.gate}: {end} {value} lies outside the score's range {score.low:g} to {score.high:g}"
                    f" ({score.about}); give a value inside it"
                )
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(
                f"gate {self.gate}: minimum {self.minimum} is above maximum {self.maximum}: nothing could pass"
            )
        return self


class Best(Frozen):
    """Of the pictures of one (prompt, variant, regime, generator) that pass every gate, the `of` with the highest `by`
    are kept.
    """

    by: str = Field(description="an image score whose direction is higher")
    of: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _rankable(self) -> Best:
        allowed = [name for name, score in SCORES.items() if score.of == "image" and score.direction == "higher"]
        if self.by not in allowed:
            raise unknown("", "by", self.by, allowed, "Rank by an image score of which more is better.")
        return self


class Quota(Frozen):
    """At most so many kept pictures in a stratum; a null label means all."""

    at_most: int = Field(ge=0)
    task: Slug | None = None
    category: Slug | None = None
    style: Slug | None = None


class Policy(Frozen):
    name: Slug
    best: Best
    thresholds: tuple[Threshold, ...] = Field(min_length=1)
    quotas: tuple[Quota, ...] = ()
    licences: tuple[str, ...] = Field(default=(), description="licences of photographs that may ship; empty: all")

    @model_validator(mode="after")
    def _no_gate_twice(self) -> Policy:
        for rows, what in ((self.thresholds, "gate"), (self.quotas, "quota")):
            keys = [(getattr(r, "gate", ""), getattr(r, "kind", ""), r.task, r.category, r.style) for r in rows]
            twice = next((key for key in keys if keys.count(key) > 1), None)
            if twice:
                raise ValueError(f"{what} {twice} stands there twice; each combination of labels may stand once")
        return self

    def scores(self) -> set[str]:
        """The image scores that this policy needs, by a gate or for ranking."""
        return {t.gate for t in self.thresholds if t.kind != "prompt"} | {self.best.by}

    def digest(self) -> str:
        """SHA-256 of the policy's content: what publish_views compares with the published one."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


def load_policy(name: str, taxonomy: Taxonomy) -> Policy:
    """The policy conf/policies/<name>.yaml (or a path that ends in .yaml), its labels checked against the taxonomy."""
    folder = CONF / "policies"
    path = Path(name) if name.endswith(".yaml") else folder / f"{name}.yaml"
    if not path.is_file() and not name.endswith(".yaml"):
        raise unknown(
            folder,
            "policy",
            name,
            [p.stem for p in folder.glob("*.yaml")],
            "Name one of these, or the path of a YAML file.",
        )
    policy = load(Policy, path)
    for rows, where in ((policy.thresholds, "thresholds"), (policy.quotas, "quotas")):
        for row in rows:
            for axis in ("task", "category", "style"):
                label = getattr(row, axis)
                allowed = [*taxonomy.slugs(axis), "none"]
                if label is not None and label not in allowed:
                    raise unknown(path, f"{where}.{axis}", label, allowed, f"Use a slug of taxonomy {taxonomy.name}.")
    return policy
