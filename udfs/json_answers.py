"""A language model's answer -> the object that its JSON schema asked for."""

from __future__ import annotations

import json
import re
from typing import Any

from udfs.chat import Answer, JsonAnswerError, Schema, shown, without_thought

_FENCE = re.compile(r"```[a-zA-Z]*\s*\n?(.*?)```", re.DOTALL)
_SHOWN = 200


def parsed(answer: Answer, schema: Schema) -> dict[str, Any]:
    """The object in the answer: out of a code fence, mended where a comma, quote or bracket is amiss, and valid.

    JsonAnswerError, with the answer, where none is found or it does not follow the schema.
    """
    from jsonschema import ValidationError, validate

    found = _object(answer.text)
    if found is None:
        raise JsonAnswerError(f"the answer holds no JSON object: {shown(answer.text)}", answer)
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
    try:
        found: Any = json.loads(body[start:])
    except json.JSONDecodeError:
        found = repair_json(body[start:], return_objects=True)
    if isinstance(found, list):  # an object and prose behind it
        found = next((item for item in found if isinstance(item, dict)), None)
    return found if isinstance(found, dict) and found else None
