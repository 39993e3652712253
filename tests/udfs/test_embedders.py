"""The sentence embedder: real weights, unit vectors, no influence of a text's neighbours."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pytest

from udfs.embedders import COLUMNS, DIMENSIONS, Embedder, MiniLM, WeightsError, minilm, weights_file
from udfs.harness import Stage

TEXTS = [
    "two red apples",
    "three red apples",
    "a cat left of a dog",
    "a dog left of a cat",
    "a dragon above the clouds",
]


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return minilm().load("cpu")


def test_the_revision_is_the_weights_own_hash() -> None:
    assert minilm().model == f"all_minilm_l6_v2@{hashlib.sha256(weights_file().read_bytes()).hexdigest()[:12]}"


def test_other_weights_than_the_run_names_are_refused() -> None:
    with pytest.raises(WeightsError, match="the run asks for 000000000000; install the same"):
        MiniLM("000000000000").load("cpu")


def test_vectors_have_length_one(embedder: Embedder) -> None:
    vectors = embedder.embed(TEXTS)
    assert vectors.shape == (len(TEXTS), DIMENSIONS)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_the_known_cosines_come_out(embedder: Embedder) -> None:
    """Measured with the package's own way of loading; they are why the attribute guard exists."""
    vectors = embedder.embed(TEXTS)
    assert vectors[0] @ vectors[1] == pytest.approx(0.874, abs=0.002)
    assert vectors[2] @ vectors[3] == pytest.approx(0.985, abs=0.002)
    assert vectors[0] @ vectors[4] < 0.3


def test_a_vector_does_not_depend_on_its_neighbours(embedder: Embedder) -> None:
    stage = Stage(minilm(), (("prompt_id", pa.string()),), COLUMNS)
    rows = [{"prompt_id": text, "text": text} for text in TEXTS]
    answers = {row["prompt_id"]: row for row in stage.answers(iter(rows))}
    assert {row["status"] for row in answers.values()} == {"ok"}
    alone = embedder.embed(TEXTS)
    for text, vector in zip(TEXTS, alone, strict=True):
        assert np.abs(np.array(answers[text]["embedding"]) - vector).max() < 1e-5


def test_a_vector_that_is_not_finite_is_its_texts_error(monkeypatch: pytest.MonkeyPatch) -> None:
    encode = Embedder.encode
    monkeypatch.setattr(Embedder, "encode", lambda self, batch: encode(self, batch) * np.float32("nan"))
    stage = Stage(minilm(), (("prompt_id", pa.string()),), COLUMNS)
    (row,) = stage.answers(iter([{"prompt_id": "1", "text": "two red apples"}]))
    assert (row["status"], row["error_class"], row["embedding"]) == ("error", "NotFiniteError", None)


def test_a_long_text_is_cut_at_what_the_model_knows(embedder: Embedder) -> None:
    tokens = embedder.tokens("red " * 1000)
    assert len(tokens) == 256
    assert embedder.encode([tokens]).shape == (1, DIMENSIONS)
