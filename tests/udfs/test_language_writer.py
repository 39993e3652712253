"""Answers and cells given -> prompts, requests and errors."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from conf.instruction import load_instruction
from conf.taxonomy import load_taxonomy
from tests.udfs.test_text_judges import Said
from udfs.chat import Answer, ChatError
from udfs.language_writer import LoadedWriter, prompt_in
from udfs.prompt_requests import PromptRequests

REQUESTS = PromptRequests(load_taxonomy("scenes"), load_instruction("write_prompts"), "llm@1", seed=1)
CELL = {"task": "colors_position", "category": "snow", "style": "flat", "template": "keywords"}


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ('{"prompt": "a  red circle\\n on the snow"}', None),
        ("I cannot help with that.", "RefusedError"),
        ('{"prompt": "I\'m sorry, but I can\'t write this prompt."}', "RefusedError"),
        ('{"prompt": "I’m sorry, but I can’t write this prompt."}', "RefusedError"),
        ("<think>a cat?</think>I can’t help with that.", "RefusedError"),
        ('{"prompt": "Here’s a prompt: a red circle"}', "ResidueError"),
        ('{"prompt": "Sure, here is a prompt: a red circle"}', "ResidueError"),
        ("Sure, here is a prompt: a red circle", "JsonAnswerError"),
        ('{"prompt": "  "}', "EmptyAnswerError"),
        ('{"prompt": "a cat", "style": "flat"}', "JsonAnswerError"),
    ],
)
def test_an_answer_is_a_prompt_or_an_error(said: str, error: str | None) -> None:
    answer = Answer(said, "stop", 1, 1)
    if error is None:
        assert prompt_in(answer) == "a red circle on the snow"
        return
    with pytest.raises(ChatError) as caught:
        prompt_in(answer)
    assert (type(caught.value).__name__, caught.value.answer) == (error, answer)


def test_the_prompt_in_an_answer_is_mended_as_a_brought_one_is() -> None:
    answer = Answer('{"prompt": "a cafÃ© at night, its sign says “OPEN”"}', "stop", 1, 1)
    assert prompt_in(answer) == 'a café at night, its sign says "OPEN"'
    finished = LoadedWriter(Said(str)).finish({}, answer)
    assert (finished["text"], finished["answer"]) == (prompt_in(answer), answer.text), "the answer is kept as it came"


def test_a_request_says_what_its_atoms_state() -> None:
    row = REQUESTS.request(CELL, 0)
    system, user = json.loads(row["request"])
    assert "JSON" in system["content"]
    for fact in row["atoms"]:
        if fact["kind"] in ("object", "color", "relation"):
            assert fact["value"] in user["content"]
    assert "in the snow" in user["content"]
    assert "keywords and phrases" in user["content"]


def test_a_requests_id_is_its_place_in_the_plan() -> None:
    one = REQUESTS.request(CELL, 0)
    assert REQUESTS.request(CELL, 0) == one
    others = [
        REQUESTS.request(CELL, 1),
        REQUESTS.request(CELL | {"template": "tags"}, 0),
        replace(REQUESTS, seed=2).request(CELL, 0),
        replace(REQUESTS, writer="llm@2").request(CELL, 0),
    ]
    assert len({row["prompt_id"] for row in [one, *others]}) == 5
    told = REQUESTS.instruction.model_copy(update={"system": "Write a prompt as JSON."})
    reworded = replace(REQUESTS, instruction=told).request(CELL, 0)
    assert (reworded["prompt_id"], reworded["request"] == one["request"]) == (one["prompt_id"], False)
