"""The instruction that language models write prompts by: a request that cannot be filled in is refused before a run."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from conf.instruction import load_instruction
from conf.loading import RecipeError

REQUEST = "{subject} {place} {style}"


def loaded(tmp_path: Path, request: str) -> str:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({"system": "s", "request": request, "personas": ["p"], "settings": ["s"]}))
    told = load_instruction(str(path))
    return told.request.format(
        **dict.fromkeys(("persona", "category", "subject", "place", "style", "setting", "form"), "x")
    )


def test_what_is_accepted_can_be_filled_in(tmp_path: Path) -> None:
    assert loaded(tmp_path, REQUEST + ' {{"prompt": "..."}}') == 'x x x {"prompt": "..."}'


def test_what_ships_asks_for_the_words_that_the_attribute_check_looks_for() -> None:
    """It reads the atom's own noun: a synonym would be held to be a fact lost."""
    asked = load_instruction("write_prompts").request
    assert "these very nouns, numbers and colors" in asked
    assert "in this order" in asked
    assert "in meaning" not in asked


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (
            REQUEST + ' {"prompt": "..."}',
            r"request uses \[.*prompt.*\]; allowed: .*write a brace that is meant as one twice",
        ),
        (REQUEST + " {mood}", r"request uses \['mood'\]; allowed: \['category', 'form'"),
        (REQUEST + " {}", r"request uses \[''\]"),
        (REQUEST + " {persona:d}", r"request uses \['persona:d'\]"),
        (REQUEST + " {persona.name}", r"request uses \['persona.name'\]"),
        (REQUEST + " }", "request cannot be filled in .*write a brace that is meant as one twice"),
        ("{subject} {place}", r"request lacks \['style'\]"),
    ],
)
def test_what_cannot_be_filled_in_is_one_sentence(tmp_path: Path, request_: str, sentence: str) -> None:
    with pytest.raises(RecipeError, match=sentence):
        loaded(tmp_path, request_)
