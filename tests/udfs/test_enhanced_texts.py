"""A text is asked for once: where only its screens failed, the next try screens what is there."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from udfs.atoms import atom
from udfs.enhanced_texts import COLUMNS, EnhancingScreener
from udfs.harness import Stage
from udfs.text_judges import VerdictError

RED = [atom("color", "circle", "red")]
ROW = {"prompt_id": "p", "text": "a red circle", "atoms": RED, "tried": 0}


class Enhancing:
    def __init__(self) -> None:
        self.asked: list[str] = []

    def enhance(self, prompts: list[dict[str, Any]]) -> list[Any]:
        self.asked += [prompt["prompt_id"] for prompt in prompts]
        return [(f"{prompt['text']} at dusk", prompt["atoms"]) for prompt in prompts]


class Screening:
    """In place of the screens: a judge's server that fails or not."""

    fails = True

    def prepare(self, row: dict[str, Any], facts: list[Any]) -> dict[str, Any]:
        return row

    def run(self, batch: list[dict[str, Any]]) -> list[Any]:
        return [VerdictError("no verdict") if self.fails else {"prompt_words": 0.5} for _ in batch]

    def finish(self, row: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
        return {name: result.get(name) for name, _ in COLUMNS}


def test_a_text_whose_screens_failed_is_screened_again_and_not_asked_for_again() -> None:
    class Spec:
        batch_size, needs_device = 4, False

        def load(self, device: str) -> Any:
            return EnhancingScreener(enhancing, screening)  # type: ignore[arg-type]

    enhancing, screening = Enhancing(), Screening()
    spec: Any = Spec()
    stage = Stage(spec, (("prompt_id", pa.string()),), COLUMNS)

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
