"""A language model's endpoint with 64 requests in flight, as one worker asks it, against one in flight.

The server is real HTTP on this machine and answers each request after 200 ms: what a model takes for a short prompt.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

from bench.pairs import Pair, paired
from tests.chat_server import chat_server
from udfs.chat import Answer, Request
from udfs.chat_endpoint import EndpointChat, LoadedEndpoint

REQUESTS = 512  # of the run with 64; one in flight gets through ONE_BY_ONE of them, scaled
ONE_BY_ONE = 16
IN_FLIGHT = 64
SECONDS = 0.2


def measure() -> Pair:
    """Seconds for REQUESTS answers; those of one in flight are scaled from ONE_BY_ONE, which take as long each."""
    with _server_elsewhere() as url:
        many, one = (_loaded(url, in_flight) for in_flight in (IN_FLIGHT, 1))
        pair = paired(lambda: _ask(many, REQUESTS), lambda: _ask(one, ONE_BY_ONE))
    return Pair(pair.ours, [spent * REQUESTS / ONE_BY_ONE for spent in pair.baseline])


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
    with chat_server(seconds=SECONDS) as server:
        connection.send(server.url)
        while True:
            time.sleep(3600)


def _loaded(url: str, in_flight: int) -> LoadedEndpoint:
    return EndpointChat("bench", "bench", "1", url, 1.4, 0.8, 64, in_flight=in_flight).load("cpu")


def _ask(chat: LoadedEndpoint, count: int) -> None:
    requests = [Request(({"role": "user", "content": f"request {number}"},), None, number) for number in range(count)]
    assert all(isinstance(answer, Answer) for answer in chat.complete(requests))


if __name__ == "__main__":
    print(measure().row("64 requests in flight", "one in flight", REQUESTS, "answers"))
