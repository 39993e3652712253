"""A tiny model of a real class, in process: what is drawn belongs to the request, not to its batch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.tiny_models import chat_model
from udfs.chat import Answer, ChatError, Request
from udfs.chat_transformers import NoChatTemplateError, TransformersChat


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return chat_model(tmp_path_factory.mktemp("chat"))


def spec(folder: Path, **options: Any) -> TransformersChat:
    sampling: dict[str, Any] = {"temperature": 1.4, "top_p": 0.8, "max_tokens": 24, "batch_size": 4} | options
    return TransformersChat("tiny", "tiny", str(folder), "1", "float32", **sampling)


def requests(count: int) -> list[Request]:
    words = ["a red circle", "a blue square in a red circle", "a circle"]
    return [Request(({"role": "user", "content": words[i % 3]},), None, i) for i in range(count)]


def texts(answers: list[Answer | Exception]) -> list[str]:
    """What was said, cut off or not: these weights are noise and seldom come to an end."""
    said = [answer.answer if isinstance(answer, ChatError) else answer for answer in answers]
    assert all(isinstance(answer, Answer) for answer in said), said
    return [answer.text for answer in said if isinstance(answer, Answer)]


def test_the_model_is_told_every_word(folder: Path) -> None:
    chat = spec(folder).load("cpu")
    asked = [Request(({"role": "user", "content": text},), None, 0) for text in ("a red circle", "a blue square")]
    red, blue = (chat._tokens(request) for request in asked)
    assert red != blue
    assert [chat.tokenizer.decode(tokens) for tokens in (red, blue)] == [
        "user : a red circle assistant :",
        "user : a blue square assistant :",
    ]
    assert len(set(texts(spec(folder, temperature=0).load("cpu").complete(asked)))) == 2


def test_an_answer_depends_on_its_request_alone(folder: Path) -> None:
    chat = spec(folder).load("cpu")
    together = texts(chat.complete(requests(9)))
    alone = [texts(chat.complete([request]))[0] for request in requests(9)]
    assert together == alone
    assert len(set(together)) > 5
    assert texts(chat.complete(requests(9)[::-1]))[::-1] == together


def test_another_seed_draws_another_answer_and_temperature_0_draws_none(folder: Path) -> None:
    same = requests(1)[0]
    seeds = [Request(same.messages, None, seed) for seed in range(5)]
    assert len(set(texts(spec(folder).load("cpu").complete(seeds)))) > 1
    assert len(set(texts(spec(folder, temperature=0).load("cpu").complete(seeds)))) == 1


def test_the_draws_follow_the_models_probabilities(folder: Path) -> None:
    """First tokens of many seeds against the softmax of the logits."""
    import torch

    chat = spec(folder, temperature=1.0, top_p=1.0, max_tokens=1, batch_size=50).load("cpu")
    prompt = chat._tokens(requests(1)[0])
    with torch.inference_mode():
        expected = chat.net(torch.tensor([prompt])).logits[0, -1].softmax(-1)
    drawn = torch.zeros_like(expected)
    for start in range(0, 2000, 50):
        for tokens in chat._generate([prompt] * 50, list(range(start, start + 50))):
            drawn[tokens[0]] += 1
    assert (drawn / 2000 - expected).abs().max() < 0.04


def test_a_model_without_a_chat_template_is_refused(folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        if file.name != "chat_template.jinja":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(NoChatTemplateError, match="take an instruction-tuned model"):
        spec(tmp_path).load("cpu")


def copied(folder: Path, to: Path) -> Path:
    for file in folder.iterdir():
        (to / file.name).write_bytes(file.read_bytes())
    return to


def test_options_reach_the_chat_template(folder: Path, tmp_path: Path) -> None:
    template = copied(folder, tmp_path) / "chat_template.jinja"
    template.write_text(template.read_text() + "{% if enable_thinking is false %}a{% endif %}")
    plain, brisk = spec(tmp_path).load("cpu"), spec(tmp_path, options='{"enable_thinking": false}').load("cpu")
    request = requests(1)[0]
    assert brisk._tokens(request) == [*plain._tokens(request), plain.tokenizer.convert_tokens_to_ids("a")]


def test_of_the_models_own_generation_config_only_its_ends_are_used(folder: Path, tmp_path: Path) -> None:
    """What else it asks for stands in no row. Each of these alone would make other answers."""
    config = copied(folder, tmp_path) / "generation_config.json"
    own = json.loads(config.read_text())
    wishes: list[dict[str, Any]] = [
        {"repetition_penalty": 5.0}, {"no_repeat_ngram_size": 1}, {"suppress_tokens": [*range(4, 12)]}, {"num_beams": 3},
    ]  # fmt: skip
    for temperature in (0.0, 1.4):
        plain = texts(spec(folder, temperature=temperature).load("cpu").complete(requests(6)))
        for wish in wishes:
            config.write_text(json.dumps(own | wish))
            said = texts(spec(tmp_path, temperature=temperature).load("cpu").complete(requests(6)))
            assert said == plain, wish
    config.write_text(json.dumps(own | {"eos_token_id": [2, 7]}))
    assert spec(tmp_path).load("cpu").ends == [2, 7]


def test_a_shorter_request_is_padded_where_it_changes_nothing(folder: Path) -> None:
    """On the CPU no batch of `complete` has two lengths; on an accelerator most have."""
    chat = spec(folder, temperature=0).load("cpu")
    prompts = [chat._tokens(request) for request in requests(3)]
    assert len({len(prompt) for prompt in prompts}) > 1
    assert chat._generate(prompts, [0, 1, 2]) == [chat._generate([prompt], [0])[0] for prompt in prompts]
