"""Requests given to a real server that misbehaves -> one answer or error each, nothing asked twice without need."""

from __future__ import annotations

import email.utils
import gc
import json
import pickle
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pytest

from tests.chat_server import ChatServer, chat_server
from udfs import chat_endpoint
from udfs.chat import Answer, CutOffError, EmptyAnswerError, FilteredError, Request
from udfs.chat_endpoint import EndpointChat, EndpointError, LoadedEndpoint, retry_after
from udfs.chat_keys import MissingKeyError
from udfs.harness import Stage
from udfs.language_writer import COLUMNS, LanguageWriter

SCHEMA = {"type": "object", "properties": {"prompt": {"type": "string"}}, "required": ["prompt"]}


def spec(server: ChatServer, **options: Any) -> EndpointChat:
    return EndpointChat("test", "m", "1", server.url, 1.4, 0.8, 64, **({"attempts": 2, "timeout_seconds": 2} | options))


def requests(*texts: str) -> list[Request]:
    return [Request(({"role": "user", "content": text},), SCHEMA, 5) for text in texts]


def loaded(server: ChatServer, **options: Any) -> LoadedEndpoint:
    return spec(server, **options).load("cpu")


def test_answers_come_in_the_order_of_the_requests() -> None:
    with chat_server(seconds=0.1) as server:
        texts = [f"t{i}" for i in range(40)]
        answers = loaded(server, in_flight=8).complete(requests(*texts))
        assert answers == [Answer(f'{{"prompt": "a prompt about {t}"}}', "stop", 7, 5) for t in texts]
        assert sorted(server.asked) == sorted(texts)
        assert server.most_at_once == 8
        body = server.bodies[0]
        assert (body["temperature"], body["top_p"], body["max_tokens"], body["seed"]) == (1.4, 0.8, 64, 5)
        assert body["response_format"]["json_schema"]["schema"] == SCHEMA
        loaded(server, json_schema=False).complete(requests("plain"))
        assert "response_format" not in server.bodies[-1]


@pytest.mark.parametrize("fault", ["429", "500", "half a body"])
def test_a_passing_fault_is_asked_again(fault: str) -> None:
    with chat_server(seconds=0, fault=lambda text, number: fault if number == 0 and text == "b" else None) as server:
        answers = loaded(server).complete(requests("a", "b", "c"))
        assert all(isinstance(answer, Answer) for answer in answers)
        assert Counter(server.asked) == {"a": 1, "b": 2, "c": 1}


@pytest.mark.parametrize(
    ("fault", "error", "sentence", "asked"),
    [
        ("429", "StatusError", "HTTP 429: slow down", 2),
        ("500", "StatusError", r"HTTP 500: broken, \*\*\*$", 2),
        ("half a body", "UnreachableError", "no whole answer from .* in 2 attempts", 2),
        ("silence", "NoAnswerInTimeError", "no answer within 1 s in 2 attempts", 2),
        ("no json", "MalformedAnswerError", "is no chat completion", 1),
        ("filtered", "FilteredError", "content filter", 1),
        ("cut off", "CutOffError", "cut off after 5 tokens; raise max_tokens", 1),
        ("empty", "EmptyAnswerError", "the answer is empty", 1),
    ],
)
def test_a_lasting_fault_is_the_error_of_its_request_alone(
    fault: str, error: str, sentence: str, asked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOLDPAN_TEST_KEY", "top-secret")
    with chat_server(seconds=0, key="top-secret", fault=lambda text, _: fault if text == "bad" else None) as server:
        patience = 1.0 if fault == "silence" else 10.0
        chat = loaded(server, key_variable="GOLDPAN_TEST_KEY", timeout_seconds=patience)
        good, bad, other = chat.complete(requests("good", "bad", "other"))
        assert isinstance(good, Answer)
        assert isinstance(other, Answer)
        assert type(bad).__name__ == error
        assert re.search(sentence, str(bad))
        assert Counter(server.asked) == {"good": 1, "bad": asked, "other": 1}
        if isinstance(bad, CutOffError | EmptyAnswerError | FilteredError):
            assert bad.answer is not None
            assert bad.answer.text in ("", '{"prompt": "a cat on a')


def test_a_retry_after_beyond_the_packages_limit_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openai._base_client.MAX_RETRY_AFTER_DELAY", 0.1)
    monkeypatch.setattr(chat_endpoint, "_LIBRARY_WAITS", 0.1)
    fault = lambda text, number: "429" if number == 0 else None  # noqa: E731
    with chat_server(seconds=0, retry_after="0.4", fault=fault) as server:
        started = time.monotonic()
        (answer,) = loaded(server).complete(requests("a"))
        assert isinstance(answer, Answer)
        assert time.monotonic() - started >= 0.4
        monkeypatch.setattr(chat_endpoint, "LONGEST_WAIT", 0.3)
        (error,) = loaded(server).complete(requests("b"))
        assert str(error) == "HTTP 429: slow down"
        assert Counter(server.asked) == {"a": 2, "b": 1}


def test_retry_after_is_seconds_or_a_date() -> None:
    assert retry_after("7.5") == 7.5
    assert retry_after(email.utils.formatdate(time.time() + 60, usegmt=True)) == pytest.approx(60, abs=2)
    assert retry_after(None) is retry_after("soon") is None


def test_a_spec_travels_without_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOLDPAN_TEST_KEY", "top-secret")
    with chat_server(seconds=0, key="top-secret") as server:
        travelled = pickle.loads(pickle.dumps(spec(server, key_variable="GOLDPAN_TEST_KEY")))
        assert "top-secret" not in repr(travelled) + repr(travelled.load("cpu")) + str(travelled.parameters)
        assert isinstance(travelled.load("cpu").complete(requests("a"))[0], Answer)


def test_no_model_is_loaded_where_nothing_can_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOLDPAN_TEST_KEY", raising=False)
    with chat_server(seconds=0, key="top-secret") as server:
        with pytest.raises(MissingKeyError, match="GOLDPAN_TEST_KEY is empty on a worker"):
            loaded(server, key_variable="GOLDPAN_TEST_KEY")
        monkeypatch.setenv("GOLDPAN_TEST_KEY", "wrong-one")
        with pytest.raises(EndpointError, match=r"refuses the key \(HTTP 401\)") as caught:
            loaded(server, key_variable="GOLDPAN_TEST_KEY")
        assert "wrong-one" not in str(caught.value)
    with pytest.raises(EndpointError, match="nothing answers at http://127.0.0.1:9/v1. Start the server there"):
        spec(ChatServer(url="http://127.0.0.1:9/v1")).load("cpu")


def test_the_environments_own_key_is_not_sent_to_another_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "for-somebody-else")
    with chat_server(seconds=0, key="none") as server:  # refuses every other one
        assert isinstance(loaded(server).complete(requests("a"))[0], Answer)


@pytest.mark.parametrize("fault", ["error 200", "error 500", None])
def test_no_row_gets_a_key_or_the_beginning_of_one_that_the_server_repeats(
    fault: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it stands in what is said, also where a message is cut off."""
    monkeypatch.setenv("GOLDPAN_TEST_KEY", "top-secret")
    with chat_server(seconds=0, key="top-secret", fault=lambda text, _: fault) as server:
        server.say = lambda text, number: "x" * int(text) + " top-secret"
        chat = loaded(server, key_variable="GOLDPAN_TEST_KEY", attempts=1)
        for said in chat.complete(requests("0", *map(str, range(440, 500, 3)))):
            text = said.text if isinstance(said, Answer) else f"{type(said).__name__}: {said}"
            assert "top" not in text
            assert text.startswith(("x", " ***") if fault is None else ("MalformedAnswerError", "StatusError"))


def test_a_word_for_no_key_is_left_in_the_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOLDPAN_TEST_KEY", "EMPTY")
    with chat_server(seconds=0, key="EMPTY", say=lambda text, number: "a sign that says EMPTY") as server:
        (answer,) = loaded(server, key_variable="GOLDPAN_TEST_KEY").complete(requests("a"))
        assert isinstance(answer, Answer)
        assert answer.text == "a sign that says EMPTY"


def test_options_are_merged_into_the_body_last_and_null_takes_a_key_out() -> None:
    options = {"max_tokens": None, "max_completion_tokens": 512, "chat_template_kwargs": {"enable_thinking": False}}
    with chat_server(seconds=0) as server:
        chat = loaded(server, options=json.dumps(options | {"temperature": 0.1, "seed": None, "stop": None}))
        chat.complete(requests("a"))
        loaded(server).complete(requests("a"))
    body, plain = server.bodies
    assert "max_tokens" not in body
    assert "seed" not in body
    assert "stop" not in body
    assert body["max_completion_tokens"] == 512
    assert body["chat_template_kwargs"] == {"enable_thinking": False}
    assert body["temperature"] == 0.1
    assert body["top_p"] == plain["top_p"] == 0.8
    assert set(plain) == {"model", "messages", "temperature", "top_p", "max_tokens", "seed", "response_format"}


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("404", "test: {url} does not know the model m (HTTP 404: not so, not with ***). It lists: mm, other. Mend model or url"),
        ("401", "test: {url} refuses the key (HTTP 401). Put the right one into the environment variable"),
    ],
)  # fmt: skip
def test_what_every_request_would_hear_is_raised_and_the_rest_is_not_asked(
    fault: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOLDPAN_TEST_KEY", "top-secret")
    answer = lambda text, number: fault if text == "bad" else None  # noqa: E731
    with chat_server(seconds=0.05, key="top-secret", models=["other", "mm"], fault=answer) as server:
        chat = loaded(server, key_variable="GOLDPAN_TEST_KEY", in_flight=2)
        with pytest.raises(EndpointError) as caught:
            chat.complete(requests("bad", *map(str, range(50))))
        assert str(caught.value).startswith(sentence.format(url=server.url))
        assert "\n" not in str(caught.value)
        assert len(server.asked) < 10
        answers = chat.complete(requests(*["good"] * 20))  # and none of the first batch is still on its way
        assert all(isinstance(answer, Answer) for answer in answers)
        assert len(server.asked) < 10 + 20


def test_an_unknown_model_is_named_also_where_the_server_lists_none() -> None:
    with chat_server(seconds=0, fault=lambda text, _: "404") as server:
        with pytest.raises(EndpointError, match=r"does not know the model m \(HTTP 404: [^)]*\)\. Mend model or url"):
            loaded(server).complete(requests("a"))
        assert server.asked == ["a"]


def until(happens: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not happens():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_request_that_hangs_takes_one_place_and_holds_up_no_row() -> None:
    with chat_server(seconds=0.01, fault=lambda text, _: "silence" if text == "0" else None) as server:
        stage = Stage(LanguageWriter(spec(server, in_flight=4, attempts=1)), (("id", pa.int64()),), COLUMNS)
        rows = [{"id": n, "seed": n, "request": json.dumps([{"role": "user", "content": f"{n}"}])} for n in range(60)]
        *answered, last = stage.answers(iter(rows))
        assert sorted(row["id"] for row in answered) == [*range(1, 60)]
        assert {row["status"] for row in answered} == {"ok"}
        assert (last["id"], last["error_class"]) == (0, "NoAnswerInTimeError")
        assert server.most_at_once == 4


def test_threads_may_ask_at_the_same_time_and_share_what_is_in_flight() -> None:
    with chat_server(seconds=0.05) as server, ThreadPoolExecutor(3) as pool:
        chat = loaded(server, in_flight=4)
        asked = [[f"{thread} {number}" for number in range(8)] for thread in range(3)]
        for texts, answers in zip(asked, pool.map(lambda texts: chat.complete(requests(*texts)), asked), strict=True):
            assert answers == [Answer(f'{{"prompt": "a prompt about {t}"}}', "stop", 7, 5 + 1) for t in texts]
        assert server.most_at_once == 4


def test_what_every_request_would_hear_ends_the_requests_of_all_threads() -> None:
    fault = lambda text, _: {"hang": "silence", "bad": "404"}.get(text)  # noqa: E731
    with chat_server(seconds=0, fault=fault) as server, ThreadPoolExecutor(1) as pool:
        chat = loaded(server, timeout_seconds=30)
        hangs = pool.submit(chat.complete, requests("hang"))
        until(lambda: server.asked == ["hang"])
        with pytest.raises(EndpointError) as heard:
            chat.complete(requests("bad"))
        with pytest.raises(EndpointError) as told:
            hangs.result(timeout=5)
        assert str(told.value) == str(heard.value)
        assert isinstance(chat.complete(requests("good"))[0], Answer)


def test_a_model_that_is_let_go_leaves_no_thread() -> None:
    def threads() -> int:
        gc.collect()
        return sum(thread.name == "goldpan test" for thread in threading.enumerate())

    with chat_server(seconds=0) as server:
        before = threads()
        chat = loaded(server)
        chat.complete(requests("a"))
        assert threads() == before + 1
        del chat
        until(lambda: threads() == before)
