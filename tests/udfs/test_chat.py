"""What every language model's answer goes through."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from udfs.chat import in_flight, without_thought


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a red cat", "a red cat"),
        ("<think>a dog?</think>a red cat", "a red cat"),
        ("They want a cat.\n</think>\n\na red cat", "\n\na red cat"),  # <think> was the end of the prompt
        ("<think>I write </think> and then go on.</think>a red cat", "a red cat"),
        ("<think>only a thought</think>", ""),
        ("<think>cut off", "<think>cut off"),
    ],
)
def test_a_thought_is_cut_off_up_to_its_last_end(text: str, said: str) -> None:
    assert without_thought(text) == said


@pytest.mark.parametrize(
    ("counts", "rows"), [([], 0), ([64], 64), ([16, 64], 64), ([None], 0), ([64, None], 0), ([None, 64], 0)]
)
def test_rows_are_in_flight_where_no_model_runs_in_this_process(counts: list[int | None], rows: int) -> None:
    chats: list[Any] = [SimpleNamespace() if count is None else SimpleNamespace(in_flight=count) for count in counts]
    assert in_flight(chats) == rows
