"""judge_candidates given -> rows of judgements expected, with a LLaVA of random weights."""

from __future__ import annotations

import io
import shutil
from contextlib import redirect_stdout
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import Row, SparkSession

from conf.recipe import Judge, Run
from jobs import judge_images
from jobs.launch import Context
from jobs.specs import judge_model, judge_spec
from schemas.delta import Lakehouse
from tests import tiny_scorers
from tests.jobs.pictures import Shown, append, show
from tests.recipes import small_recipe
from tests.tiny_scorers import drawn, jpeg
from udfs.atoms import atom

CIRCLE = (atom("object", "circle", "circle"), atom("color", "circle", "red"))
PICTURES = [
    Shown("i1", atoms=CIRCLE),
    Shown("i2", jpeg(drawn("blue", 8)), atoms=(*CIRCLE, CIRCLE[0]), category="night"),
    Shown("i3", jpeg(drawn("red", 30)), "a red circle", atoms=(), style="outline"),
    Shown("broken", b"no picture", atoms=CIRCLE),
]
OBJECT, COLOR = "is there a circle in the picture?", "is every circle red?"
PROMPT = "does the picture show all of this: a red circle?"


@dataclass
class Life:
    """What each run said, and the rows that it added."""

    context: Context
    said: dict[str, str] = field(default_factory=dict)
    rows: dict[str, dict[tuple[str, str], Row]] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)

    def run(self, name: str, **flags: Any) -> None:
        out = io.StringIO()
        with redirect_stdout(out):
            judge_images.run(replace(self.context, run_id=name, **flags))
        self.said[name] = out.getvalue()
        table = self.context.lakehouse.read("judgements").where(f"run_id = '{name}'").collect()
        self.rows[name] = {(row["image_id"], row["question"]): row for row in table}
        assert len(self.rows[name]) == len(table), "each question of a picture is answered once"
        self.versions[name] = self.context.lakehouse.version("judgements")


@pytest.fixture(scope="module")
def life(spark: SparkSession, lakehouse_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Life:
    root = str(shutil.copytree(lakehouse_template, tmp_path_factory.mktemp("judging") / "lakehouse"))
    house = Lakehouse(spark, root, "test")
    house.register()
    folder = tiny_scorers.judge(tmp_path_factory.mktemp("judge"))
    judge = Judge(name="tiny_judge", model=str(folder), dtype="float32", batch_size=3, licence="MIT")
    show(spark, house, PICTURES)
    accepted = [{"prompt_id": f"of_{picture.image_id}"} for picture in PICTURES]
    kept = [row | {"kept_id": row["prompt_id"], "embedding": [1.0], "model": "test@1"} for row in accepted]
    append(spark, house, "prompt_duplicates", kept, "compared")
    append(
        spark, house, "prompt_scores", [row | {"screener": "test@1", "status": "ok"} for row in accepted], "screened"
    )
    gate = {"policy": "test", "gate": "judge", "kind": "generated", "minimum": 0.5}
    append(spark, house, "thresholds", [gate], "published")
    life = Life(Context(spark, small_recipe(house, judge=judge, run=Run(max_error_fraction=1)), house, "none"))
    life.run("plan", plan=True)
    life.run("first")
    life.run("again")
    life.run("retried", retry="errors")
    return life


def test_plan_writes_nothing(life: Life) -> None:
    assert "judgements: 7 questions to do" in life.said["plan"]
    assert (life.rows["plan"], life.versions["plan"]) == ({}, 0)


def test_every_atom_is_a_question_and_a_prompt_without_atoms_is_one(life: Life) -> None:
    asked = {key: row["atom_kind"] for key, row in life.rows["first"].items()}
    assert asked == {
        ("i1", OBJECT): "object",
        ("i1", COLOR): "color",
        ("i2", OBJECT): "object",
        ("i2", COLOR): "color",
        ("i3", PROMPT): "prompt",
        ("broken", OBJECT): "object",
        ("broken", COLOR): "color",
    }


def test_an_answer_is_a_probability_and_says_who_gave_it(life: Life) -> None:
    good = [row for (image_id, _), row in life.rows["first"].items() if image_id != "broken"]
    assert all(row["status"] == "ok" and 0 <= row["answer"] <= 1 for row in good)
    assert len({round(row["answer"], 6) for row in good}) == 5
    assert len({row["model"] for row in good}) == 1
    assert good[0]["model"] == judge_model(life.context.recipe.judge)
    assert '"max_pixels":1048576' in good[0]["parameters"]
    assert (good[0]["licence"], good[0]["device"]) == ("MIT", "cpu")
    assert all(row["seconds"] > 0 for row in good)


def test_another_dtype_or_wording_is_another_judge(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    judge = life.context.recipe.judge
    own = judge_model(judge)
    assert own.startswith(f"tiny_judge@{judge_spec(judge).revision}-")
    assert judge_model(judge.model_copy(update={"batch_size": 1})) == own, "a batch size is no part of it"
    half = judge_model(judge.model_copy(update={"dtype": "bfloat16"}))
    monkeypatch.setattr("udfs.judges.WORDING", 99)
    assert len({own, half, judge_model(judge)}) == 3


def test_a_broken_picture_is_an_error_of_each_question(life: Life) -> None:
    for question in (OBJECT, COLOR):
        row = life.rows["first"]["broken", question]
        assert (row["status"], row["error_class"], row["answer"]) == ("error", "UnidentifiedImageError", None)


def test_a_second_run_does_nothing(life: Life) -> None:
    assert "judgements: nothing to do" in life.said["again"]
    assert life.versions["again"] == life.versions["first"]


def test_retry_errors_asks_only_what_failed(life: Life) -> None:
    assert life.rows["retried"].keys() == {("broken", OBJECT), ("broken", COLOR)}
