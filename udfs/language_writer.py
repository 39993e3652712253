"""Requests -> prompts: a language model of udfs/chat.py as a model of the harness."""

from __future__ import annotations

import json
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from udfs.chat import (
    Answer,
    Chat,
    ChatError,
    EmptyAnswerError,
    JsonAnswerError,
    LoadedChat,
    RefusedError,
    Request,
    ResidueError,
    in_flight,
    shown,
    without_thought,
)
from udfs.encoding import mended
from udfs.ids import normalised
from udfs.json_answers import parsed
from udfs.prompt_requests import SCHEMA
from udfs.text_measures import refusal, residue

COLUMNS = (
    ("text", pa.string()),
    ("answer", pa.string()),
    ("prompt_tokens", pa.int64()),
    ("completion_tokens", pa.int64()),
)


@dataclass(frozen=True)
class LanguageWriter:
    """Rows with request (JSON of the messages) and seed in; text, the raw answer and its tokens out.

    An answer that is no prompt is an error row that holds the raw answer all the same.
    """

    chat: Chat

    @property
    def batch_size(self) -> int:
        return self.chat.batch_size

    @property
    def needs_device(self) -> bool:
        return self.chat.needs_device

    @property
    def in_flight(self) -> int:
        return in_flight([self.chat])

    def load(self, device: str) -> LoadedWriter:
        return LoadedWriter(self.chat.load(device))


@dataclass
class LoadedWriter:
    chat: LoadedChat

    def prepare(self, row: dict[str, Any]) -> Request:
        return Request(tuple(json.loads(row["request"])), SCHEMA, row["seed"])

    def group(self, prepared: Request) -> Hashable:
        return None

    def run(self, batch: list[Request]) -> list[Answer | Exception]:
        return [_with_answer(result) for result in self.chat.complete(batch)]

    def finish(self, row: dict[str, Any], result: Answer) -> dict[str, Any]:
        try:
            return {"text": prompt_in(result)} | _said(result)
        except ChatError as error:
            _with_answer(error)
            raise


def prompt_in(answer: Answer) -> str:
    """The prompt that the answer holds, mended and normalised; RefusedError, ResidueError, EmptyAnswerError or JsonAnswerError
    where it holds none.
    """
    try:
        text = normalised(mended(parsed(answer, SCHEMA)["prompt"]))
    except JsonAnswerError:
        if refusal(without_thought(answer.text)):
            raise RefusedError(f"the model refused: {shown(answer.text)}", answer) from None
        raise
    if not text:
        raise EmptyAnswerError("the prompt in the answer is empty", answer)
    if refusal(text):
        raise RefusedError(f"the model refused: {shown(text)}", answer)
    if residue(text):
        raise ResidueError(f"the prompt holds words around it: {shown(text)}", answer)
    return text


def _with_answer(result: Answer | Exception) -> Answer | Exception:
    """The result; an error that has an answer says so in its row."""
    if isinstance(result, ChatError) and result.answer is not None:
        result.known = _said(result.answer)
    return result


def _said(answer: Answer) -> dict[str, Any]:
    return {
        "answer": answer.text,
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.completion_tokens,
    }
