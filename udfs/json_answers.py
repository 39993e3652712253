"""A language model's answer -> the object that its JSON schema asked for."""

from __future__ import annotations

import json
import re
from typing import Any

from udfs.chat import Answer, JsonAnswerError, Schema, shown, without_thought

_FENCE = re.compile(r"```[a-zA-Z]*\s*\n?(.*?)```", re.DOTALL)
# A quote inside a string is not always escaped: one ends it if a comma, colon, bracket or fence follows, or nothing.
_STRING = re.compile(r"""(["'])(?:\\.|[^\\])*?\1(?=\s*(?:[,:}\]`]|$))""", re.DOTALL)
# A value that is none of: a string (here \0), an object, a list, a number, true, false, null.
_UNQUOTED = re.compile(
    r":\s*+(?![\0\[{]"
    r"|(?:true|false|null|none|-?(?:\d++(?:\.\d*+)?|\.\d++)(?:e[+-]?\d++)?)\s*(?:[\0,\]`]|$))",
    re.IGNORECASE,
)
_SHOWN = 200


def parsed(answer: Answer, schema: Schema) -> dict[str, Any]:
    """The object in the answer: out of a code fence, mended where a comma, quote or bracket is amiss, and valid.

    JsonAnswerError, with the answer, where none is found, or it ends inside a string, has a text without quotes or does
    not follow the schema.
    """
    from jsonschema import ValidationError, validate

    try:
        found = _object(answer.text)
    except (RecursionError, ValueError):  # deeper, or a longer number, than Python reads
        found = None
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
        if _lacks_a_quote(body[start:]):  # json_repair would take the half of a prompt for one
            return None
        found = repair_json(body[start:], return_objects=True)
    if isinstance(found, list):  # an object and prose behind it
        found = next((item for item in found if isinstance(item, dict)), None)
    return found if isinstance(found, dict) and found else None


def _lacks_a_quote(text: str) -> bool:
    """Whether, in the object and not in the prose behind it, a quote opens a string that nothing ends, or a text has none."""
    left, _, _ = _STRING.sub("\0", text).partition("}")
    return '"' in left or "'" in left or _UNQUOTED.search(left) is not None
