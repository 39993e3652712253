"""A language model behind an OpenAI-compatible endpoint: vLLM, SGLang, llama.cpp's server, or a hosted one.

The openai package keeps the connections, waits between attempts (0.5 s, doubled up to 8 s, less up to a quarter by
chance; a Retry-After of up to 120 s as it is) and asks again after no connection, no answer in time, half a body, 408, 409,
429 and 5xx. Added here: a longer Retry-After is waited for too, and no request lasts for ever.

The requests run on an event loop in a thread of its own: udfs/harness.py asks from many threads, a row each.
"""

from __future__ import annotations

import asyncio
import difflib
import email.utils
import json
import threading
import time
import weakref
from collections.abc import Coroutine
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from typing import Any

from udfs.chat import Answer, ChatError, FilteredError, Request, checked
from udfs.chat_keys import NO_KEY, endpoint_key
from udfs.errors import ExplainedError

LONGEST_WAIT = 900.0  # seconds; a Retry-After over it is an error: somebody should look
_LIBRARY_WAITS = 120.0  # seconds; openai's own limit of Retry-After
_CONNECT_SECONDS = 10.0
_CLOSE_SECONDS = 5.0
_BODY_SHOWN = 500
_MODELS_SHOWN = 20
_KEY_PLACE = "into the environment variable that the recipe's key_variable names"
_SECRET_FROM = 8  # characters of a key; EMPTY and its like, which local servers take, are words that a prompt may hold


class EndpointError(ExplainedError):
    """The endpoint cannot be used at all: nothing is there, the key is refused, the model is not known. Nobody needs to ask
    it once more for every row.
    """


class NoAnswerInTimeError(ChatError):
    """No attempt got an answer in time."""


class UnreachableError(ChatError):
    """No attempt got a connection, or a whole answer."""


class StatusError(ChatError):
    """The endpoint answered with an HTTP error that more attempts did not mend."""


class MalformedAnswerError(ChatError):
    """The endpoint's answer is no chat completion."""


@dataclass(frozen=True)
class EndpointChat:
    """name@revision is what rows say; served is the model's name there. url ends before /chat/completions.

    in_flight: requests at once, a task. key_variable: where a worker finds the key; None: none is sent.
    json_schema: whether the server takes response_format json_schema; else only the request's words ask for JSON.
    options: further keys of a request's body; null takes one out.
    """

    name: str
    served: str
    revision: str
    url: str
    temperature: float
    top_p: float
    max_tokens: int
    in_flight: int = 16
    timeout_seconds: float = 120.0
    attempts: int = 5
    json_schema: bool = True
    key_variable: str | None = None
    options: str = "{}"  # canonical JSON, so that the spec stays hashable
    needs_device: bool = False

    @property
    def model(self) -> str:
        return f"{self.name}@{self.revision}"

    @property
    def batch_size(self) -> int:
        return self.in_flight

    @property
    def parameters(self) -> dict[str, Any]:
        """Not the url: the same model elsewhere is the same model."""
        options = json.loads(self.options)
        return {
            "engine": "openai",
            "model": f"{self.served}@{self.revision}",
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_tokens,
            "json_schema": self.json_schema,
        } | ({"options": options} if options else {})

    def load(self, device: str) -> LoadedEndpoint:
        """EndpointError where nothing answers at the url or the key is refused; MissingKeyError without its key."""
        loaded = LoadedEndpoint(self, endpoint_key(self.key_variable))
        loaded.admit()
        return loaded


@dataclass
class LoadedEndpoint:
    spec: EndpointChat
    key: str | None = field(repr=False)
    client: Any = field(init=False, repr=False)
    models: list[str] = field(default_factory=list, repr=False)  # that the server lists, if it does
    calls: set[asyncio.Task[Any]] = field(default_factory=set, repr=False)  # of `complete`, on their way
    refusal: Exception | None = field(default=None, repr=False)  # what ended them

    def __post_init__(self) -> None:
        from openai import AsyncOpenAI, DefaultAioHttpClient, Timeout

        connect = min(_CONNECT_SECONDS, self.spec.timeout_seconds)
        self.client = AsyncOpenAI(
            base_url=self.spec.url,
            # without one the package would send the key that the environment has for another server
            api_key=self.key or NO_KEY,
            max_retries=self.spec.attempts - 1,
            timeout=Timeout(self.spec.timeout_seconds, connect=connect),
            http_client=DefaultAioHttpClient(),  # half the work a request of its own one
        )
        self.slots = asyncio.Semaphore(self.spec.in_flight)
        self.loop = asyncio.new_event_loop()
        turning = threading.Thread(target=_turn, args=(self.loop,), name=f"goldpan {self.spec.name}", daemon=True)
        turning.start()
        # also at the process's end, while the interpreter is still whole: a __del__ would wait for threads that are gone
        weakref.finalize(self, _close, self.loop, turning, self.client)

    def admit(self) -> None:
        """Ask for the list of models: every such server has it, and it says whether url and key are right."""
        from openai import APIConnectionError, APIStatusError, APITimeoutError

        try:
            self.models = _model_names(self._wait(self._listed()))
        except (APIConnectionError, APITimeoutError):
            raise EndpointError(
                f"{self.spec.name}: nothing answers at {self.spec.url}. Start the server there, or mend the url in the recipe."
            ) from None
        except APIStatusError as error:
            if error.status_code in (401, 403):
                raise self._unusable(error) from None
            # else a server without that list: the requests will show
        except ValueError:  # its list is no JSON: that is not what it is asked for
            pass

    def complete(self, requests: list[Request]) -> list[Answer | Exception]:
        """EndpointError where the server refuses the key, or does not know the model: no request would be answered.

        Threads may call it at the same time: in_flight counts the requests of all of them, and the EndpointError of one
        is that of all.
        """
        try:
            return self._wait(self._complete(requests))
        except CancelledError:
            raise EndpointError(str(self.refusal)) from None

    def _wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    async def _listed(self) -> Any:
        client = self.client.with_options(max_retries=min(2, self.spec.attempts - 1))
        return await client.get("/models", cast_to=object)

    async def _complete(self, requests: list[Request]) -> list[Answer | Exception]:
        async def one(request: Request) -> Answer | Exception:
            async with self.slots:
                return await self._one(request)

        own = asyncio.current_task()
        assert own is not None
        self.calls.add(own)
        try:
            async with asyncio.TaskGroup() as group:  # one that raises ends the others
                asked = [group.create_task(one(request)) for request in requests]
        except ExceptionGroup as stopped:
            self.refusal = stopped.exceptions[0]
            for call in self.calls - {own}:
                call.cancel()
            raise self.refusal from None
        finally:
            self.calls.discard(own)
        return [task.result() for task in asked]

    async def _one(self, request: Request) -> Answer | Exception:
        try:
            return self._answer(await self._asked(request))
        except Exception as error:
            told = self._told(error)
        if isinstance(told, EndpointError):
            raise told
        return told

    async def _asked(self, request: Request) -> Any:
        """The completion; a Retry-After that the package gives up on is waited for here."""
        from openai import APIStatusError

        client, left = self.client, self.spec.attempts
        while True:
            try:
                # its timeout counts between two bytes: a server that trickles them would hold a request for ever
                async with asyncio.timeout(self.spec.attempts * (self.spec.timeout_seconds + _LIBRARY_WAITS)):
                    # as JSON: an object for each answer, built and checked by pydantic, would cost as much again
                    return await client.post("/chat/completions", cast_to=object, body=self._body(request))
            except APIStatusError as error:
                left -= 1 + int(error.request.headers.get("x-stainless-retry-count", "0"))  # the package's own count
                wait = retry_after(error.response.headers.get("retry-after"))
                if left < 1 or wait is None or not _LIBRARY_WAITS < wait <= LONGEST_WAIT:
                    raise
                await asyncio.sleep(wait)
                client = self.client.with_options(max_retries=left - 1)

    def _body(self, request: Request) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self.spec.served,
            "messages": list(request.messages),
            "temperature": self.spec.temperature,
            "top_p": self.spec.top_p,
            "max_tokens": self.spec.max_tokens,
            "seed": request.seed,
        }
        if request.schema is not None and self.spec.json_schema:
            schema = {"name": "answer", "schema": request.schema, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        body |= json.loads(self.spec.options)
        return {key: value for key, value in body.items() if value is not None}

    def _told(self, error: Exception) -> Exception:
        """The error in a sentence, of a class of ours, without the key: a server may repeat it."""
        from openai import APIConnectionError, APIStatusError, APITimeoutError

        attempts = f"{self.spec.attempts} attempts"
        match error:
            case ChatError():
                return error
            case APITimeoutError() | TimeoutError():
                return NoAnswerInTimeError(f"no answer within {self.spec.timeout_seconds:g} s in {attempts}")
            case APIConnectionError():
                cause = type(error.__cause__).__name__ if error.__cause__ else "no cause given"
                return UnreachableError(f"no whole answer from {self.spec.url} in {attempts} ({cause})")
            case APIStatusError(status_code=401 | 404):
                return self._unusable(error)
            case APIStatusError():
                return StatusError(f"HTTP {error.status_code}: {self._shown(_said(error))}")
            case _:
                said = f"{type(error).__name__}: {self._shown(str(error))}"
                return MalformedAnswerError(f"the answer is no chat completion ({said})")

    def _unusable(self, error: Any) -> EndpointError:
        """The sentence for a refused key or an unknown model; in one line, or a worker's would be cut off."""
        name, url = self.spec.name, self.spec.url
        if error.status_code == 401:  # without the server's words: they often hold parts of the key
            return EndpointError(f"{name}: {url} refuses the key (HTTP 401). Put the right one {_KEY_PLACE}.")
        said = " ".join(self._shown(_said(error)).split())
        if error.status_code == 403:
            return EndpointError(
                f"{name}: {url} refuses the key (HTTP 403: {said}). Put one that may use {self.spec.served} {_KEY_PLACE}."
            )
        near = difflib.get_close_matches(self.spec.served, self.models, _MODELS_SHOWN, cutoff=0)
        known = f" It lists: {', '.join(near)}." if near else ""
        return EndpointError(
            f"{name}: {url} does not know the model {self.spec.served} (HTTP 404: {said}).{known}"
            " Mend model or url in the recipe."
        )

    def _answer(self, completion: Any) -> Answer | ChatError:
        """What the completion (its JSON) holds, without the key. Any server may leave any of it out."""
        try:
            choice = completion["choices"][0]
            content, refusal = choice["message"].get("content"), choice["message"].get("refusal")
            usage = completion.get("usage") or {}
            reason = self._without_key(str(choice.get("finish_reason")))
            tokens = (usage.get("prompt_tokens"), usage.get("completion_tokens"))
        except (AttributeError, KeyError, TypeError, IndexError):
            return MalformedAnswerError(f"the answer is no chat completion: {self._shown(str(completion))!r}")
        if refusal:
            return FilteredError("the model refused", Answer(self._without_key(str(refusal)), reason, *tokens))
        return checked(Answer("" if content is None else self._without_key(str(content)), reason, *tokens))

    def _shown(self, text: str) -> str:
        """The beginning of a server's text. The key is taken out first: cut through, nobody would know it again."""
        return self._without_key(text)[:_BODY_SHOWN]

    def _without_key(self, text: str) -> str:
        return text.replace(self.key, "***") if self.key and len(self.key) >= _SECRET_FROM else text


def _turn(loop: asyncio.AbstractEventLoop) -> None:
    """The thread of a loop."""
    loop.run_forever()
    loop.close()


def _close(loop: asyncio.AbstractEventLoop, turning: threading.Thread, client: Any) -> None:
    """End the connections and the loop; also from the loop's own thread, where the last call may let the model go."""

    async def end() -> None:
        try:
            await client.close()
        finally:
            loop.stop()

    asyncio.run_coroutine_threadsafe(end(), loop)
    if threading.current_thread() is not turning:
        turning.join(_CLOSE_SECONDS)


def retry_after(header: str | None) -> float | None:
    """Seconds to wait by a Retry-After header: a number or an HTTP date; None where it says neither."""
    try:
        return float(header or "")
    except ValueError:
        moment = email.utils.parsedate_tz(header or "")
        return None if moment is None else email.utils.mktime_tz(moment) - time.time()


def _model_names(listed: Any) -> list[str]:
    """The ids in an answer of /models; none where it is something else."""
    try:
        return [str(model["id"]) for model in listed["data"]]
    except (KeyError, TypeError):
        return []


def _said(error: Any) -> str:
    body = error.body if error.body is not None else error.response.text
    return str(body.get("message", body) if isinstance(body, dict) else body)
