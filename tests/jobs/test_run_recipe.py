"""When run_recipe passes over a job: nothing changed since the last whole run. The jobs themselves have tests of their
own and are recorders here.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from conf.loading import RecipeError
from conf.recipe import Photos
from jobs import last_run, report, run_recipe
from jobs.launch import Context
from schemas.delta import Lakehouse
from tests.jobs.pictures import append
from tests.recipes import Killed, small_recipe

DENIED = {"kind": "sha256", "value": "0" * 64, "reason": "a take-down"}


@pytest.fixture
def context(lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch) -> Context:
    monkeypatch.setattr(report, "report", lambda context: None)
    return Context(lakehouse.spark, small_recipe(lakehouse), lakehouse, "run1")


def ran(context: Context, monkeypatch: pytest.MonkeyPatch, changes: str | None = None) -> list[str]:
    """The jobs that a run did not pass over; the job `changes` appends to a table."""
    names = []

    def job(name: str) -> run_recipe.Job:
        def run(context: Context) -> None:
            names.append(name)
            if name == changes:
                append(context.spark, context.lakehouse, "denylist", [DENIED], context.run_id)

        return run

    monkeypatch.setattr(run_recipe, "job", job)
    run_recipe.run(context)
    return names


def test_after_a_whole_run_only_the_jobs_that_read_files_look_again(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = list(run_recipe.JOBS)
    assert ran(context, monkeypatch) == every
    assert context.lakehouse.version("runs") == 1
    again = replace(context, run_id="run2")
    assert ran(again, monkeypatch) == [name for name in every if name in run_recipe.READS_FILES]
    assert context.lakehouse.version("runs") == 1, "nothing happened, so nothing is written"
    from_there = every.index("generate_prompts")
    expected = ["publish_views", *every[from_there:]]
    assert ran(replace(context, run_id="run3"), monkeypatch, changes="generate_prompts") == expected
    assert context.lakehouse.version("runs") == 2
    review = {"image_id": "i1", "verdict": "reject", "reviewer": "ann"}
    append(context.spark, context.lakehouse, "reviews", [review], "by hand")
    assert ran(replace(context, run_id="run4"), monkeypatch) == every, "a person changed a table"


def test_what_people_edit_while_a_run_is_at_work_is_work_for_the_next(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = list(run_recipe.JOBS)
    assert ran(context, monkeypatch, changes="export_webdataset") == every
    assert ran(replace(context, run_id="run2"), monkeypatch) == every
    assert ran(replace(context, run_id="run3"), monkeypatch) != every


@pytest.mark.parametrize("whole", [True, False])
def test_the_export_looks_again_where_files_of_its_release_are_not_whole(
    context: Context, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    ran(context, monkeypatch)
    monkeypatch.setattr(run_recipe, "lies_whole", lambda context: whole)
    assert ("export_webdataset" in ran(replace(context, run_id="run2"), monkeypatch)) == (not whole)


def test_a_run_that_stopped_counts_for_nothing(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    def stops(name: str) -> run_recipe.Job:
        raise Killed

    monkeypatch.setattr(run_recipe, "job", stops)
    with pytest.raises(Killed):
        run_recipe.run(context)
    assert last_run.last_run(context) is None


def test_the_fingerprint_holds_recipe_code_models_and_packages(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = context.recipe
    now = last_run.fingerprint(recipe)
    assert now == last_run.fingerprint(recipe.model_copy())
    assert now != last_run.fingerprint(recipe.model_copy(update={"seed": recipe.seed + 1}))
    with monkeypatch.context() as patch:
        patch.setattr(last_run, "distributions", list)
        assert now != last_run.fingerprint(recipe)
    with monkeypatch.context() as patch:
        patch.setattr(last_run, "resolve_model", lambda model, revision: (model, "other"))
        assert now != last_run.fingerprint(recipe)
    with monkeypatch.context() as patch:
        patch.setattr(last_run, "_files", lambda folder: [])
        assert now != last_run.fingerprint(recipe)


def test_what_a_later_job_would_stop_at_stops_the_first(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    twice = context.recipe.model_copy(update={"scorers": context.recipe.scorers * 2})
    ran_jobs: list[str] = []
    monkeypatch.setattr(run_recipe, "job", lambda name: ran_jobs.append)
    with pytest.raises(RecipeError, match="technical stands there twice"):
        run_recipe.run(replace(context, recipe=twice))
    photos = Photos(folder="/nowhere", metadata="photos.csv")
    with pytest.raises(RecipeError, match="there is no such folder"):
        run_recipe.run(replace(context, recipe=context.recipe.model_copy(update={"photos": photos})))
    assert ran_jobs == []
