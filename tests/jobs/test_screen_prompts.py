"""kept prompts given -> rows of prompt_scores expected."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from conf.chat import LanguageModel
from conf.recipe import Screen
from jobs import screen_prompts
from jobs.endings import JobError
from jobs.launch import Context
from jobs.prompt_screens import recipe_screens
from schemas.delta import Lakehouse, with_run
from tests.chat_server import chat_server
from tests.jobs.test_deduplicate_prompts import add, prompt
from tests.recipes import small_recipe
from udfs.atoms import atom
from udfs.embedders import minilm
from udfs.screens import SAID

RED = [atom("object", "circle", "circle"), atom("count", "circle", "1"), atom("color", "circle", "red")]
PROMPTS = [
    prompt("p1", "a picture of a red circle in the snow, flat style", RED) | {"task": "colors"},
    prompt("p2", "Sure, here is a prompt: a star at night") | {"task": "colors_counting"},
    prompt("p3", "a decapitated head in a pool of blood"),
    prompt("p4", "ein roter Kreis im Schnee"),
    prompt("p5", "a red circle in the snow"),
]


def run(lakehouse: Lakehouse, run_id: str, *evaluation: str, retry: str | None = None, **parts: Any) -> dict[str, dict]:
    """The rows of the table, the last one of each prompt."""
    recipe = small_recipe(lakehouse, **({"screen": Screen(evaluation_prompts=evaluation)} | parts))
    screen_prompts.run(Context(lakehouse.spark, recipe, lakehouse, run_id, retry=retry))
    rows = lakehouse.read("prompt_scores").orderBy("created_at").collect()
    return {row["prompt_id"]: row.asDict() for row in rows}


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
    lakehouse.append("prompt_duplicates", with_run(frame, "d1"))


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
    assert good["prompt_evaluation_overlap"] == pytest.approx(6 / 7), "6 of the evaluation prompt's 7 trigrams"
    assert rows["p2"]["prompt_residue"] == 1
    assert rows["p2"]["prompt_attributes"] == 0
    assert rows["p3"]["prompt_unsafe_margin"] > 0.15
    assert rows["p4"]["prompt_language"] < 0.05
    assert good["prompt_evaluation_exact"] == 0
    assert 0.7 < good["prompt_evaluation_similarity"] < 1
    assert (good["prompt_atoms_held"], good["lost_atoms"], good["prompt_broken"], good["prompt_contacts"]) == (
        1,
        [],
        0,
        0,
    )
    assert {(row["screener"][:8], row["status"], row["device"]) for row in rows.values()} == {("screens@", "ok", "cpu")}
    assert good["prompt_qwen3_guard"] is None

    version = lakehouse.version("prompt_scores")
    capsys.readouterr()
    run(lakehouse, "s2", str(evaluation))
    assert "prompt_scores: nothing to do" in capsys.readouterr().out
    assert lakehouse.version("prompt_scores") == version


def test_judges_answer_by_an_endpoint_and_are_asked_nothing_twice(
    lakehouse: Lakehouse, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The rule's own screens first, then other screens with judges: --retry stale. One row fails; --retry errors. Other names,
    and a judge that fails after another one.
    """
    add(lakehouse, PROMPTS[:3], "p1", "2026-01-01")
    kept(lakehouse)
    run(lakehouse, "s1")
    with chat_server(seconds=0.0) as server:
        server.say = judge
        server.fault = lambda text, number: "500" if text == PROMPTS[1]["text"] and number == 0 else None
        model = LanguageModel(
            name="guard", kind="openai", model="m", url=server.url, temperature=0, attempts=1, licence="MIT"
        )
        judged: dict[str, Any] = {
            "language_models": (model,),
            "screen": Screen(judges={"qwen3_guard": "guard", "attributes_judge": "guard"}),
        }
        capsys.readouterr()
        run(lakehouse, "s2", **judged)
        output = capsys.readouterr().out
        assert "3 prompts were screened by other screens" in output
        assert "what qwen3_guard answers rejects nothing: the policy test has no gate for prompt_qwen3_guard." in output
        assert server.asked == []

        rows = run(lakehouse, "s3", retry="stale", **judged)
        assert rows["p1"]["prompt_qwen3_guard"] == 0
        assert rows["p3"]["prompt_qwen3_guard"] == 1
        assert rows["p3"]["verdicts"]["qwen3_guard"] == "Safety: Unsafe / Categories: Violent"
        assert rows["p1"]["prompt_judge_category"] == rows["p1"]["prompt_judge_atoms"] == 1
        assert rows["p1"]["prompt_judge_style"] == 0
        assert rows["p3"]["prompt_judge_atoms"] == 1, "no fact is known: nothing is asked"
        failed = rows["p2"]
        assert (failed["status"], failed["error_class"], failed["prompt_words"]) == ("error", "StatusError", None)

        asked = len(server.asked)
        run(lakehouse, "s4", **judged)
        assert len(server.asked) == asked, "what was answered is not asked again"
        again = run(lakehouse, "s5", retry="errors", **judged)
        assert len(server.asked) == asked + 2
        seeds = [body["seed"] for body in server.bodies if body["messages"][-1]["content"] == PROMPTS[1]["text"]]
        assert len(seeds) == len({*seeds}) == 2, "what failed is drawn otherwise"
        assert (again["p2"]["status"], again["p2"]["prompt_qwen3_guard"]) == ("ok", 0)

        names = tmp_path / "names.txt"
        names.write_text("Ada Lovelace\n")
        judged["screen"] = judged["screen"].model_copy(update={"names": str(names)})
        asked = len(server.asked)
        stale = run(lakehouse, "s6", retry="stale", **judged)
        assert len(server.asked) == asked, "with other names the judges are asked the same"
        for key, row in stale.items():
            assert (row["status"], row["screener"] != again[key]["screener"]) == ("ok", True)
            assert [row[name] for name in SAID] == [again[key][name] for name in SAID]

        server.fault = lambda text, number: "500" if "JSON object" in text else None
        judged["language_models"] = (model.model_copy(update={"top_p": 0.5}),)
        failed = run(lakehouse, "s7", retry="stale", **judged)["p1"]
        assert (failed["status"], failed["prompt_words"], failed["prompt_qwen3_guard"]) == ("error", None, 0)
        server.fault = lambda text, number: None
        asked = len(server.asked)
        mended = run(lakehouse, "s8", retry="errors", **judged)
        assert mended["p1"]["status"] == "ok"
        assert all("JSON object" in text for text in server.asked[asked:]), "the guard had answered"
        assert len(server.asked) > asked


def judge(text: str, number: int) -> str:
    """Of a guard and of a judge of attributes: the keys that it is asked for stand behind the last colon."""
    if "JSON object" not in text:
        return "Safety: Unsafe\nCategories: Violent" if "blood" in text else "Safety: Safe\nCategories: None"
    keys = [key.strip() for key in text.rpartition(":")[2].split(",")]
    return json.dumps({key: "no" if key == "style" else "yes" for key in keys})


def test_a_file_of_evaluation_prompts_that_is_not_there_is_one_sentence(lakehouse: Lakehouse) -> None:
    with pytest.raises(JobError, match=r"screen.evaluation_prompts: gone.txt cannot be read .* Give a UTF-8 text file"):
        run(lakehouse, "s1", "gone.txt")
    with pytest.raises(JobError, match=r"screen.names: gone.txt cannot be read .* one name a line"):
        run(lakehouse, "s1", screen=Screen(names="gone.txt"))


def test_a_file_of_another_format_is_one_sentence(lakehouse: Lakehouse, tmp_path: Path) -> None:
    (tmp_path / "geneval.jsonl").write_text('{"promt": "a bench"}\n', encoding="utf-8")
    with pytest.raises(JobError, match=r"geneval.jsonl cannot be read \(line 1 has no key prompt"):
        recipe_screens(small_recipe(lakehouse, screen=Screen(evaluation_prompts=(str(tmp_path / "geneval.jsonl"),))))
