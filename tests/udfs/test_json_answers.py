"""Answers given -> the object of the schema, or an error."""

from __future__ import annotations

import pytest

from udfs.chat import Answer, JsonAnswerError
from udfs.json_answers import parsed

SCHEMA = {"type": "object", "properties": {"prompt": {"type": "string"}}, "required": ["prompt"]}


def answer(text: str) -> Answer:
    return Answer(text, "stop", 1, 1)


@pytest.mark.parametrize(
    "text",
    [
        '{"prompt": "a red cat"}',
        '```json\n{"prompt": "a red cat"}\n```',
        'Here it is:\n```\n{"prompt": "a red cat"}\n```\nEnjoy!',
        '<think>{"prompt": "no"}</think>{"prompt": "a red cat"}',
        'Maybe\n```json\n{"prompt": "no"}\n```\n</think>\n{"prompt": "a red cat"}',  # <think> was the end of the prompt
        '<think>not </think> yet: {"prompt": "no"}</think>{"prompt": "a red cat"}',
        "{'prompt': 'a red cat',}",
        '{prompt: "a red cat"}',
        '{"prompt": "a red cat"',
        '{"prompt": "a red cat"\n```',
        "{'prompt': 'a red cat',} It's great.",
        '{"prompt": "a red cat"} {"prompt": "a bl',  # the first is whole
        'The prompt: {"prompt": "a red cat"} I hope you like it.',
    ],
)
def test_an_object_is_found_and_mended(text: str) -> None:
    assert parsed(answer(text), SCHEMA) == {"prompt": "a red cat"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("I can't help with that.", "holds no whole JSON object: \"I can't help"),
        ("[1, 2]", "holds no whole JSON object"),
        ("{}", "holds no whole JSON object"),
        ('{"prompt": "a red fox in the', 'holds no whole JSON object: \'{"prompt": "a red fox in the\''),
        ('```json\n{"prompt": "a red fox in the\n```', "holds no whole JSON object"),
        ('{"prompt": "a fox who\'s in the', "holds no whole JSON object"),
        ('{"prompt": "a sign \\"SALE\\"', "holds no whole JSON object"),
        ('{"prompt": "a sign "SALE" in the', "holds no whole JSON object"),
        ('{"prompt": "', "holds no whole JSON object"),
        ("{'prompt': 'a red fox in the", "holds no whole JSON object"),
        ('{"prompt": a red cat}', "holds no whole JSON object"),
        ('{prompt: a red cat, style: "flat"}', "holds no whole JSON object"),
        ('{"prompt": a red fox in the', "holds no whole JSON object"),
        ('{"prompt": “a red fox in the', "holds no whole JSON object"),
        ('{"prompt": 2 red cats}', "holds no whole JSON object"),
        ('{"prompt": "a red cat", "why": true story}', "holds no whole JSON object"),
        ('{"prompt": ' + "[" * 5000 + "]" * 5000 + "}", "holds no whole JSON object"),
        ('{"prompt": ' + "1" * 5000 + "}", "holds no whole JSON object"),
        ('{"prompt": 7}', "does not follow the schema: 7 is not of type 'string'"),
        ('{"text": "a cat"}', "does not follow the schema: 'prompt' is a required property"),
    ],
)
def test_anything_else_is_an_error_with_the_answer(text: str, sentence: str) -> None:
    with pytest.raises(JsonAnswerError, match=sentence) as caught:
        parsed(answer(text), SCHEMA)
    assert caught.value.answer == answer(text)


def test_a_value_that_is_no_string_needs_no_quotes() -> None:
    said = "{'prompt': 'style: flat', 'atoms': {'count': 2}, 'sure': -.5e-1, 'good': True 'why': null,} So: yes"
    assert parsed(answer(said), SCHEMA) == {
        "prompt": "style: flat",
        "atoms": {"count": 2},
        "sure": -0.05,
        "good": True,
        "why": None,
    }
    assert parsed(answer('{"prompt": "", "sure": 0.5, "good": false'), SCHEMA)["good"] is False
