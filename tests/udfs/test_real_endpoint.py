"""EndpointChat against a server that is not ours: transformers' own `transformers serve` with a tiny model."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.tiny_models import chat_model
from udfs.chat import Answer, CutOffError, Request
from udfs.chat_endpoint import EndpointChat, EndpointError, StatusError
from udfs.chat_transformers import TransformersChat

pytestmark = pytest.mark.slow
_SERVE = "from transformers.cli.transformers import main; main()"
MOST = 64  # tokens of an answer
WORDS = ["a red circle", "a blue square", "a circle in the snow", "snow"]


def asked(text: str, seed: int = 1, schema: dict[str, Any] | None = None) -> Request:
    return Request(({"role": "user", "content": text},), schema, seed)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny Llama with other random weights, which end each answer."""
    import torch
    from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

    folder = chat_model(tmp_path_factory.mktemp("chat"))
    config = LlamaConfig(
        vocab_size=16, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=512, initializer_range=0.5, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    torch.manual_seed(6)  # of few seeds every answer ends, and none is empty
    LlamaForCausalLM(config).save_pretrained(folder)
    GenerationConfig(do_sample=True, eos_token_id=2, pad_token_id=0).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def spec(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EndpointChat]:
    """A server on a free port, which answers; its seed is its process's, so one request at a time."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    cache = tmp_path_factory.mktemp("hub")  # its list of models looks into the cache of the hub
    command = [sys.executable, "-c", _SERVE, "serve", str(model), "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--device", "cpu"], env=os.environ | {"HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(cache)}
    )
    spec = EndpointChat("tiny", str(model), "1", f"http://127.0.0.1:{port}/v1", 1.4, 0.8, MOST, in_flight=1, attempts=1)
    try:
        for _ in range(240):
            try:
                spec.load("cpu")
                break
            except EndpointError:
                assert process.poll() is None, "the server has ended"
                time.sleep(0.5)
        else:
            pytest.fail("the server did not start in two minutes")
        yield spec
    finally:
        process.terminate()
        process.wait()


def answers(spec: EndpointChat | TransformersChat, requests: list[Request]) -> list[Answer]:
    results = spec.load("cpu").complete(requests)
    assert all(isinstance(result, Answer) for result in results), results
    return [result for result in results if isinstance(result, Answer)]


def test_each_request_is_answered_and_its_tokens_are_counted(spec: EndpointChat, model: Path) -> None:
    from transformers import AutoTokenizer

    schema: dict[str, Any] = {"type": "object", "properties": {"prompt": {"type": "string"}}}
    requests = [asked(text) for text in WORDS] + [asked(text, schema=schema) for text in WORDS]
    said = answers(replace(spec, temperature=0.0, in_flight=4), requests)
    tokenizer: Any = AutoTokenizer.from_pretrained(model)
    for request, answer in zip(requests, said, strict=True):
        prompt = tokenizer.apply_chat_template([*request.messages], add_generation_prompt=True, return_dict=True)
        assert answer.text
        assert answer.finish_reason == "stop"
        assert answer.prompt_tokens == len(prompt["input_ids"])
        assert 0 < (answer.completion_tokens or 0) <= MOST


def test_without_chance_it_says_what_the_weights_say_here(spec: EndpointChat, model: Path) -> None:
    here = TransformersChat("tiny", str(model), str(model), "1", "float32", 0.0, 1.0, MOST)
    requests = [asked(text) for text in WORDS]
    there = answers(replace(spec, temperature=0.0, top_p=1.0), requests)
    assert there == answers(here, requests)
    assert len({answer.text for answer in there}) == len(WORDS), "each is the answer to its own request"


def test_a_seed_draws_the_same_answer_again_and_another_seed_another_one(spec: EndpointChat) -> None:
    seeds = [asked(WORDS[0], seed) for seed in range(8)]
    said = answers(spec, seeds)
    assert said == answers(spec, seeds)
    assert len({answer.text for answer in said}) > 1


def test_an_answer_that_is_cut_off_says_so(spec: EndpointChat) -> None:
    (result,) = replace(spec, max_tokens=1).load("cpu").complete([asked(WORDS[0])])
    assert isinstance(result, CutOffError)
    assert result.answer is not None
    assert (result.answer.finish_reason, result.answer.completion_tokens) == ("length", 1)


def test_a_model_that_it_does_not_serve_is_refused_in_its_own_words(spec: EndpointChat) -> None:
    (result,) = replace(spec, served="another").load("cpu").complete([asked(WORDS[0])])
    assert isinstance(result, StatusError)
    assert "HTTP 400" in str(result)
    assert "another" in str(result)
