"""A language model as the enhancer: what it is asked, what becomes of its answer, and which answers are errors."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from conf.loading import CONF
from tests.udfs.test_text_judges import Said
from udfs import chat_enhancer
from udfs.atoms import atom
from udfs.chat import Answer, CutOffError, EmptyAnswerError, RefusedError, ResidueError
from udfs.chat_endpoint import EndpointChat
from udfs.chat_enhancer import NAMES, ChatEnhancer, LoadedChatEnhancer
from udfs.instructions import Instructions

TEXT = (CONF / "instructions" / "enhance.txt").read_text(encoding="utf-8")
CHAT = EndpointChat("writer", "served", "1", "http://localhost:1/v1", temperature=0.7, top_p=1, max_tokens=300)
SPEC = ChatEnhancer(CHAT, Instructions(TEXT, NAMES), (("snow", "Snow, Places"),), (("flat", "Flat"),), "en", "MIT")
RED = [atom("object", "circle", "circle"), atom("color", "circle", "red"), atom("place", "picture", "snow")]
PROMPT = {
    "prompt_id": "1",
    "text": "a red circle in the snow",
    "category": "snow",
    "style": "flat",
    "atoms": RED,
    "tried": 0,
}


def enhanced(said: str, **changes: Any) -> Any:
    return LoadedChatEnhancer(SPEC, Said(lambda _: said)).enhance([PROMPT | changes])[0]


def test_the_answer_is_the_text_and_its_atoms_are_those_of_the_prompt() -> None:
    assert enhanced("A red circle glows\n in deep snow. ") == ("A red circle glows in deep snow.", RED)
    assert enhanced("<think>hm</think>\nA red circle.") == ("A red circle.", RED)
    assert enhanced("A red circle.", atoms=None) == ("A red circle.", None)


def test_the_answer_is_mended_as_a_brought_prompt_is() -> None:
    assert (
        enhanced("A red circle at a cafÃ©, its sign says “OPEN”.")[0] == 'A red circle at a café, its sign says "OPEN".'
    )
    assert type(enhanced("Iâ€™m sorry, but I canâ€™t help with that.")) is RefusedError
    assert type(enhanced("\x00")) is EmptyAnswerError


def test_it_is_asked_with_the_prompt_its_facts_and_its_style() -> None:
    """All of the facts: the picture's judge asks them all."""
    chat = Said(lambda _: "x")
    LoadedChatEnhancer(SPEC, chat).enhance([PROMPT, PROMPT | {"style": "none", "atoms": None}])
    first, second = (request.messages[0]["content"] for request in chat.asked)
    assert "a red circle in the snow" in first
    assert "- object circle\n- color circle red\n- place snow\n" in first
    assert "- color circle red\n\n" in second, "without atoms the words are read"
    assert "style: Flat." in first
    assert "style: that of the prompt." in second


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("I'm sorry, but I can't help with that.", RefusedError),
        ("I can’t create that.", RefusedError),
        ("I’m sorry, this is not allowed.", RefusedError),
        ("Here’s the prompt: a red circle", ResidueError),
        ("Sure, here is the prompt: a red circle", ResidueError),
        ('"A red circle in deep snow."', ResidueError),
        ("1. A red circle\n2. Snow", ResidueError),
        ("<think>hm</think> ", EmptyAnswerError),
    ],
)
def test_what_is_no_prompt_is_an_error_of_its_row(said: str, kind: type) -> None:
    assert type(enhanced(said)) is kind


def test_a_second_try_is_drawn_otherwise() -> None:
    chat = Said(lambda _: "x")
    LoadedChatEnhancer(SPEC, chat).enhance([PROMPT, PROMPT, PROMPT | {"tried": 1}, PROMPT | {"tried": 2}])
    first, alike, *again = [request.seed for request in chat.asked]
    assert first == alike
    assert len({first, *again}) == 3
    assert len({request.messages[0]["content"] for request in chat.asked}) == 1


def test_an_error_of_the_model_passes_through() -> None:
    class Cut:
        def complete(self, requests: Any) -> list[Answer | Exception]:
            return [CutOffError("cut off"), Answer("a red circle", "stop", 1, 1)]

    cut, good = LoadedChatEnhancer(SPEC, Cut()).enhance([PROMPT, PROMPT])
    assert isinstance(cut, CutOffError)
    assert good == ("a red circle", RED)


def test_an_answer_that_cannot_be_read_is_an_error_of_its_row_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(text: str) -> str:
        if "square" in text:
            raise ValueError("unreadable")
        return text

    monkeypatch.setattr(chat_enhancer, "mended", failing)
    answers = iter(("a red circle", "a red square", "a red star"))
    chat = Said(lambda _: next(answers))
    first, second, third = LoadedChatEnhancer(SPEC, chat).enhance([PROMPT] * 3)
    assert (type(second), str(second)) == (ValueError, "unreadable")
    assert (first, third) == (("a red circle", RED), ("a red star", RED))


def test_other_instructions_or_another_sampling_are_another_enhancer() -> None:
    others = [
        dataclasses.replace(SPEC, instructions=Instructions(TEXT + "!", NAMES)),
        dataclasses.replace(SPEC, chat=dataclasses.replace(CHAT, temperature=0.8)),
    ]
    assert SPEC.model.startswith("writer@1-")
    assert len({SPEC.model, *(other.model for other in others)}) == 3
    assert SPEC.parameters["instructions"] == Instructions(TEXT, NAMES).digest
