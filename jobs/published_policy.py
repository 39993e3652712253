"""The recipe's policy as rows of policies, thresholds and quotas, and what of it is published."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pyspark.sql import functions as F

from conf.recipe import Recipe
from jobs.endings import JobError, spark_submit
from jobs.launch import Context
from jobs.prompt_screens import enhancer
from jobs.specs import generator_spec, judge_model
from udfs.captioners import SourceTextCaptioner


def check_published(context: Context) -> None:
    """JobError unless the views decide with the recipe's policy and models as they are now: a job would work, and pay,
    for what they do not count. What was edited by SQL since counts, and is no error.
    """
    published = published_rows(context, "policies")
    if published and published[0]["digest"] == policy_rows(context.recipe)["policies"][0]["digest"]:
        return
    said = "is published with other thresholds or models than the recipe has now" if published else "is not published"
    raise JobError(
        f"The policy {context.recipe.gates.name} {said}, and the views decide with what is published. Run this first:"
        f" {spark_submit()} jobs/publish_views.py --config {context.recipe.path}"
    )


def policy_rows(recipe: Recipe) -> dict[str, list[dict[str, Any]]]:
    """table -> rows: the recipe's policy, and which models' rows the views count for it."""
    policy = recipe.gates
    specs = {generator_spec(g, recipe.generation.quality).spec_id: g for g in recipe.generation.generators}
    models = {
        "judge": judge_model(recipe.judge),
        "enhancer": enhancer(recipe).model,
        "captioner": SourceTextCaptioner().model,
        "generator_specs": [*specs],
        "trainable_specs": [spec for spec, generator in specs.items() if generator.output_may_train],
    }
    digest = hashlib.sha256((policy.digest() + json.dumps(models, sort_keys=True)).encode()).hexdigest()
    head = {
        "policy": policy.name,
        "best_by": policy.best.by,
        "best_of": policy.best.of,
        "licences": list(policy.licences),
    }
    return {
        "thresholds": [{"policy": policy.name} | row.model_dump() for row in policy.thresholds],
        "quotas": [{"policy": policy.name} | row.model_dump() for row in policy.quotas],
        "policies": [head | models | {"digest": digest}],  # last: its digest says that the others are there
    }


def published_rows(context: Context, table: str) -> list[dict[str, Any]]:
    rows = (
        context.lakehouse.read(table)
        .where(F.col("policy") == context.recipe.gates.name)
        .drop("run_id", "created_at")
        .collect()
    )
    return [row.asDict() for row in rows]
