"""kept prompts given -> rows of prompt_scores expected."""

from __future__ import annotations

from pathlib import Path

import pytest

from conf.recipe import Screen
from jobs import screen_prompts
from jobs.launch import Context, JobError
from schemas.delta import Lakehouse, with_run
from tests.jobs.test_deduplicate_prompts import add, prompt
from tests.recipes import small_recipe
from udfs.atoms import atom
from udfs.embedders import minilm

RED = [atom("object", "circle", "circle"), atom("count", "circle", "1"), atom("color", "circle", "red")]
PROMPTS = [
    prompt("p1", "a picture of a red circle in the snow, flat style", RED) | {"task": "colors"},
    prompt("p2", "Sure, here is a prompt: a star at night") | {"task": "colors_counting"},
    prompt("p3", "a decapitated head in a pool of blood"),
    prompt("p4", "ein roter Kreis im Schnee"),
    prompt("p5", "a red circle in the snow"),
]


def run(lakehouse: Lakehouse, run_id: str, *evaluation: str) -> dict[str, dict]:
    recipe = small_recipe(lakehouse, screen=Screen(evaluation_prompts=evaluation))
    screen_prompts.run(Context(lakehouse.spark, recipe, lakehouse, run_id))
    return {row["prompt_id"]: row.asDict() for row in lakehouse.read("prompt_scores").collect()}


def kept(lakehouse: Lakehouse, **stands: str) -> None:
    """Rows of prompt_duplicates with the real embeddings."""
    embedder = minilm()
    vectors = embedder.load("cpu").embed([row["text"] for row in PROMPTS]).tolist()
    rows = [
        (row["prompt_id"], stands.get(row["prompt_id"], row["prompt_id"]), vector, embedder.model)
        for row, vector in zip(PROMPTS, vectors, strict=True)
    ]
    frame = lakehouse.spark.createDataFrame(
        rows, "prompt_id string, kept_id string, embedding array<float>, model string"
    )
    frame = frame.selectExpr("*", "null reason", "null similarity", "null seconds", "null device")
    lakehouse.append("prompt_duplicates", with_run(frame, "d1"), "d1", 0)


def test_rows_in_and_rows_out(lakehouse: Lakehouse, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluation = tmp_path / "evaluation.txt"
    evaluation.write_text("a picture of a red circle in the rain\n\na dog\n", encoding="utf-8")
    add(lakehouse, PROMPTS, "p1", "2026-01-01")
    kept(lakehouse, p5="p1")
    rows = run(lakehouse, "s1", str(evaluation))
    assert set(rows) == {"p1", "p2", "p3", "p4"}, "a duplicate is not screened"
    good = rows["p1"]
    assert good["prompt_words"] == 11
    assert (good["prompt_residue"], good["prompt_repetition"], good["prompt_attributes"]) == (0, 0, 1)
    assert good["prompt_language"] > 0.9
    assert good["prompt_unsafe_margin"] < 0
    assert good["prompt_evaluation_overlap"] == pytest.approx(6 / 9)
    assert rows["p2"]["prompt_residue"] == 1
    assert rows["p2"]["prompt_attributes"] == 0
    assert rows["p3"]["prompt_unsafe_margin"] > 0.15
    assert rows["p4"]["prompt_language"] < 0.05
    assert {row["screener"][:8] for row in rows.values()} == {"screens@"}

    version = lakehouse.version("prompt_scores")
    capsys.readouterr()
    run(lakehouse, "s2", str(evaluation))
    assert "prompt_scores: nothing to do" in capsys.readouterr().out
    assert lakehouse.version("prompt_scores") == version


def test_a_file_of_evaluation_prompts_that_is_not_there_is_one_sentence(lakehouse: Lakehouse) -> None:
    with pytest.raises(JobError, match=r"screen.evaluation_prompts: gone.txt cannot be read .* Give a UTF-8 text file"):
        run(lakehouse, "s1", "gone.txt")
