"""What a language model is to Goldpan: a spec that travels, and its loaded form that answers a list of requests.

    spec = chat_spec(entry)                      # jobs/specs.py: an entry of the recipe's language_models
    spec.model                                   # name@revision: what the rows say
    spec.parameters                              # everything that shapes an answer besides the request
    spec.batch_size, spec.needs_device           # what udfs/harness.py asks of a spec; EndpointChat has in_flight too
    chat = spec.load(device)                     # on the worker; raises ExplainedError where it cannot work at all
    chat.complete([Request(messages, schema, seed), ...])   # one Answer or Exception a request, in order

Two specs: EndpointChat (udfs/chat_endpoint.py) asks any OpenAI-compatible server, TransformersChat
(udfs/chat_transformers.py) runs the weights in this process. An answer that is cut off, empty or filtered is no Answer but a
ChatError of its own class, which holds what the model said. udfs/json_answers.py makes an object of an answer's text.
A model of udfs/harness.py may return those exceptions from its `run`: each becomes the error row of its own row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Message = dict[str, str]  # role: system, user or assistant; content: the text
Schema = dict[str, Any]

_END_OF_THOUGHT = "</think>"
_SHOWN = 200


@dataclass(frozen=True)
class Request:
    """One conversation to go on with. schema: the JSON schema that the answer should follow; null: plain text.

    seed: of this answer's own draws, 0 to 2^31 - 1. A server may ignore it.
    """

    messages: tuple[Message, ...]
    schema: Schema | None
    seed: int


@dataclass(frozen=True)
class Answer:
    """What the model said. finish_reason: 'stop', or what else the model or the server calls its end."""

    text: str
    finish_reason: str
    prompt_tokens: int | None
    completion_tokens: int | None


class ChatError(RuntimeError):
    """One request has no usable answer. answer: what was said all the same, None if nothing was.

    known: what an error row says all the same, column -> value; the stage that asked fills it in (udfs/harness.py).
    """

    def __init__(self, message: str, answer: Answer | None = None) -> None:
        super().__init__(message)
        self.answer = answer
        self.known: dict[str, Any] = {}


class CutOffError(ChatError):
    """The answer reached max_tokens before its end."""


class EmptyAnswerError(ChatError):
    """The model said nothing."""


class FilteredError(ChatError):
    """The server's content filter held the answer back, or the model's own refusal came as one."""


class JsonAnswerError(ChatError):
    """The answer holds no JSON that follows the schema."""


class RefusedError(ChatError):
    """The model would not write what it was asked for."""


class ResidueError(ChatError):
    """The answer holds what a model says around a prompt: nobody could tell where the prompt begins."""


class LoadedChat(Protocol):
    def complete(self, requests: list[Request]) -> list[Answer | Exception]:
        """One result a request, in order; never raises for a single one of them.

        ExplainedError where every other request would hear the same.
        """


class Chat(Protocol):
    """A frozen, picklable spec of a language model."""

    @property
    def model(self) -> str: ...

    @property
    def parameters(self) -> dict[str, Any]: ...

    @property
    def batch_size(self) -> int: ...

    @property
    def needs_device(self) -> bool: ...

    def load(self, device: str) -> LoadedChat: ...


def in_flight(chats: Sequence[Chat]) -> int:
    """How many rows a model that asks these chats has at work at once (udfs/harness.py); 0: it works in batches, since
    one of them runs in this process."""
    counts = [getattr(chat, "in_flight", 0) for chat in chats]
    return max(counts) if counts and all(counts) else 0


def checked(answer: Answer) -> Answer | ChatError:
    """The answer, or the error that it is: cut off, filtered or empty."""
    if answer.finish_reason == "content_filter":
        return FilteredError("the server's content filter held the answer back", answer)
    if answer.finish_reason == "length":
        said = f" after {answer.completion_tokens} tokens" if answer.completion_tokens is not None else ""
        return CutOffError(f"the answer was cut off{said}; raise max_tokens, or ask for less", answer)
    if not answer.text.strip():
        return EmptyAnswerError(f"the answer is empty (finish reason {answer.finish_reason})", answer)
    return answer


def without_thought(text: str) -> str:
    """The answer without what a reasoning model thinks before it. Of many models <think> is the end of the prompt: their
    answer begins inside the thought.
    """
    return text.rpartition(_END_OF_THOUGHT)[2]


def shown(text: str) -> str:
    """The beginning of an answer in one line and quotes, for a message."""
    line = " ".join(text.split())
    return repr(line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…")
