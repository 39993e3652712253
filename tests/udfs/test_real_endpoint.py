"""EndpointChat against a server that is not ours: transformers' own `transformers serve` with a tiny model."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.tiny_models import chat_model
from udfs.chat import Answer, ChatError, Request
from udfs.chat_endpoint import EndpointChat, EndpointError

pytestmark = pytest.mark.slow
_SERVE = "from transformers.cli.transformers import main; main()"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """(url, the model's name there), on a free port."""
    folder = chat_model(tmp_path_factory.mktemp("chat"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    cache = tmp_path_factory.mktemp("hub")  # its list of models looks into the cache of the hub
    command = [sys.executable, "-c", _SERVE, "serve", str(folder), "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--device", "cpu"], env=os.environ | {"HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(cache)}
    )
    try:
        yield f"http://127.0.0.1:{port}/v1", str(folder)
    finally:
        process.terminate()
        process.wait()


def test_a_real_server_is_asked(server: tuple[str, str]) -> None:
    url, served = server
    spec = EndpointChat("tiny", served, "1", url, 1.4, 0.8, 12, in_flight=4, attempts=1)
    for _ in range(240):
        try:
            chat = spec.load("cpu")
            break
        except EndpointError:
            time.sleep(0.5)
    else:
        pytest.fail("the server did not start in two minutes")
    schema = {"type": "object", "properties": {"prompt": {"type": "string"}}}
    words = ["a red circle", "a blue square", "a circle in the snow", "snow"]
    results = chat.complete([Request(({"role": "user", "content": word},), schema, 1) for word in words])
    # its weights are noise: most answers are cut off or no JSON, but each is an answer of the model
    said = [result.answer if isinstance(result, ChatError) else result for result in results]
    assert all(isinstance(answer, Answer) for answer in said), results
    for answer in said:
        assert isinstance(answer, Answer)
        assert answer.prompt_tokens
        assert answer.completion_tokens
