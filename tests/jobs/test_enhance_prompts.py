"""accepted prompts given -> rows of enhanced_prompts expected: the longer text with its own screens, or the error."""

from __future__ import annotations

import json

import pytest

from jobs import enhance_prompts
from jobs.launch import Context
from schemas.delta import Lakehouse
from tests.jobs.test_deduplicate_prompts import add, prompt
from tests.recipes import small_recipe
from udfs.enhancers import GrammarEnhancer
from udfs.writers import GrammarWriter


def written(lakehouse: Lakehouse) -> dict:
    row = GrammarWriter(small_recipe(lakehouse).labels).write("position", "snow", "flat", "tags", 0)
    return row | {"source": "grammar", "writer": "grammar@2"}


def run(lakehouse: Lakehouse, run_id: str, retry: str | None = None) -> list[dict]:
    enhance_prompts.run(Context(lakehouse.spark, small_recipe(lakehouse), lakehouse, run_id, retry=retry))
    return [row.asDict(recursive=True) for row in lakehouse.read("enhanced_prompts").collect()]


def accept(lakehouse: Lakehouse, *prompts: dict) -> None:
    add(lakehouse, list(prompts), "p1", "2026-01-01")
    rows = [("test", row["prompt_id"]) for row in prompts[:-1]] + [("another policy", prompts[-1]["prompt_id"])]
    lakehouse.spark.createDataFrame(rows, "policy string, prompt_id string").createOrReplaceTempView("accepted_prompts")


def test_rows_in_and_rows_out(lakehouse: Lakehouse, capsys: pytest.CaptureFixture[str]) -> None:
    own, brought = written(lakehouse), prompt("b", "a lonely lighthouse on a cliff", category="none", style="none")
    accept(lakehouse, own, brought, prompt("c", "of another policy"))
    rows = {row["prompt_id"]: row for row in run(lakehouse, "e1")}
    assert set(rows) == {own["prompt_id"], "b"}
    text, atoms = GrammarEnhancer(small_recipe(lakehouse).labels).enhance(own)
    assert (rows[own["prompt_id"]]["text"], rows[own["prompt_id"]]["atoms"]) == (text, atoms)
    assert rows["b"]["text"].startswith("a lonely lighthouse on a cliff, ")
    assert rows["b"]["atoms"] is None
    for row in rows.values():
        assert (row["status"], row["model"], row["device"]) == ("ok", "grammar@2", "cpu")
        assert row["prompt_words"] == len(row["text"].replace(",", "").split())
        assert row["prompt_language"] > 0.5
        assert row["prompt_unsafe_margin"] < 0.1
        assert json.loads(row["parameters"])["screens"].startswith("screens@")

    version = lakehouse.version("enhanced_prompts")
    capsys.readouterr()
    run(lakehouse, "e2")
    assert "enhanced_prompts: nothing to do" in capsys.readouterr().out
    assert lakehouse.version("enhanced_prompts") == version


def test_an_error_is_a_row_and_is_tried_again_when_asked(
    lakehouse: Lakehouse, capsys: pytest.CaptureFixture[str]
) -> None:
    """A grammar prompt whose atoms were lost cannot be taken apart; a run without --retry leaves it alone."""
    own, broken = written(lakehouse), written(lakehouse) | {"prompt_id": "broken", "atoms": []}
    accept(lakehouse, own, broken, prompt("c", "of another policy"))
    rows = {row["prompt_id"]: row for row in run(lakehouse, "e1")}
    assert rows[own["prompt_id"]]["status"] == "ok"
    assert rows["broken"]["status"] == "error"
    assert rows["broken"]["text"] is None
    assert rows["broken"]["error_class"]

    capsys.readouterr()
    assert len(run(lakehouse, "e2")) == 2
    assert "nothing to do" in capsys.readouterr().out
    again = run(lakehouse, "e3", retry="errors")
    assert sorted(row["prompt_id"] for row in again) == sorted(["broken", "broken", own["prompt_id"]])
