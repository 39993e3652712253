"""A language model's endpoint with 64 requests in flight, as one worker asks it: against one in flight, and with a
request in a hundred that hangs against none.

The server is real HTTP on this machine and answers each request after 200 ms: what a model takes for a short prompt. A
request that hangs is asked again after 5 s.
"""

from __future__ import annotations

import json
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

import pyarrow as pa

from bench.pairs import Pair, paired
from tests.chat_server import chat_server
from udfs.chat_endpoint import EndpointChat
from udfs.harness import Stage
from udfs.language_writer import COLUMNS, LanguageWriter

REQUESTS = 512  # of the run with 64; one in flight gets through ONE_BY_ONE of them, scaled
ONE_BY_ONE = 16
LONG = 2048  # of the runs in which some hang: the last to hang is a small part of them
IN_FLIGHT = 64
SECONDS = 0.2
PATIENCE = 5.0
ROUNDS = 3  # of the long runs


def measure() -> Pair:
    """Seconds for REQUESTS answers; those of one in flight are scaled from ONE_BY_ONE, which take as long each."""
    with _server_elsewhere() as url:
        pair = paired(lambda: _ask(url, IN_FLIGHT, REQUESTS), lambda: _ask(url, 1, ONE_BY_ONE))
    return Pair(pair.ours, [spent * REQUESTS / ONE_BY_ONE for spent in pair.baseline])


def hanging() -> Pair:
    """Seconds for LONG answers where the first request for a hundredth of them hangs, against none of them."""
    with _server_elsewhere() as url:
        some, none = (lambda: _ask(url, IN_FLIGHT, LONG, every=100)), (lambda: _ask(url, IN_FLIGHT, LONG))
        return paired(some, none, ROUNDS)


@contextmanager
def _server_elsewhere() -> Iterator[str]:
    """The url of a server in a process of its own: it does not take the interpreter from who asks it."""
    fresh = multiprocessing.get_context("spawn")
    here, there = fresh.Pipe()
    process = fresh.Process(target=_serve, args=(there,), daemon=True)
    process.start()
    try:
        yield here.recv()
    finally:
        process.terminate()
        process.join()


def _serve(connection: Connection) -> None:
    def fault(text: str, number: int) -> str | None:
        return "silence" if text.startswith("hang") and number == 0 else None

    with chat_server(seconds=SECONDS, fault=fault) as server:
        connection.send(server.url)
        while True:
            time.sleep(3600)


def _ask(url: str, in_flight: int, count: int, every: int = 0) -> None:
    """Rows through a worker's stage. every: the first request of each `every`th row hangs."""
    chat = EndpointChat("bench", "bench", "1", url, 1.4, 0.8, 64, in_flight=in_flight, timeout_seconds=PATIENCE)
    stage = Stage(LanguageWriter(chat), (("id", pa.int64()),), COLUMNS)
    run = time.perf_counter_ns()  # a text that the server has not seen
    rows = (
        {
            "id": number,
            "seed": number,
            "request": _request("hang" if every and number % every == 0 else "ask", run, number),
        }
        for number in range(count)
    )
    assert all(row["status"] == "ok" for row in stage.answers(rows))


def _request(words: str, run: int, number: int) -> str:
    return json.dumps([{"role": "user", "content": f"{words} {run} {number}"}])


if __name__ == "__main__":
    print(measure().row("64 requests in flight", "one in flight", REQUESTS, "answers"))
    print(hanging().row("64 in flight, 1 % of them hang for 5 s", "none hangs", LONG, "answers"))
