"""What every language model's answer goes through."""

from __future__ import annotations

import pytest

from udfs.chat import without_thought


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
