"""A language model's answer -> the object that its JSON schema asked for."""

from __future__ import annotations

import json
import re
from typing import Any

from udfs.chat import Answer, JsonAnswerError, Schema, shown, without_thought

_FENCE = re.compile(r"```[a-zA-Z]*\s*\n?(.*?)```", re.DOTALL)
# A quote inside a string is not always escaped: one ends it if a comma, colon, bracket or fence follows, or nothing.
_STRING = re.compile(r"""(["'])(?:\\.|[^\\])*?\1(?=\s*(?:[,:}\]`]|$))""", re.DOTALL)
_SHOWN = 200


def parsed(answer: Answer, schema: Schema) -> dict[str, Any]:
    """The object in the answer: out of a code fence, mended where a comma, quote or bracket is amiss, and valid.

    JsonAnswerError, with the answer, where none is found, or it ends inside a string or does not follow the schema.
    """
    from jsonschema import ValidationError, validate

    found = _object(answer.text)
    if found is None:
        raise JsonAnswerError(f"the answer holds no whole JSON object: {shown(answer.text)}", answer)
    try:
        validate(found, schema)
    except ValidationError as error:
        raise JsonAnswerError(
            f"the answer's JSON does not follow the schema: {error.message[:_SHOWN]}", answer
        ) from None
    return found


def _object(text: str) -> dict[str, Any] | None:
    from json_repair import repair_json

    text = without_thought(text)
    fenced = _FENCE.search(text)
    body = (fenced[1] if fenced else text).strip()
    start = body.find("{")
    if start < 0:  # json_repair would make an object of much that is none
        return None
    found: Any
    try:
        found, _ = json.JSONDecoder().raw_decode(body[start:])
    except json.JSONDecodeError:
        if _ends_in_a_string(body[start:]):  # json_repair would take the half of a prompt for one
            return None
        found = repair_json(body[start:], return_objects=True)
    if isinstance(found, list):  # an object and prose behind it
        found = next((item for item in found if isinstance(item, dict)), None)
    return found if isinstance(found, dict) and found else None


def _ends_in_a_string(text: str) -> bool:
    """Whether a quote of the object, not of the prose behind it, opens a string that nothing ends."""
    left, _, _ = _STRING.sub("", text).partition("}")
    return '"' in left or "'" in left
