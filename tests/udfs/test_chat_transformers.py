"""A tiny model of a real class, in process: what is drawn belongs to the request, not to its batch."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tiny_models import chat_model
from udfs.chat import Answer, ChatError, Request
from udfs.chat_transformers import NoChatTemplateError, TransformersChat


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return chat_model(tmp_path_factory.mktemp("chat"))


def spec(folder: Path, **options: float) -> TransformersChat:
    sampling = {"temperature": 1.4, "top_p": 0.8, "max_tokens": 24, "batch_size": 4} | options
    return TransformersChat("tiny", "tiny", str(folder), "1", "float32", **sampling)  # type: ignore[arg-type]


def requests(count: int) -> list[Request]:
    words = ["a red circle", "a blue square in a red circle", "a circle"]
    return [Request(({"role": "user", "content": words[i % 3]},), None, i) for i in range(count)]


def texts(answers: list[Answer | Exception]) -> list[str]:
    """What was said, cut off or not: these weights are noise and seldom come to an end."""
    said = [answer.answer if isinstance(answer, ChatError) else answer for answer in answers]
    assert all(isinstance(answer, Answer) for answer in said), said
    return [answer.text for answer in said if isinstance(answer, Answer)]


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
