"""A language model among the writers of generate_prompts: cells of the plan given -> a row of prompts each, whatever its
server does.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from pyspark.sql import DataFrame

from conf.chat import LanguageModel
from conf.recipe import Prompts, Run, Writer
from jobs import generate_prompts, prompt_plan
from jobs.launch import Context
from schemas.delta import Lakehouse
from schemas.sql_views import register_views
from tests.chat_server import ChatServer, chat_server
from tests.recipes import Killed, small_recipe

PASSING = ("429", "500", "half a body")  # once; asked again they are over
LASTING = {
    "silence": "NoAnswerInTimeError", "no json": "MalformedAnswerError", "wrong schema": "JsonAnswerError",
    "refusal": "RefusedError", "filtered": "FilteredError", "cut off": "CutOffError", "empty": "EmptyAnswerError",
}  # fmt: skip


def context(
    lakehouse: Lakehouse,
    server: ChatServer,
    written: int,
    weights: dict[str, float] | None = None,
    max_tokens: int = 512,
    **flags: Any,
) -> Context:
    model = LanguageModel(
        name="llm", kind="openai", model="org/llm", revision="7", url=server.url, temperature=1.4, top_p=0.8,
        licence="llama3.1", in_flight=16, timeout_seconds=1, attempts=2, max_tokens=max_tokens,
    )  # fmt: skip
    writers = tuple(Writer(name=name, weight=weight) for name, weight in (weights or {"llm": 1}).items())
    recipe = small_recipe(
        lakehouse,
        language_models=(model,),
        prompts=Prompts(written=written, writers=writers),
        run=Run(max_error_fraction=1),
    )
    return Context(lakehouse.spark, recipe, lakehouse, "run1", **flags)


def said(text: str, number: int) -> str:
    """A prompt of its own for every request."""
    return json.dumps({"prompt": f"a small picture of thing {hashlib.sha256(text.encode()).hexdigest()[:8]}"})


def fault_of(text: str) -> str | None:
    """Every second request meets a fault, the same one whenever it comes."""
    number = int(hashlib.sha256(text.encode()).hexdigest()[:8], 16)
    faults = [*PASSING, *LASTING]
    return faults[number // 2 % len(faults)] if number % 2 else None


def coverage(lakehouse: Lakehouse) -> DataFrame:
    lakehouse.register()
    register_views(lakehouse.spark, ["prompt_coverage"])
    return lakehouse.spark.table("prompt_coverage")


def test_a_server_that_misbehaves_loses_no_prompt(lakehouse: Lakehouse, capsys: pytest.CaptureFixture[str]) -> None:
    def fault(text: str, number: int) -> str | None:
        found = fault_of(text)
        return None if found in PASSING and number else found

    with chat_server(seconds=0.01, say=said, fault=fault) as server:
        generate_prompts.run(context(lakehouse, server, 60))
        rows = {row["prompt_id"]: row for row in lakehouse.read("prompts").collect()}
        assert len(rows) == 60
        asked = Counter(server.asked)
        assert len(asked) == 60
        for row in rows.values():
            text = json.loads(row["request"])[-1]["content"]
            found = fault_of(text)
            assert (row["status"], row["error_class"]) == (
                ("error", LASTING[found]) if found in LASTING else ("ok", None)
            ), row
            assert (row["text"] is None) == (row["status"] == "error")
            assert asked[text] == (2 if found in (*PASSING, "silence") else 1), found
            made = (row["writer"], row["source"], row["licence"], row["device"], json.loads(row["parameters"])["top_p"])
            assert made == ("llm@7", "org/llm", "llama3.1", "cpu", 0.8)
            assert all(fact["value"] for fact in row["atoms"])
            if found == "refusal":
                assert row["answer"] == "I'm sorry, but I can't help with that."
            if found == "cut off":
                assert (row["answer"], row["completion_tokens"]) == ('{"prompt": "a cat on a', 5)
        errors = sum(row["status"] == "error" for row in rows.values())
        sums = coverage(lakehouse).selectExpr("sum(asked)", "sum(written)", "sum(failed)", "sum(lacking)").collect()[0]
        assert tuple(sums) == (60, 60 - errors, errors, 0)

        generate_prompts.run(context(lakehouse, server, 60))
        assert Counter(server.asked) == asked, "what has an answer or an error is not asked again"

        server.fault = lambda text, number: None
        capsys.readouterr()
        generate_prompts.run(context(lakehouse, server, 60, max_tokens=900))
        assert "60 answers of llm@7 were asked for with other parameters" in capsys.readouterr().out
        assert Counter(server.asked) == asked, "nor is it asked again with other parameters"
        generate_prompts.run(context(lakehouse, server, 60, max_tokens=900, retry="errors"))
        again = lakehouse.read("prompts").where("status = 'ok'").collect()
        assert {row["prompt_id"] for row in again} == set(rows)
        assert len(again) == 60
        mended = [row for row in again if rows[row["prompt_id"]]["status"] == "error"]
        assert all(row["seed"] != rows[row["prompt_id"]]["seed"] for row in mended)
        assert {json.loads(row["parameters"])["max_tokens"] for row in mended} == {900}
        assert Counter(server.asked) - asked == Counter(json.loads(row["request"])[-1]["content"] for row in mended)


@pytest.mark.slow
def test_what_was_committed_before_a_run_died_is_not_asked_again(
    lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    append, waves = Lakehouse.append, iter(range(2))

    def dying(self: Lakehouse, table: str, frame: DataFrame) -> None:
        if table == "prompts" and next(waves) == 1:
            frame.write.format("noop").mode("overwrite").save()  # its requests are answered, but never committed
            raise Killed
        append(self, table, frame)

    with chat_server(seconds=0, say=said) as server:
        monkeypatch.setattr(Lakehouse, "append", dying)
        with pytest.raises(Killed):
            generate_prompts.run(context(lakehouse, server, 110))
        committed = {json.loads(row["request"])[-1]["content"] for row in lakehouse.read("prompts").collect()}
        before = Counter(server.asked)
        assert 0 < len(committed) < len(before) == 110
        monkeypatch.setattr(Lakehouse, "append", append)
        generate_prompts.run(context(lakehouse, server, 110))
        rows = lakehouse.read("prompts").collect()
        assert len({row["prompt_id"] for row in rows}) == len(rows) == 110
        assert set(Counter(server.asked) - before) == set(before) - committed


def test_the_plan_follows_the_weights_and_is_replaced_when_they_change(
    lakehouse: Lakehouse, capsys: pytest.CaptureFixture[str]
) -> None:
    with chat_server(seconds=0, say=said) as server:
        weights = {"grammar": 1.0, "llm": 3.0}
        generate_prompts.run(context(lakehouse, server, 40, weights, plan=True))
        output = capsys.readouterr().out
        assert "prompt_plan: 40 prompts in" in output
        assert "grammar@2 10; llm@7 30" in output
        assert server.asked == []
        assert lakehouse.read("prompt_plan").count() == 0

        generate_prompts.run(context(lakehouse, server, 40, weights))
        asked = {r[0]: r[1] for r in lakehouse.read("prompt_plan").groupBy("writer").sum("asked").collect()}
        assert asked == {"grammar@2": 10, "llm@7": 30}
        cells = coverage(lakehouse).collect()
        assert all(cell["asked"] == cell["written"] for cell in cells)
        version = lakehouse.version("prompt_plan")
        generate_prompts.run(context(lakehouse, server, 40, weights))
        assert lakehouse.version("prompt_plan") == version
        assert len(server.asked) == 30

        larger = context(lakehouse, server, 62, {"grammar": 1.0, "llm": 1.0})
        larger = replace(larger, recipe=larger.recipe.model_copy(update={"seed": 5}))
        generate_prompts.run(larger)
        assert lakehouse.version("prompt_plan") > version
        written = {r[0]: r[1] for r in lakehouse.read("prompts").groupBy("writer").count().collect()}
        assert written == {"grammar@2": 31, "llm@7": 31}
        assert len(server.asked) == 31, "under another seed only what the plan lacks is paid for"

        capsys.readouterr()
        assert prompt_plan.numbered(larger, {}, {("llm@7", "renamed", "snow", "flat", "tags"): 2}) is None
        assert "1 cells of llm@7 are not in the taxonomy any more" in capsys.readouterr().out
