"""accepted prompts given -> rows of enhanced_prompts expected: the longer text with its own screens, or the error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from conf.chat import LanguageModel
from conf.recipe import Enhancement, Run, Screen
from jobs import enhance_prompts
from jobs.launch import Context
from schemas.delta import Lakehouse
from tests.chat_server import chat_server
from tests.jobs.test_deduplicate_prompts import add, prompt
from tests.recipes import small_recipe
from udfs.atoms import atom
from udfs.enhancers import GrammarEnhancer
from udfs.writers import GrammarWriter


def written(lakehouse: Lakehouse) -> dict:
    row = GrammarWriter(small_recipe(lakehouse).labels).write("position", "snow", "flat", "tags", 0)
    return row | {"source": "grammar", "writer": "grammar@2", "status": "ok"}


def run(lakehouse: Lakehouse, run_id: str, retry: str | None = None, **parts: Any) -> list[dict]:
    enhance_prompts.run(Context(lakehouse.spark, small_recipe(lakehouse, **parts), lakehouse, run_id, retry=retry))
    return [row.asDict(recursive=True) for row in lakehouse.read("enhanced_prompts").collect()]


def accept(lakehouse: Lakehouse, *prompts: dict) -> None:
    add(lakehouse, list(prompts), "p1", "2026-01-01")
    rows = [("test", row["prompt_id"]) for row in prompts[:-1]] + [("another policy", prompts[-1]["prompt_id"])]
    lakehouse.spark.createDataFrame(rows, "policy string, prompt_id string").createOrReplaceTempView("accepted_prompts")


def test_rows_in_and_rows_out(lakehouse: Lakehouse, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own, brought = written(lakehouse), prompt("b", "a lonely lighthouse on a cliff", category="none", style="none")
    said = f"This picture shows {own['text']}, as a poet would see it"
    model = own | {"prompt_id": "m", "text": said, "source": "org/llm", "writer": "llm@7"}
    accept(lakehouse, own, brought, model, prompt("c", "of another policy"))
    rows = {row["prompt_id"]: row for row in run(lakehouse, "e1")}
    assert set(rows) == {own["prompt_id"], "b", "m"}
    text, atoms = GrammarEnhancer(small_recipe(lakehouse).labels).enhance(own)
    assert (rows[own["prompt_id"]]["text"], rows[own["prompt_id"]]["atoms"]) == (text, atoms)
    assert rows["b"]["text"].startswith("a lonely lighthouse on a cliff, ")
    assert rows["b"]["atoms"] is None
    assert rows["m"]["text"].startswith(f"{said}, "), "the words of a language model are its own"
    assert rows["m"]["atoms"] == own["atoms"]
    for row in rows.values():
        assert (row["status"], row["model"], row["device"]) == ("ok", "grammar@3", "cpu")
        assert row["prompt_words"] == len(row["text"].replace(",", "").split())
        assert row["prompt_language"] > 0.5
        assert row["prompt_unsafe_margin"] < 0.1
        assert (row["prompt_atoms_held"], row["lost_atoms"]) == (1, [])
        assert json.loads(row["parameters"])["screens"].startswith("screens@")

    version = lakehouse.version("enhanced_prompts")
    capsys.readouterr()
    run(lakehouse, "e2")
    assert "enhanced_prompts: nothing to do" in capsys.readouterr().out
    assert lakehouse.version("enhanced_prompts") == version

    names = tmp_path / "names.txt"
    names.write_text("Somebody Famous\n", encoding="utf-8")
    run(lakehouse, "e3", screen=Screen(names=str(names)))
    assert "3 texts were screened by other screens than screens@" in capsys.readouterr().out
    assert lakehouse.version("enhanced_prompts") == version
    again = [row for row in run(lakehouse, "e4", "stale", screen=Screen(names=str(names))) if row["run_id"] == "e4"]
    assert {row["prompt_id"]: row["text"] for row in again} == {name: row["text"] for name, row in rows.items()}
    assert {row["prompt_listed_names"] for row in again} == {0}
    run(lakehouse, "e5", "stale", screen=Screen(names=str(names)))
    assert lakehouse.version("enhanced_prompts") == version + 1


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


RED = [atom("object", "circle", "circle"), atom("count", "circle", "1"), atom("color", "circle", "red")]
ANSWERS = {
    "held": "A red circle rests alone in deep fresh snow, lit by a low winter sun.",
    "changed": "A blue circle rests alone in deep fresh snow, lit by a low winter sun.",
    "refused": "I'm sorry, but I can't help with that.",
}


@pytest.mark.slow
def test_a_language_model_enhances_and_what_it_lost_is_named(lakehouse: Lakehouse) -> None:
    """Every answer is a row: a text with its screens, or the error; only errors are asked again, when asked for."""
    prompts = [prompt(name, f"a red circle in the snow, {name}", RED) for name in ANSWERS]
    cut = prompt("cut", "two blue stars at night")
    accept(lakehouse, *prompts, cut, prompt("of another policy", "a star"))
    with chat_server(seconds=0.0) as server:
        server.say = lambda text, number: next(
            (a for name, a in ANSWERS.items() if f"snow, {name}" in text), "two blue stars glow"
        )
        server.fault = lambda text, number: "cut off" if "two blue stars" in text and number == 0 else None
        model = LanguageModel(
            name="writer",
            kind="openai",
            model="m",
            revision="7",
            url=server.url,
            temperature=0.7,
            attempts=1,
            licence="MIT",
        )
        parts: dict[str, Any] = {"language_models": (model,), "enhancement": Enhancement(language_model="writer")}
        rows = {row["prompt_id"]: row for row in run(lakehouse, "e1", **parts)}
        assert {name: (row["status"], row["error_class"]) for name, row in rows.items()} == {
            "held": ("ok", None),
            "changed": ("ok", None),
            "refused": ("error", "RefusedError"),
            "cut": ("error", "CutOffError"),
        }
        assert (rows["held"]["text"], rows["held"]["atoms"]) == (ANSWERS["held"], RED)
        assert (rows["held"]["prompt_atoms_held"], rows["held"]["lost_atoms"]) == (1, [])
        assert rows["changed"]["prompt_atoms_held"] == pytest.approx(2 / 3)
        assert rows["changed"]["lost_atoms"] == ["color circle red"]
        assert rows["held"]["licence"] == "MIT"
        assert rows["held"]["model"].startswith("writer@7-")
        assert json.loads(rows["held"]["parameters"])["instructions"]

        asked = len(server.asked)
        run(lakehouse, "e2", **parts)
        assert len(server.asked) == asked, "what was answered is not asked again"
        again = run(lakehouse, "e3", retry="errors", **parts)
        assert len(server.asked) == asked + 2
        seeds: dict[str, set[int]] = {}
        for body in server.bodies:
            seeds.setdefault(body["messages"][-1]["content"], set()).add(body["seed"])
        assert sorted(map(len, seeds.values())) == [1, 1, 2, 2], "a second try has another seed"
        assert [row["text"] for row in again if row["prompt_id"] == "cut" and row["status"] == "ok"] == [
            "two blue stars glow"
        ]


class KilledError(RuntimeError):
    """What stands for a power cut: raised where the first wave has been committed."""


class Killed(Context):
    def say(self, text: str) -> None:
        if "prompts, " in text:
            raise KilledError(text)


@pytest.mark.slow
def test_a_run_that_was_killed_asks_for_nothing_again_that_was_committed(lakehouse: Lakehouse) -> None:
    with chat_server(seconds=0.0) as server:
        server.say = lambda text, number: "two blue stars glow"
        model = LanguageModel(
            name="writer", kind="openai", model="m", url=server.url, temperature=0, attempts=1, licence="MIT"
        )
        recipe = small_recipe(
            lakehouse,
            language_models=(model,),
            enhancement=Enhancement(language_model="writer"),
            run=Run(wave_seconds=0.001),
        )
        prompts = [prompt(f"p{n}", f"a star with {n} points") for n in range(7)]
        accept(lakehouse, *prompts, prompt("of another policy", "a star"))
        everything = lakehouse.spark.table("accepted_prompts")
        everything.where("prompt_id = 'p0'").createOrReplaceTempView("accepted_prompts")
        enhance_prompts.run(Context(lakehouse.spark, recipe, lakehouse, "e1"))  # its seconds make the waves small
        everything.createOrReplaceTempView("accepted_prompts")
        with pytest.raises(KilledError):
            enhance_prompts.run(Killed(lakehouse.spark, recipe, lakehouse, "e2"))
        committed = lakehouse.read("enhanced_prompts").count()
        assert 1 < committed < 7
        assert len(server.asked) == committed
        enhance_prompts.run(Context(lakehouse.spark, recipe, lakehouse, "e3"))
        assert len(server.asked) == len(set(server.asked)) == lakehouse.read("enhanced_prompts").count() == 7
