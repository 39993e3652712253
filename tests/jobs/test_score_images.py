"""candidates given -> rows of raw_scores and scores expected, with the real technical measures and a CLIP of random weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from conf.loading import RecipeError
from conf.recipe import Run, Scorer
from jobs import score_images
from jobs.launch import Context, JobError
from jobs.scoring import pass_id, scorer_set, scorer_specs
from schemas.delta import Lakehouse
from tests.jobs.pictures import Shown, append, show
from tests.recipes import small_recipe
from tests.tiny_scorers import clip, drawn, jpeg

TECHNICAL = Scorer(name="technical")
PICTURES = [
    Shown("i1"),
    Shown("i2", jpeg(drawn("blue", 8)), "a blue circle", category="night"),
    Shown("i3", jpeg(drawn("red", 30)), "a red circle", style="outline"),
]


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="session")
def other_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clip(tmp_path_factory.mktemp("other_clip"), seed=1)


@pytest.fixture
def context(spark: SparkSession, lakehouse: Lakehouse) -> Context:
    show(spark, lakehouse, PICTURES)
    return Context(spark, small_recipe(lakehouse, scorers=(TECHNICAL,)), lakehouse, "run1")


def with_scorers(context: Context, *scorers: Scorer, run_id: str, **flags: object) -> Context:
    recipe = small_recipe(context.lakehouse, scorers=scorers, run=Run(max_error_fraction=0.4))
    return replace(context, recipe=recipe, run_id=run_id, **flags)


def current_pass(context: Context, *names: str) -> str:
    specs = scorer_specs(context.recipe)
    return pass_id(scorer_set(context.recipe, specs, names or tuple(specs)))


def test_every_candidate_gets_a_raw_row_and_a_merged_row(context: Context) -> None:
    score_images.run(context)
    raw = {row["image_id"]: row for row in context.lakehouse.read("raw_scores").collect()}
    scores = {row["image_id"]: row for row in context.lakehouse.read("scores").collect()}
    assert raw.keys() == scores.keys() == {"i1", "i2", "i3"}
    assert {row["pass"] for row in raw.values()} == {current_pass(context)}
    for image_id, row in raw.items():
        merged = scores[image_id]
        assert row["status"] == "ok"
        assert row["revisions"] == merged["revisions"] == dict.fromkeys(row["values"], "technical@1-full")
        assert {name: merged[name] for name in row["values"]} == row["values"]
        assert merged["clip_scenes_similarity"] is None
        assert merged["reasons"] == {}
        assert merged["phash"] == row["phash"]
        assert len(merged["mean_color"]) == 48
        assert merged["seconds"] == pytest.approx(row["seconds"])
        assert (merged["task"], merged["category"]) == (row["task"], row["category"])


def test_a_second_run_does_nothing_and_adds_no_version(context: Context, capsys: pytest.CaptureFixture[str]) -> None:
    score_images.run(context)
    before = context.lakehouse.versions()
    capsys.readouterr()
    score_images.run(replace(context, run_id="run2"))
    assert context.lakehouse.versions() == before
    said = capsys.readouterr().out
    assert "raw_scores: nothing to do" in said
    assert "scores: nothing to merge" in said


def test_a_new_scorer_is_a_new_pass_that_runs_alone(context: Context, clip_folder: Path) -> None:
    score_images.run(context)
    before = {row["image_id"]: row["blur"] for row in context.lakehouse.read("scores").collect()}
    wider = with_scorers(context, TECHNICAL, Scorer(name="clip_scenes", model=str(clip_folder)), run_id="run2")
    score_images.run(wider)
    second = context.lakehouse.read("raw_scores").where("run_id = 'run2'").collect()
    assert len(second) == 3
    for row in second:
        assert set(row["values"]) == {"clip_scenes_similarity"}
        assert row["pass"] == current_pass(wider, "clip_scenes") != current_pass(wider)
        assert sum(x * x for x in row["embedding"]) == pytest.approx(1, abs=1e-4)
    for row in context.lakehouse.read("scores").collect():
        assert row["blur"] == before[row["image_id"]], "what was there stays"
        assert -1 <= row["clip_scenes_similarity"] <= 1
        assert set(row["revisions"]) >= {"blur", "clip_scenes_similarity"}
    versions = context.lakehouse.versions()
    score_images.run(replace(wider, run_id="run3"))
    assert context.lakehouse.versions() == versions


def test_new_pictures_get_every_scorer_and_old_ones_only_what_they_lack(context: Context, clip_folder: Path) -> None:
    score_images.run(context)
    show(context.spark, context.lakehouse, [Shown("i4")], run_id="later")
    wider = with_scorers(context, TECHNICAL, Scorer(name="clip_scenes", model=str(clip_folder)), run_id="run2")
    score_images.run(wider)
    rows = context.lakehouse.read("raw_scores").where("run_id = 'run2'").collect()
    sizes = {row["image_id"]: len(row["revisions"]) for row in rows}
    assert sizes == {"i1": 1, "i2": 1, "i3": 1, "i4": 7}


def test_another_revision_makes_cells_stale_and_only_retry_stale_fills_them(
    context: Context, clip_folder: Path, other_clip: Path
) -> None:
    first = with_scorers(context, TECHNICAL, Scorer(name="clip_scenes", model=str(clip_folder)), run_id="run1")
    score_images.run(first)
    old = {row["image_id"]: row["clip_scenes_similarity"] for row in context.lakehouse.read("scores").collect()}
    second = with_scorers(context, TECHNICAL, Scorer(name="clip_scenes", model=str(other_clip)), run_id="run2")
    score_images.run(second)
    assert context.lakehouse.read("raw_scores").where("run_id = 'run2'").count() == 0
    score_images.run(replace(second, retry="stale", run_id="run3"))
    fresh = context.lakehouse.read("raw_scores").where("run_id = 'run3'").collect()
    assert {tuple(row["values"]) for row in fresh} == {("clip_scenes_similarity",)}, "technical is not stale"
    for row in context.lakehouse.read("scores").collect():
        assert row["clip_scenes_similarity"] != old[row["image_id"]]
    versions = context.lakehouse.versions()
    score_images.run(replace(second, retry="stale", run_id="run4"))
    assert context.lakehouse.versions() == versions
    # back to the first model: its answers are there, so they count again and nothing runs
    score_images.run(replace(first, retry="stale", run_id="run5"))
    assert context.lakehouse.read("raw_scores").where("run_id = 'run5'").count() == 0
    now = {row["image_id"]: row["clip_scenes_similarity"] for row in context.lakehouse.read("scores").collect()}
    assert now == old


def test_a_run_killed_before_its_merge_is_made_good_by_the_next(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(frame: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(context.lakehouse, "merge_scores", killed)
    with pytest.raises(KeyboardInterrupt):
        score_images.run(context)
    assert context.lakehouse.read("scores").count() == 0
    monkeypatch.undo()
    score_images.run(replace(context, run_id="run2"))
    assert context.lakehouse.read("scores").count() == 3
    assert context.lakehouse.read("raw_scores").where("run_id = 'run2'").count() == 0


def test_an_undecodable_picture_is_an_error_row_that_waits_for_retry_errors(context: Context) -> None:
    show(context.spark, context.lakehouse, [Shown("broken", b"no picture")], run_id="later")
    score_images.run(context)
    row = context.lakehouse.read("raw_scores").where("image_id = 'broken'").first()
    assert row is not None
    assert (row["status"], row["error_class"], row["values"]) == ("error", "UnidentifiedImageError", None)
    assert context.lakehouse.read("scores").count() == 3
    score_images.run(replace(context, run_id="run2"))
    assert context.lakehouse.read("raw_scores").count() == 4
    score_images.run(replace(context, run_id="run3", retry="errors"))
    assert context.lakehouse.read("raw_scores").where("image_id = 'broken'").count() == 2
    assert context.lakehouse.read("raw_scores").count() == 5


def test_plan_writes_nothing(context: Context, capsys: pytest.CaptureFixture[str]) -> None:
    before = context.lakehouse.versions()
    score_images.run(replace(context, plan=True))
    assert context.lakehouse.versions() == before
    assert "raw_scores: 3 pictures to do" in capsys.readouterr().out


def test_a_scorer_that_fails_on_most_pictures_stops_the_run_after_the_merge(
    context: Context, clip_folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    import shutil

    import torch
    from safetensors.torch import load_file, save_file

    broken = Path(shutil.copytree(clip_folder, tmp_path / "broken"))
    state = load_file(broken / "open_clip_model.safetensors")
    save_file({name: torch.full_like(tensor, torch.nan) for name, tensor in state.items()}, broken / "open_clip_model.safetensors")
    both = with_scorers(context, TECHNICAL, Scorer(name="clip_scenes", model=str(broken)), run_id="run1")
    with pytest.raises(JobError, match="max_error_fraction = 0.4"):
        score_images.run(both)
    assert "clip_scenes_similarity: no value for 3 of 3 pictures (not finite)" in capsys.readouterr().out
    for row in context.lakehouse.read("scores").collect():
        assert row["clip_scenes_similarity"] is None
        assert row["reasons"] == {"clip_scenes_similarity": "not finite"}
        assert row["blur"] is not None


def test_a_sample_is_a_contact_sheet_and_writes_nothing(context: Context) -> None:
    before = context.lakehouse.versions()
    score_images.run(replace(context, sample=2))
    assert context.lakehouse.versions() == before
    assert context.sample_path("score_images").stat().st_size > 1000


def test_photographs_are_scored_too(context: Context) -> None:
    photo = {"image_id": "p1", "source": "s", "source_id": "1", "image": PICTURES[0].image, "sha256": "0", "status": "ok"}
    labels = {"task": "none", "category": "none", "style": "none"}
    append(context.spark, context.lakehouse, "photos", [photo | labels], "run1")
    caption = {"image_id": "p1", "short_caption": "a circle", "status": "ok", "model": "none"}
    append(context.spark, context.lakehouse, "captions", [caption], "run1")
    score_images.run(context)
    assert {row["image_id"] for row in context.lakehouse.read("scores").collect()} == {"i1", "i2", "i3", "p1"}


def test_a_scorer_written_twice_or_with_an_unknown_option_is_a_mistake_in_the_recipe(context: Context) -> None:
    with pytest.raises(RecipeError, match="technical stands there twice"):
        scorer_specs(small_recipe(context.lakehouse, scorers=(TECHNICAL, TECHNICAL)))
    odd = Scorer(name="nsfw_opennsfw", options={"reencode": True})
    with pytest.raises(RecipeError, match="option 'reencode' is not known; allowed: jpeg_reencode"):
        scorer_specs(small_recipe(context.lakehouse, scorers=(odd,)))
    with pytest.raises(RecipeError, match="clip_l14 has no model"):
        scorer_specs(small_recipe(context.lakehouse, scorers=(Scorer(name="clip_l14"),)))
