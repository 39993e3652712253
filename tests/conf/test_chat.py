"""What a language model's entry may say."""

from __future__ import annotations

import pickle
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from conf.chat import LanguageModel
from jobs.specs import chat_spec
from udfs.chat_endpoint import EndpointChat

ENDPOINT: dict[str, Any] = {
    "name": "llama", "kind": "openai", "model": "meta-llama/Llama-3.1-8B-Instruct", "url": "http://127.0.0.1:8000/v1",
    "temperature": 1.4, "top_p": 0.8, "licence": "llama3.1",
}  # fmt: skip
IN_PROCESS = {"name": "llama", "kind": "transformers", "model": "m", "temperature": 0, "licence": "llama3.1"}


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        (ENDPOINT | {"url": None}, "llama: kind openai needs url"),
        (ENDPOINT | {"url": "127.0.0.1:8000"}, "url is no address like http://host:8000/v1"),
        (ENDPOINT | {"url": "http://me:secret@host/v1"}, "a user name, a key or a query does not belong there"),
        (ENDPOINT | {"url": "http://host/v1/chat/completions"}, "must end before /chat/completions"),
        (ENDPOINT | {"dtype": "float32"}, "dtype belongs to kind transformers, this one is openai. Its own keys are: url"),
        (IN_PROCESS | {"url": "http://host/v1", "in_flight": 2}, "url, in_flight belongs to kind openai"),
        (ENDPOINT | {"key_variable": "sk-123"}, "never write the key itself here"),
        (ENDPOINT | {"options": {"n": 2, "stream": True}}, "llama: options cannot hold n, stream: Goldpan sets that itself"),
        (ENDPOINT | {"options": {"messages": None}}, "cannot hold messages"),
        (ENDPOINT | {"options": {"model": "m"}}, "cannot hold model"),
        (ENDPOINT | {"options": {"response_format": None}}, "cannot hold response_format"),
        (ENDPOINT | {"options": {"seed": 1}}, "can only take the seed out (seed: null)"),
        (ENDPOINT | {"options": {"api_key": "sk-123"}}, "options holds api_key, which looks like a key. Never write a key here"),
        (ENDPOINT | {"options": {"a": [{"Authorization": "sk-123"}]}}, "options holds Authorization"),
        (ENDPOINT | {"options": {"access_token": "sk-123"}}, "name the variable with key_variable"),
        (IN_PROCESS | {"options": {"tokenize": False}}, "cannot hold tokenize: Goldpan sets that itself. Take it out"),
        (IN_PROCESS | {"options": {"token": "sk-123"}}, "options holds token"),
        (ENDPOINT | {"options": {"date": date(2024, 7, 26)}}, "valid JSON"),
        (ENDPOINT | {"top_p": 0}, "greater than 0"),
        (ENDPOINT | {"preset": "fine_t2"}, "preset: 'fine_t2' is not known. Allowed: fine_t2i. Did you mean 'fine_t2i'?"),
        (ENDPOINT | {"preset": ["fine_t2i"]}, "is not known. Allowed: fine_t2i"),
        (ENDPOINT | {"in_flight": 0}, "greater than or equal to 1"),
    ],
)  # fmt: skip
def test_an_impossible_entry_is_a_sentence(entry: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError) as caught:
        LanguageModel(**entry)
    assert sentence in str(caught.value)
    assert "sk-123" not in caught.value.errors()[0]["msg"]


def test_a_spec_holds_what_shapes_an_answer_and_no_place_or_key() -> None:
    entry = LanguageModel(**ENDPOINT, revision="abc", key_variable="GOLDPAN_TEST_KEY", in_flight=64)
    spec = chat_spec(entry)
    assert isinstance(spec, EndpointChat)
    assert (spec.model, spec.batch_size, spec.needs_device) == ("llama@abc", 64, False)
    elsewhere = chat_spec(entry.model_copy(update={"url": "http://other/v1", "in_flight": 1, "key_variable": None}))
    assert spec.parameters == elsewhere.parameters
    warmer = chat_spec(entry.model_copy(update={"temperature": 1.5}))
    assert spec.parameters != warmer.parameters


def test_a_preset_is_the_papers_sampling_and_rows_record_its_values(tmp_path: Path) -> None:
    entry: dict[str, Any] = {key: value for key, value in IN_PROCESS.items() if key != "temperature"}
    entry["model"] = str(tmp_path)
    with pytest.raises(ValidationError, match="temperature"):
        LanguageModel(**entry)
    named = chat_spec(LanguageModel(**entry, preset="fine_t2i"))
    assert (named.parameters["temperature"], named.parameters["top_p"]) == (1.4, 0.8)
    assert named == chat_spec(LanguageModel(**entry, temperature=1.4, top_p=0.8))
    own = chat_spec(LanguageModel(**entry, preset="fine_t2i", temperature=0.7))
    assert (own.parameters["temperature"], own.parameters["top_p"]) == (0.7, 0.8)


OPTIONS: dict[str, Any] = {
    "max_tokens": None, "max_completion_tokens": 512, "seed": None, "top_k": 20, "prompt_cache_key": "goldpan",
    "chat_template_kwargs": {"enable_thinking": False},
}  # fmt: skip


def test_options_are_what_shapes_an_answer_and_without_them_no_id_changes(tmp_path: Path) -> None:
    in_process: dict[str, Any] = IN_PROCESS | {"model": str(tmp_path)}
    for entry, options in [(ENDPOINT, OPTIONS), (in_process, {"enable_thinking": False, "tools": None})]:
        plain, spec = chat_spec(LanguageModel(**entry)), chat_spec(LanguageModel(**entry | {"options": options}))
        assert "options" not in plain.parameters
        assert spec.parameters == plain.parameters | {"options": options}
        assert pickle.loads(pickle.dumps(spec)) == spec
        assert hash(spec) != hash(plain)
