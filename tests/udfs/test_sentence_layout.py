"""What a sentence-transformers model's own files say, and a tiny one that is saved in that layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.tiny_models import tokenizer
from udfs.embedders import SentenceEmbedder
from udfs.sentence_layout import LayoutError, read_layout

NAMES = "sentence_transformers.models."
MODULES = ["Transformer", "Pooling", "Normalize"]


def save(folder: Path, name: str, value: Any) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(value))


def layout(folder: Path, pooling: dict[str, Any], kinds: list[str] = MODULES) -> Path:
    paths = [f"{number}_{kind}" if number else "" for number, kind in enumerate(kinds)]
    save(
        folder,
        "modules.json",
        [{"idx": i, "name": str(i), "type": NAMES + k, "path": paths[i]} for i, k in enumerate(kinds)],
    )
    save(folder, "1_Pooling/config.json", pooling)
    save(folder, "sentence_bert_config.json", {"max_seq_length": 6, "do_lower_case": True})
    return folder


def tiny(folder: Path, pooling: dict[str, Any], kinds: list[str] = MODULES) -> Path:
    """A BERT of 8 numbers with random weights, as sentence-transformers saves one."""
    import torch
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    tokenizer(folder, ["a", "red", "blue", "fox"])
    config = BertConfig(
        vocab_size=16, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=16,
    )  # fmt: skip
    BertModel(config).eval().save_pretrained(folder)
    return layout(folder, pooling, kinds)


def hidden(folder: Path, tokens: list[int]) -> np.ndarray:
    import torch
    from transformers import BertModel

    with torch.inference_mode():
        return np.asarray(BertModel.from_pretrained(folder).eval()(torch.tensor([tokens])).last_hidden_state[0])


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}, lambda states: states.mean(0)),
        ({"pooling_mode_cls_token": True}, lambda states: states[0]),
        ({"pooling_mode": "max"}, lambda states: states.max(0)),
        ({"pooling_mode": "lasttoken"}, lambda states: states[-1]),
        ({"pooling_mode": "weightedmean"}, lambda states: np.average(states, 0, range(1, len(states) + 1))),
        ({"pooling_mode": ["cls", "mean"]}, lambda states: np.concatenate([states[0], states.mean(0)])),
    ],
)
def test_tokens_are_pooled_as_the_files_say(tmp_path: Path, pooling: dict[str, Any], expected: Any) -> None:
    folder = tiny(tmp_path / "model", pooling)
    embedder = SentenceEmbedder("tiny", str(folder), "r").load("cpu")
    tokens = embedder.tokens("A RED fox")
    vector = expected(hidden(folder, tokens))
    assert tokens == embedder.tokens("a red fox"), "its files ask for lower case"
    assert np.allclose(embedder.encode([tokens])[0], vector / np.linalg.norm(vector), atol=1e-5)


def test_a_text_is_cut_at_the_length_that_the_files_say(tmp_path: Path) -> None:
    embedder = SentenceEmbedder("tiny", str(tiny(tmp_path / "model", {})), "r").load("cpu")
    assert len(embedder.tokens("a red fox " * 9)) == 6


def test_a_dense_layer_follows(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    folder = tiny(tmp_path / "model", {"pooling_mode": "mean"}, ["Transformer", "Pooling", "Dense"])
    activation = "torch.nn.modules.activation.Tanh"
    save(folder, "2_Dense/config.json", {"in_features": 8, "out_features": 3, "activation_function": activation})
    weight = torch.arange(24, dtype=torch.float32).reshape(3, 8) / 24
    save_file({"linear.weight": weight, "linear.bias": torch.ones(3)}, folder / "2_Dense" / "model.safetensors")
    embedder = SentenceEmbedder("tiny", str(folder), "r").load("cpu")
    tokens = embedder.tokens("a fox")
    out = np.tanh(weight.numpy() @ hidden(folder, tokens).mean(0) + 1)
    assert np.allclose(embedder.encode([tokens])[0], out / np.linalg.norm(out), atol=1e-5)


def test_without_modules_the_mean_of_all_tokens_counts(tmp_path: Path) -> None:
    found = read_layout(tmp_path)
    assert (found.poolings, found.max_tokens, found.encoder) == (("mean",), None, "")


def test_a_default_prompt_goes_before_the_text(tmp_path: Path) -> None:
    save(
        layout(tmp_path, {}),
        "config_sentence_transformers.json",
        {"prompts": {"q": "query: "}, "default_prompt_name": "q"},
    )
    assert read_layout(tmp_path).prompt == "query: "


@pytest.mark.parametrize(
    ("pooling", "kinds", "sentence"),
    [
        ({}, ["Transformer", "Pooling", "LSTM"], "names a module LSTM; Transformer, Pooling, Dense and Normalize"),
        ({"pooling_mode": "median"}, MODULES, "pooling 'median' is not known; allowed: cls, max, mean"),
    ],
)
def test_what_is_not_known_is_refused(tmp_path: Path, pooling: dict[str, Any], kinds: list[str], sentence: str) -> None:
    with pytest.raises(LayoutError, match=sentence):
        read_layout(layout(tmp_path, pooling, kinds))
