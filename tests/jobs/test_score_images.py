"""candidates given -> rows of raw_scores and scores expected, with the real technical measures and CLIPs of random
weights.

One lakehouse goes through a life of several runs; the tests look at what each of them left behind.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
import pytest
from pyspark.sql import Row, SparkSession

from conf.loading import RecipeError
from conf.recipe import Run, Scorer
from jobs import score_images, waves
from jobs.endings import JobError
from jobs.launch import Context
from jobs.score_functions import register_score_functions
from jobs.scoring import pass_id, scorer_set, scorer_specs
from schemas.delta import Lakehouse
from tests.jobs.pictures import Shown, append, show
from tests.recipes import Killed, small_recipe
from tests.tiny_scorers import clip, drawn, jpeg
from udfs.scorers import SCORERS
from udfs.scorers.columns import ScoreColumn
from udfs.scorers.fused import ScorerSet
from udfs.scorers.picture import Picture
from udfs.scorers.spec import Answers, Parts, ScorerSpec

TECHNICAL = Scorer(name="technical")
PICTURES = [
    Shown("i1"),
    Shown("i2", jpeg(drawn("blue", 8)), "a blue circle", category="night"),
    Shown("broken", b"no picture"),
]


@dataclass
class Life:
    """What the runs said, and the tables after each."""

    context: Context
    said: dict[str, str] = field(default_factory=dict)
    raw: dict[str, dict[str, Row]] = field(default_factory=dict)  # run -> image_id -> the row that it added
    scores: dict[str, dict[str, Row]] = field(default_factory=dict)  # run -> image_id -> the merged row after it
    versions: dict[str, dict[str, int]] = field(default_factory=dict)
    errors: dict[str, BaseException] = field(default_factory=dict)

    def run(self, name: str, *scorers: Scorer, context: Context | None = None, **flags: Any) -> None:
        house = self.context.lakehouse
        recipe = small_recipe(house, scorers=scorers or (TECHNICAL,), run=Run(max_error_fraction=0.6))
        out = io.StringIO()
        with redirect_stdout(out):
            try:
                score_images.run(replace(context or self.context, recipe=recipe, run_id=name, **flags))
            except (JobError, Killed) as error:
                self.errors[name] = error
        self.said[name] = out.getvalue()
        self.raw[name] = {
            row["image_id"]: row for row in house.read("raw_scores").where(f"run_id = '{name}'").collect()
        }
        self.scores[name] = {row["image_id"]: row for row in house.read("scores").collect()}
        self.versions[name] = {table: house.version(table) for table in ("raw_scores", "scores")}


class KilledBeforeTheMerge(Lakehouse):
    def merge_scores(self, frame: object) -> None:
        raise Killed


def clip_scorer(folder: Path) -> Scorer:
    return Scorer(name="clip_scenes", model=str(folder))


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two CLIPs, and a broken one that answers NaN."""
    import torch
    from safetensors.torch import load_file, save_file

    folders = [clip(tmp_path_factory.mktemp(f"clip{seed}"), seed) for seed in (0, 1)]
    broken = Path(shutil.copytree(folders[0], tmp_path_factory.mktemp("broken") / "clip"))
    file = broken / "open_clip_model.safetensors"
    save_file({name: torch.full_like(tensor, torch.nan) for name, tensor in load_file(file).items()}, file)
    return [*folders, broken]


@pytest.fixture(scope="module")
def life(
    spark: SparkSession, lakehouse_template: Path, tmp_path_factory: pytest.TempPathFactory, clips: list[Path]
) -> Life:
    root = str(shutil.copytree(lakehouse_template, tmp_path_factory.mktemp("scoring") / "lakehouse"))
    house = Lakehouse(spark, root, "test")
    house.register()
    show(spark, house, PICTURES)
    _photograph(spark, house)
    life = Life(Context(spark, small_recipe(house), house, "none"))
    life.run("plan", plan=True)
    life.run("sample", sample=2)
    life.run("killed", context=replace(life.context, lakehouse=KilledBeforeTheMerge(spark, root, "test")))
    life.run("merged")
    life.run("again")
    show(spark, house, [Shown("i3", jpeg(drawn("red", 30)), style="outline")], run_id="later")
    one, other, broken = clips
    life.run("wider", TECHNICAL, clip_scorer(one))
    life.run("retried", TECHNICAL, clip_scorer(one), retry="errors")
    life.run("other model", TECHNICAL, clip_scorer(other))
    life.run("stale", TECHNICAL, clip_scorer(other), retry="stale")
    life.run("back", TECHNICAL, clip_scorer(one), retry="stale")
    life.run("nan", TECHNICAL, clip_scorer(broken), retry="stale")
    return life


def _photograph(spark: SparkSession, house: Lakehouse) -> None:
    labels = {"task": "none", "category": "none", "style": "none"}
    photo = {
        "image_id": "p1",
        "source": "s",
        "source_id": "1",
        "image": jpeg(drawn("green")),
        "sha256": "0",
        "status": "ok",
    }
    append(spark, house, "photos", [photo | labels], "ingested")
    caption = {"image_id": "p1", "short_caption": "a circle", "status": "ok", "model": "none"}
    append(spark, house, "captions", [caption], "captioned")


def similarity(rows: dict[str, Row]) -> dict[str, float | None]:
    return {image_id: row["clip_scenes_similarity"] for image_id, row in rows.items()}


def test_plan_and_sample_write_nothing(life: Life) -> None:
    assert "raw_scores: 4 pictures to do" in life.said["plan"]
    assert life.versions["plan"] == life.versions["sample"] == {"raw_scores": 0, "scores": 0}
    assert "nothing was written to the lakehouse" in life.said["sample"]
    assert life.context.sample_path("score_images").stat().st_size > 1000


def test_every_candidate_has_a_raw_row_with_its_pass(life: Life) -> None:
    rows = life.raw["killed"]
    specs = scorer_specs(small_recipe(life.context.lakehouse, scorers=(TECHNICAL,)))
    assert rows.keys() == {"i1", "i2", "broken", "p1"}, "generated pictures and photographs"
    assert {row["pass"] for row in rows.values()} == {pass_id(scorer_set(life.context.recipe, specs, ("technical",)))}
    for image_id in ("i1", "i2", "p1"):
        row = rows[image_id]
        assert (row["status"], row["reasons"], row["embedding"]) == ("ok", {}, None)
        assert row["revisions"] == dict.fromkeys(row["values"], "technical@3-full")
        assert set(row["values"]) == {"blur", "noise", "blockiness", "clipping", "border", "entropy"}
        assert row["seconds_by_scorer"].keys() == {"technical"}
    assert (rows["i2"]["task"], rows["i2"]["category"], rows["i2"]["style"]) == ("colors", "night", "flat")


def test_an_undecodable_picture_is_an_error_row_and_has_no_scores(life: Life) -> None:
    row = life.raw["killed"]["broken"]
    assert (row["status"], row["error_class"], row["values"]) == ("error", "UnidentifiedImageError", None)
    assert "broken" not in life.scores["merged"]


def test_a_run_killed_before_its_merge_is_made_good_by_the_next(life: Life) -> None:
    assert isinstance(life.errors["killed"], Killed)
    assert life.scores["killed"] == {}
    assert life.raw["merged"] == {}
    assert "scores: 3 pictures merged" in life.said["merged"]


def test_scores_hold_what_raw_scores_hold(life: Life) -> None:
    merged = life.scores["merged"]
    assert merged.keys() == {"i1", "i2", "p1"}
    for image_id, row in merged.items():
        raw = life.raw["killed"][image_id]
        assert {name: row[name] for name in raw["values"]} == raw["values"]
        assert (row["revisions"], row["reasons"], row["phash"]) == (raw["revisions"], {}, raw["phash"])
        assert row["clip_scenes_similarity"] is None
        assert len(row["mean_color"]) == 48
        assert row["seconds"] == pytest.approx(raw["seconds"])
        assert (row["task"], row["category"], row["style"]) == (raw["task"], raw["category"], raw["style"])


def test_a_second_run_does_nothing_and_adds_no_version(life: Life) -> None:
    assert "raw_scores: nothing to do" in life.said["again"]
    assert "scores: nothing to merge" in life.said["again"]
    assert life.versions["again"] == life.versions["merged"]


def test_a_new_scorer_is_a_new_pass_that_runs_alone_on_old_pictures(life: Life) -> None:
    rows = life.raw["wider"]
    asked = {image_id: sorted(row["revisions"]) for image_id, row in rows.items() if row["status"] == "ok"}
    technical = sorted(life.raw["killed"]["i1"]["values"])
    assert asked == {
        "i1": ["clip_scenes_similarity"],
        "i2": ["clip_scenes_similarity"],
        "p1": ["clip_scenes_similarity"],
        "i3": sorted([*technical, "clip_scenes_similarity"]),
    }
    assert rows["i1"]["pass"] not in (rows["i3"]["pass"], life.raw["killed"]["i1"]["pass"])
    assert sum(x * x for x in rows["i1"]["embedding"]) == pytest.approx(1, abs=1e-4)
    for image_id, row in life.scores["wider"].items():
        assert -1 <= row["clip_scenes_similarity"] <= 1
        if image_id != "i3":
            assert row["blur"] == life.scores["merged"][image_id]["blur"], "what was there stays"
            assert row["seconds"] > life.scores["merged"][image_id]["seconds"], "all passes are paid for"


def test_retry_errors_does_the_failed_pictures_again_and_no_other(life: Life) -> None:
    assert life.raw["wider"].keys() & life.raw["retried"].keys() <= {"broken"}
    assert life.raw["retried"].keys() == {"broken"}
    assert life.raw["retried"]["broken"]["status"] == "error"


def test_another_revision_is_stale_and_waits_for_retry_stale(life: Life) -> None:
    assert life.raw["other model"].keys() <= {"broken"}, "only what has no score yet may be tried with it"
    assert similarity(life.scores["other model"]) == similarity(life.scores["wider"])
    said = "4 pictures have scores of another revision than the recipe's, of clip_scenes:"
    assert said in life.said["other model"]
    fresh = {image_id: tuple(row["values"]) for image_id, row in life.raw["stale"].items()}
    assert fresh == dict.fromkeys(("i1", "i2", "i3", "p1"), ("clip_scenes_similarity",)), "technical is not stale"
    before, after = similarity(life.scores["wider"]), similarity(life.scores["stale"])
    assert all(after[image_id] not in (None, before[image_id]) for image_id in before)
    assert life.scores["stale"]["i1"]["blur"] == life.scores["wider"]["i1"]["blur"]


def test_the_first_model_again_counts_again_without_running(life: Life) -> None:
    assert life.raw["back"] == {}
    assert similarity(life.scores["back"]) == similarity(life.scores["wider"])


def test_a_scorer_that_fails_everywhere_stops_the_run_after_the_merge(life: Life) -> None:
    assert "clip_scenes_similarity: no value for 4 of 4 pictures (not finite)" in life.said["nan"]
    assert "max_error_fraction = 0.6" in str(life.errors["nan"])
    for row in life.scores["nan"].values():
        assert row["clip_scenes_similarity"] is None
        assert row["reasons"] == {"clip_scenes_similarity": "not finite"}
        assert row["blur"] is not None


def test_the_scorers_are_sql_functions(life: Life, clips: list[Path]) -> None:
    spark, house = life.context.spark, life.context.lakehouse
    recipe = small_recipe(house, scorers=(TECHNICAL, clip_scorer(clips[0])))
    arguments = register_score_functions(spark, recipe)
    assert arguments["blur"] == ("image",)
    assert arguments["clip_scenes_similarity"] == ("image", "text")
    house.register()
    rows = spark.sql(
        "select image_id, blur(image) as b, clip_scenes_similarity(image, text) as c"
        " from (select * from images where status = 'ok' limit 10)"
    ).collect()
    known = life.scores["wider"]
    got: Callable[[str], dict[str, float]] = lambda name: {row["image_id"]: row[name] for row in rows}  # noqa: E731
    assert got("b") == {**{image_id: known[image_id]["blur"] for image_id in ("i1", "i2", "i3")}, "broken": None}
    for image_id in ("i1", "i2", "i3"):
        assert got("c")[image_id] == pytest.approx(known[image_id]["clip_scenes_similarity"], abs=1e-5)


def test_a_function_answers_null_for_what_cannot_be_decoded() -> None:
    buffer = io.BytesIO()
    drawn().save(buffer, "BMP")
    bomb = bytearray(buffer.getvalue())
    bomb[18:26] = (60_000).to_bytes(4, "little") * 2  # width and height: Pillow refuses so many pixels
    blur = ScoreColumn(ScorerSet((SCORERS["technical"]("technical"),), 2), "blur")
    [column] = blur(iter([pd.Series([bytes(bomb), b"no picture", jpeg(drawn())])]))
    assert column.isna().tolist() == [True, True, False]


@dataclass(frozen=True)
class Moody(ScorerSpec):
    """In the place of a scorer of one score, without a model. Its file says what goes wrong: `score` makes the scorer
    raise, `memory` its batch too large; else it answers .25."""

    defaults: ClassVar = {"file": "", "revision": "1"}
    needs_device = False
    licence = "none"

    @property
    def revision(self) -> str:
        return str(self.settings["revision"])

    def load(self, device: str, parts: Parts) -> LoadedMoody:
        return LoadedMoody(self.name, Path(self.settings["file"]))


@dataclass
class LoadedMoody:
    name: str
    file: Path

    def prepare(self, picture: Picture) -> None:
        """Nothing to prepare."""

    def score(self, pictures: list[Picture]) -> list[Answers]:
        mood = self.file.read_text()
        if mood == "score":
            raise RuntimeError("a passing fault")
        if mood == "memory":
            raise MemoryError
        return [{self.name: 0.25} for _ in pictures]


NSFW = "nsfw_opennsfw"
FAILED = {NSFW: f"{NSFW}: a passing fault"}


@dataclass
class Moods:
    """Runs with the moody scorer alone, and what they left behind."""

    life: Life
    file: Path

    def scorer(self, revision: str = "1") -> Scorer:
        return Scorer(name=NSFW, options={"file": str(self.file), "revision": revision})

    def run(self, name: str, mood: str, revision: str = "1", **flags: Any) -> Life:
        self.file.write_text(mood)
        self.life.run(name, self.scorer(revision), **flags)
        return self.life


@pytest.fixture
def moods(spark: SparkSession, lakehouse: Lakehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Moods:
    monkeypatch.setitem(SCORERS, NSFW, Moody)
    return Moods(Life(Context(spark, small_recipe(lakehouse), lakehouse, "none")), tmp_path / "mood")


def test_a_scorer_that_failed_is_asked_again_and_its_answer_is_merged(moods: Moods, lakehouse: Lakehouse) -> None:
    life = moods.life
    show(life.context.spark, lakehouse, PICTURES[:2])
    recipe = small_recipe(lakehouse, scorers=(moods.scorer(),))
    specs = scorer_specs(recipe)
    scorers = scorer_set(recipe, specs, (NSFW,))

    def planned(retry: str | None) -> Callable[[], int]:
        """What a second run that looked now would do later."""
        candidates = life.context.view("candidates").select("image_id")
        needy = score_images.with_needs(candidates, lakehouse.read("raw_scores"), specs).localCheckpoint()
        wanted = score_images.with_scorers(needy, retry)
        return lambda: score_images._todo(replace(life.context, retry=retry), wanted, scorers).count()

    beside = planned(None)
    assert beside() == 2
    moods.run("failed", "score")
    assert {image_id: row["reasons"] for image_id, row in life.scores["failed"].items()} == {"i1": FAILED, "i2": FAILED}
    assert "again with --retry errors" in str(life.errors["failed"])
    assert beside() == 0, "the first run did it"
    assert planned(None)() == planned("stale")() == 0, "it waits for --retry errors"

    beside = planned("errors")
    assert beside() == 2
    moods.run("retried", "", retry="errors")
    assert life.raw["retried"].keys() == {"i1", "i2"}
    for row in life.scores["retried"].values():
        assert (row[NSFW], row["reasons"], row["revisions"]) == (0.25, {}, {NSFW: f"{NSFW}@1"})
    assert beside() == planned("errors")() == 0


@pytest.mark.slow
def test_a_picture_that_fails_while_stale_waits_for_retry_errors(moods: Moods, lakehouse: Lakehouse) -> None:
    life = moods.life
    show(life.context.spark, lakehouse, PICTURES[:2])
    moods.run("first", "")
    moods.run("changed", "", revision="2", plan=True)
    assert "raw_scores: 0 pictures to do" in life.said["changed"]
    assert f"2 pictures have scores of another revision than the recipe's, of {NSFW}:" in life.said["changed"]
    moods.run("stale", "memory", revision="2", retry="stale")
    assert {row["error_class"] for row in life.raw["stale"].values()} == {"MemoryError"}
    moods.run("again", "", revision="2", retry="stale", plan=True)
    assert "raw_scores: 0 pictures to do" in life.said["again"]
    moods.run("retried", "", revision="2", retry="errors")
    assert {row["revisions"][NSFW] for row in life.scores["retried"].values()} == {f"{NSFW}@2"}
    assert life.raw["retried"].keys() == {"i1", "i2"}


def test_a_scorer_that_fails_stops_the_run_at_the_first_wave(
    moods: Moods, lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waves, "_PROBE_ROWS_A_TASK", 10)
    show(moods.life.context.spark, lakehouse, [Shown(f"i{n}") for n in range(50)])
    life = moods.run("failed", "score")
    assert len(life.raw["failed"]) == 20
    assert f"{NSFW}: no value for 20 of 20 pictures ({FAILED[NSFW]})" in life.said["failed"]
    assert "max_error_fraction = 0.6" in str(life.errors["failed"])


def test_what_a_picture_needs(spark: SparkSession) -> None:
    specs: dict[str, ScorerSpec] = {name: Moody(name) for name in (NSFW, "text_accuracy_rapidocr")}
    read = {"text_accuracy_rapidocr": "text_accuracy_rapidocr@1"}
    old, own = {NSFW: f"{NSFW}@0"} | read, {NSFW: f"{NSFW}@1"} | read
    nan = {NSFW: "not finite"}
    answer = {"text_accuracy_rapidocr": "no quoted text"}
    rows = [
        ("done", "ok", own, answer),
        ("half", "ok", {NSFW: f"{NSFW}@1"}, FAILED),
        ("old", "ok", old, answer),
        ("retried", "ok", own, FAILED),
        ("retried", "ok", own, answer),
        ("worse", "ok", old, answer),
        ("worse", "ok", own, nan),
        ("never", "ok", old, nan),
        ("error", "error", None, None),
    ]
    raw = spark.createDataFrame(
        rows, "image_id string, status string, revisions map<string,string>, reasons map<string,string>"
    )
    needy = score_images.with_needs(raw.select("image_id").distinct(), raw, specs)
    both, ocr = [NSFW, "text_accuracy_rapidocr"], ["text_accuracy_rapidocr"]
    assert {row["image_id"]: (row["new"], row["stale"], row["failed"]) for row in needy.collect()} == {
        "half": (ocr, [], [NSFW]),
        "old": ([], [NSFW], []),
        "worse": ([], [], [NSFW]),
        "never": ([], [NSFW], [NSFW]),
        "error": (both, [], []),
    }
    wanted = score_images.with_scorers(needy, "errors").collect()
    assert sorted((row["image_id"], row["scorers"]) for row in wanted) == [
        ("error", both),
        ("half", [NSFW]),
        ("half", ocr),
        ("never", [NSFW]),
        ("old", [NSFW]),
        ("worse", [NSFW]),
    ]


def test_mistakes_in_the_recipe_are_sentences(life: Life) -> None:
    house = life.context.lakehouse
    with pytest.raises(RecipeError, match="technical stands there twice"):
        scorer_specs(small_recipe(house, scorers=(TECHNICAL, TECHNICAL)))
    odd = Scorer(name="nsfw_opennsfw", options={"reencode": True})
    with pytest.raises(RecipeError, match="option 'reencode' is not known; allowed: jpeg_reencode"):
        scorer_specs(small_recipe(house, scorers=(odd,)))
    with pytest.raises(RecipeError, match="clip_l14 has no model"):
        scorer_specs(small_recipe(house, scorers=(Scorer(name="clip_l14"),)))
    with pytest.raises(RecipeError, match="needs a revision"):
        scorer_specs(small_recipe(house, scorers=(Scorer(name="clip_l14", model="ViT-L-14-quickgelu"),)))
    head = Scorer(name="aesthetic_v2_5", model="ttj/head", revision="1")
    with pytest.raises(
        RecipeError, match=r"aesthetic_v2_5: .*needs a revision.* options.encoder and options.encoder_revision"
    ):
        scorer_specs(small_recipe(house, scorers=(head,)))
