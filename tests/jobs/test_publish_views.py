"""A policy given -> rows of policies, thresholds and quotas expected, also after a run that was killed in between."""

from __future__ import annotations

from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from conf.policy import Best, Policy, Quota, Threshold
from jobs import publish_views, published_policy
from jobs.endings import JobError
from jobs.launch import Context
from schemas.delta import Lakehouse
from tests.recipes import small_recipe

TABLES = ("thresholds", "quotas", "policies")  # as they are written


class Killed(BaseException):
    """Stands for a signal: nothing in the job may catch it."""


def policy(minimum: float, quota: int, best_of: int = 1, name: str = "test") -> Policy:
    return Policy(
        name=name,
        best=Best(by="judge", of=best_of),
        thresholds=(Threshold(gate="judge", kind="generated", minimum=minimum),),
        quotas=(Quota(style="flat", at_most=quota),),
    )


OLD, NEW = policy(0.5, 3), policy(0.7, 4, best_of=2)
PUBLISHED_OLD: dict[str, list[tuple[Any, ...]]] = {"thresholds": [(0.5,)], "quotas": [(3,)], "policies": [(1,)]}
PUBLISHED_NEW: dict[str, list[tuple[Any, ...]]] = {"thresholds": [(0.7,)], "quotas": [(4,)], "policies": [(2,)]}


def opened(lakehouse: Lakehouse, gates: Policy) -> Context:
    recipe = small_recipe(lakehouse)
    recipe._policy = gates
    return Context(lakehouse.spark, recipe, lakehouse, "run")


def publish(lakehouse: Lakehouse, gates: Policy) -> None:
    publish_views.run(opened(lakehouse, gates))


def published(lakehouse: Lakehouse, name: str = "test") -> dict[str, list[tuple[Any, ...]]]:
    """table -> of each row of the policy the value that the policies above differ in."""
    values = {"thresholds": "minimum", "quotas": "at_most", "policies": "best_of"}
    rows = {
        table: lakehouse.read(table).where(f"policy = '{name}'").select(values[table]).collect() for table in TABLES
    }
    return {table: [tuple(row) for row in found] for table, found in rows.items()}


def versions(lakehouse: Lakehouse) -> dict[str, int]:
    return {table: lakehouse.version(table) for table in TABLES}


def test_a_changed_file_replaces_the_rows_of_its_policy_and_an_unchanged_one_changes_nothing(
    spark: SparkSession, lakehouse: Lakehouse, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(lakehouse, policy(0.6, 5, best_of=3, name="other"))
    publish(lakehouse, OLD)
    assert published(lakehouse) == PUBLISHED_OLD

    before = versions(lakehouse)
    capsys.readouterr()
    publish(lakehouse, OLD)
    assert capsys.readouterr().out == "publish_views: policy test is published; nothing to do\n"
    assert versions(lakehouse) == before

    spark.sql(f"update delta.`{lakehouse.path('thresholds')}` set minimum = 0.9 where policy = 'test'")
    edited = versions(lakehouse)
    publish(lakehouse, OLD)
    said = capsys.readouterr().out
    assert "edited by SQL since: thresholds judge/generated: in the table [0.9, None], in the file [0.5, None]" in said
    assert versions(lakehouse) == edited
    assert published(lakehouse) == PUBLISHED_OLD | {"thresholds": [(0.9,)]}

    publish(lakehouse, NEW)
    said = capsys.readouterr().out
    assert "policy test published with 1 gates" in said
    assert "thresholds judge/generated: in the table [0.9, None], in the file [0.7, None]" in said
    assert published(lakehouse) == PUBLISHED_NEW
    assert published(lakehouse, "other") == {"thresholds": [(0.6,)], "quotas": [(5,)], "policies": [(3,)]}


def test_a_job_that_asks_views_needs_the_recipe_s_policy_published(spark: SparkSession, lakehouse: Lakehouse) -> None:
    def check(gates: Policy) -> None:
        published_policy.check_published(opened(lakehouse, gates))

    with pytest.raises(
        JobError, match="The policy test is not published, and the views .* jobs/publish_views.py --conf"
    ):
        check(OLD)
    publish(lakehouse, OLD)
    check(OLD)
    with pytest.raises(JobError, match="The policy test is published with other thresholds or models"):
        check(NEW)
    publish(lakehouse, policy(0.7, 4, name="other"))
    check(OLD)


def test_a_corrected_licence_is_another_policy(lakehouse: Lakehouse) -> None:
    def rows(may_train: bool) -> dict[str, Any]:
        context = opened(lakehouse, OLD)
        (generator,) = context.recipe.generation.generators
        corrected = generator.model_copy(update={"output_may_train": may_train})
        generation = context.recipe.generation.model_copy(update={"generators": (corrected,)})
        recipe = context.recipe.model_copy(update={"generation": generation})
        return published_policy.policy_rows(recipe)["policies"][0]

    allowed, refused = rows(True), rows(False)
    assert allowed["generator_specs"] == allowed["trainable_specs"] == refused["generator_specs"]
    assert refused["trainable_specs"] == []
    assert allowed["digest"] != refused["digest"], "so it is published anew"


@pytest.mark.slow
def test_a_run_killed_between_two_tables_publishes_again_whichever_file_it_then_has(
    spark: SparkSession, lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = lakehouse.replace

    def publish_until(last: str, gates: Policy) -> None:
        def killed_after(table: str, frame: DataFrame, where: str | None = None) -> None:
            replace(table, frame, where=where)
            if table == last:
                raise Killed

        with monkeypatch.context() as patched:
            patched.setattr(lakehouse, "replace", killed_after)
            with pytest.raises(Killed):
                publish(lakehouse, gates)

    publish_until("quotas", OLD)
    publish(lakehouse, OLD)
    assert published(lakehouse) == PUBLISHED_OLD
    publish_until("thresholds", NEW)
    assert published(lakehouse)["thresholds"] == PUBLISHED_NEW["thresholds"]
    publish(lakehouse, OLD)
    assert published(lakehouse) == PUBLISHED_OLD, "the old file again"
