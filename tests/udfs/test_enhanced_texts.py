"""A text is asked for once: where only its screens failed, the next try screens what is there."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.udfs.test_writers import SCENES
from udfs import harness
from udfs.atoms import atom
from udfs.chat_endpoint import EndpointChat
from udfs.chat_enhancer import NAMES, ChatEnhancer
from udfs.chat_transformers import TransformersChat
from udfs.embedders import minilm
from udfs.enhanced_texts import COLUMNS, EnhancedTexts, EnhancingScreener, OfflineEnhancer
from udfs.enhancers import GrammarEnhancer
from udfs.errors import ExplainedError
from udfs.harness import Stage
from udfs.instructions import Instructions
from udfs.screens import screens_for
from udfs.text_judges import TextJudge, VerdictError

RED = [atom("color", "circle", "red")]
ROW = {"prompt_id": "p", "text": "a red circle", "atoms": RED, "tried": 0}


@pytest.fixture(autouse=True)
def fresh_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # what a lost device leaves
    monkeypatch.setattr(harness, "_cache", {})


class Enhancing:
    def __init__(self) -> None:
        self.asked: list[str] = []

    def enhance(self, prompts: list[dict[str, Any]]) -> list[Any]:
        self.asked += [prompt["prompt_id"] for prompt in prompts]
        return [(f"{prompt['text']} at dusk", prompt["atoms"]) for prompt in prompts]


class Screening:
    """In place of the screens: a judge's server that fails or not, a text that raises, memory for so many texts."""

    def __init__(self, fails: bool = False, raises: Exception | None = None, most: int = 4) -> None:
        self.fails, self.raises, self.most = fails, raises, most

    def prepare(self, row: dict[str, Any], facts: list[Any]) -> dict[str, Any]:
        if self.raises is not None and "square" in row["text"]:
            raise self.raises
        return row

    def run(self, batch: list[dict[str, Any]]) -> list[Any]:
        if len(batch) > self.most:
            raise MemoryError
        return [VerdictError("no verdict") if self.fails else {"prompt_words": 0.5} for _ in batch]

    def finish(self, row: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
        return {name: result.get(name) for name, _ in COLUMNS}


def stage_of(enhancing: Enhancing, screening: Screening) -> Stage:
    class Spec:
        batch_size, needs_device = 4, False

        def load(self, device: str) -> Any:
            return EnhancingScreener(enhancing, screening)  # type: ignore[arg-type]

    spec: Any = Spec()
    return Stage(spec, (("prompt_id", pa.string()),), COLUMNS)


def test_a_text_whose_screens_failed_is_screened_again_and_not_asked_for_again() -> None:
    enhancing, screening = Enhancing(), Screening(fails=True)
    stage = stage_of(enhancing, screening)

    def answer(row: dict[str, Any]) -> dict[str, Any]:
        (found,) = stage.answers(iter([row]))
        return found

    failed = answer(ROW)
    assert (failed["status"], failed["error_class"]) == ("error", "VerdictError")
    assert (failed["text"], failed["atoms"]) == ("a red circle at dusk", RED)
    screening.fails = False
    again = answer(ROW | {"made": {"text": failed["text"], "atoms": failed["atoms"], "said": None}})
    assert (again["status"], again["text"], again["prompt_words"]) == ("ok", "a red circle at dusk", 0.5)
    assert enhancing.asked == ["p"]
    assert answer(ROW | {"made": None})["status"] == "ok"
    assert enhancing.asked == ["p", "p"]


SHAPES = ("circle", "square", "star", "cross")
FOUR = [ROW | {"prompt_id": shape, "text": f"a red {shape}"} for shape in SHAPES]


@pytest.mark.parametrize(
    ("screening", "errors"),
    [
        (Screening(raises=ValueError("no such text")), {"square": "ValueError"}),
        (Screening(most=1), {}),
        (Screening(most=0), dict.fromkeys(SHAPES, "MemoryError")),
    ],
)
def test_texts_that_are_there_are_not_asked_for_again_whatever_their_screens_raise(
    screening: Screening, errors: dict[str, str]
) -> None:
    enhancing = Enhancing()
    answers = {row["prompt_id"]: row for row in stage_of(enhancing, screening).answers(iter(FOUR))}
    assert enhancing.asked == [*SHAPES]
    assert {id_: row["text"] for id_, row in answers.items()} == {id_: f"a red {id_} at dusk" for id_ in SHAPES}
    assert {id_: row["error_class"] for id_, row in answers.items() if row["status"] == "error"} == errors


@pytest.mark.parametrize("error", [ExplainedError("no key"), RuntimeError("CUDA error: an illegal memory access")])
def test_what_no_row_can_help_ends_the_task(error: Exception) -> None:
    enhancing = Enhancing()
    with pytest.raises(RuntimeError, match=str(error)):
        list(stage_of(enhancing, Screening(raises=error)).answers(iter(FOUR)))
    assert enhancing.asked == [*SHAPES]


def test_rows_are_in_flight_where_texts_and_verdicts_come_from_servers() -> None:
    def spec(enhancer: Any, *judges: Any) -> EnhancedTexts:
        return EnhancedTexts(
            enhancer, screens_for(SCENES, minilm(), judges=tuple(TextJudge("qwen3_guard", chat) for chat in judges))
        )

    server, here = (
        EndpointChat("m", "m", "1", "", 1, 1, 9, in_flight=7),
        TransformersChat("m", "m", "", "", "", 1, 1, 9),
    )
    asking = ChatEnhancer(server, Instructions("{text}", NAMES), (), (), "en", "")
    offline = OfflineEnhancer(GrammarEnhancer(SCENES))
    assert [spec(asking).in_flight, spec(asking, server).in_flight, spec(offline, server).in_flight] == [7, 7, 7]
    assert [spec(offline).in_flight, spec(asking, here).in_flight, spec(offline, here).in_flight] == [0, 0, 0]
