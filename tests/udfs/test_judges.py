"""Pictures and questions given -> probabilities of yes expected, with a LLaVA of random weights."""

from __future__ import annotations

import random
import weakref
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from PIL import Image

from tests import tiny_scorers
from tests.tiny_scorers import WORDS, drawn, jpeg
from udfs.atoms import atom, question
from udfs.harness import Stage, loaded
from udfs.judges import (
    COLUMNS,
    LEAST_MASS,
    MAX_PIXELS,
    Answer,
    Asked,
    LoadedJudge,
    NoAnswerTokenError,
    Seen,
    TransformersJudge,
    answer_tokens,
    capped,
)

QUESTIONS = ["is there a circle in the picture ?", "is every circle red ?", "is there a square in the picture ?"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_scorers.judge(tmp_path_factory.mktemp("judge"))


def spec(folder: Path, batch_size: int = 4) -> TransformersJudge:
    return TransformersJudge("tiny", str(folder), "1", "float32", batch_size)


def judged(judge: TransformersJudge, rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    stage = Stage(judge, (("id", pa.string()),), COLUMNS)
    return {row["id"]: row for row in stage.answers(iter(rows))}


def test_every_question_of_a_picture_is_answered_in_order(folder: Path) -> None:
    rows = [{"id": str(n), "image": jpeg(drawn(x=8 * n)), "questions": QUESTIONS[: n + 1]} for n in range(3)]
    got = judged(spec(folder), rows)
    assert [len(got[str(n)]["answers"]) for n in range(3)] == [1, 2, 3]
    assert all(0 <= answer <= 1 for row in got.values() for answer in row["answers"])
    assert len({round(answer, 6) for row in got.values() for answer in row["answers"]}) == 6


def test_an_answer_does_not_depend_on_its_batch(folder: Path) -> None:
    rows = [{"id": str(n), "image": jpeg(drawn(x=8 * n)), "questions": QUESTIONS} for n in range(3)]
    together, alone = judged(spec(folder, 16), rows), judged(spec(folder, 1), rows)
    for id_, row in together.items():
        assert row["answers"] == pytest.approx(alone[id_]["answers"], abs=1e-5)


def test_an_answer_is_the_same_to_the_last_bit_wherever_a_run_was_cut() -> None:
    judge = TransformersJudge("demo", "demo/models/judge", "1", "float32", 8)
    asked = ["is there a star in the picture?", "is every star red?", "is the number of star objects exactly two?"]
    rows = [{"id": str(n), "image": jpeg(drawn(x=4 * n)), "questions": asked[: 1 + n % 3]} for n in range(10)]
    whole = judged(judge, rows)
    for cut in (1, 4, 7):
        parts = judged(judge, rows[:cut]) | judged(judge, rows[cut:])
        assert {k: row["answers"] for k, row in parts.items()} == {k: row["answers"] for k, row in whole.items()}


class OutOfMemoryError(RuntimeError):
    """Named like torch's."""


class Activations:
    """What a pass over a batch holds on the device."""


@dataclass
class Cramped(LoadedJudge):
    """A judge of an accelerator that has room for `room` pairs. It answers a question with its number."""

    room: int = 100
    chunks: list[list[str]] = field(default_factory=list)
    alive: list[weakref.ref[Activations]] = field(default_factory=list)

    def _see(self, images: list[Image.Image]) -> Seen:
        return Seen(images)

    def _answer(self, seen: Seen, asked: list[Asked]) -> list[Answer]:
        assert all(reference() is None for reference in self.alive), "the failed chunk's tensors are still held"
        activations = Activations()
        self.alive.append(weakref.ref(activations))
        self.chunks.append([prompt for _, prompt in asked])
        if len(asked) > self.room:
            raise OutOfMemoryError("out of memory")
        return [(float(prompt), 1.0) for _, prompt in asked]


def cramped(room: int) -> Cramped:
    return Cramped(SimpleNamespace(device=SimpleNamespace(type="cuda")), None, [1], [2], 8, room=room)


def asked(count: int, side: int = 64) -> tuple[Image.Image, list[str]]:
    return Image.new("RGB", (side, side)), [str(number) for number in range(count)]


def test_one_pictures_questions_are_asked_in_parts_where_memory_has_no_room_for_all() -> None:
    judge = cramped(room=2)
    assert judge.run([asked(3), asked(7)]) == [[(float(n), 1.0) for n in range(count)] for count in (3, 7)]
    assert [len(chunk) for chunk in judge.chunks] == [8, 4, 2, 2, 2, 2, 2]
    judge.chunks.clear()
    judge.run([asked(4)])
    assert [len(chunk) for chunk in judge.chunks] == [2, 2], "the size that worked is remembered"
    judge.chunks.clear()
    judge.room = 8
    judge.run([asked(8, side=32)])
    assert [len(chunk) for chunk in judge.chunks] == [8], "and costs pictures of another size nothing"


def test_what_was_answered_before_memory_ran_out_is_not_asked_again() -> None:
    judge = cramped(room=8)

    def answer(seen: Seen, asked: list[Asked]) -> list[Answer]:
        judge.room = 8 if "0" in [prompt for _, prompt in asked] else 2
        return Cramped._answer(judge, seen, asked)

    judge._answer = answer  # type: ignore[method-assign]
    assert judge.run([asked(12)]) == [[(float(n), 1.0) for n in range(12)]]
    assert [chunk[0] for chunk in judge.chunks] == ["0", "8", "8", "10"]


def test_a_question_that_memory_has_no_room_for_is_the_harnesss() -> None:
    judge = cramped(room=0)
    with pytest.raises(OutOfMemoryError):
        judge.run([asked(5)])
    assert [len(chunk) for chunk in judge.chunks] == [5, 2, 1]


def test_a_picture_with_more_questions_than_memory_has_room_for_is_answered(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"id": str(n), "image": jpeg(drawn(x=8 * n)), "questions": QUESTIONS} for n in range(3)]
    wanted = judged(spec(folder, 8), rows)
    answer = LoadedJudge._answer

    def small(judge: LoadedJudge, seen: Seen, asked: list[Asked]) -> list[Answer]:
        if len(asked) > 2:
            raise OutOfMemoryError("out of memory")
        return answer(judge, seen, asked)

    monkeypatch.setattr(LoadedJudge, "_answer", small)
    got = judged(spec(folder, 8), rows)
    assert {row["status"] for row in got.values()} == {"ok"}
    for id_, row in wanted.items():
        assert got[id_]["answers"] == pytest.approx(row["answers"], abs=1e-5)
    model: Any = loaded(spec(folder, 8), "cpu")
    model.limits.clear()  # the cache's model serves other tests


def test_the_answer_is_the_softmax_of_the_yes_and_no_logits_of_the_first_token(folder: Path) -> None:
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor

    processor, net = AutoProcessor.from_pretrained(folder), AutoModelForImageTextToText.from_pretrained(folder).eval()
    image = Image.open(__import__("io").BytesIO(jpeg(drawn())))
    inputs = processor(images=image, text=f"<image> {QUESTIONS[0]}", return_tensors="pt")
    with torch.no_grad():
        logits = net(**inputs).logits[0, -1]
    yes, no = (processor.tokenizer.convert_tokens_to_ids(word) for word in ("yes", "no"))
    wanted = torch.softmax(torch.stack([logits[no], logits[yes]]), 0)[1].item()
    (answer,) = judged(spec(folder), [{"id": "1", "image": jpeg(drawn()), "questions": QUESTIONS[:1]}])["1"]["answers"]
    assert answer == pytest.approx(wanted, abs=1e-5)


def test_a_broken_picture_is_an_error_and_the_others_are_answered(folder: Path) -> None:
    good = {"id": "good", "image": jpeg(drawn()), "questions": QUESTIONS}
    got = judged(spec(folder), [good, {"id": "bad", "image": b"no picture", "questions": QUESTIONS}])
    assert (got["good"]["status"], got["bad"]["status"]) == ("ok", "error")
    assert got["bad"]["answers"] is None


def test_a_pictures_answers_that_are_not_finite_are_an_error() -> None:
    model = LoadedJudge(None, None, [1], [2], 4)
    with pytest.raises(ValueError, match="not finite"):
        model.finish({}, [(0.5, 1.0), (float("nan"), 1.0)])


def test_a_judge_that_begins_with_something_else_has_no_answer(tmp_path: Path) -> None:
    talks = tiny_scorers.judge(tmp_path, begins_with=("the",))
    row = judged(spec(talks), [{"id": "1", "image": jpeg(drawn()), "questions": QUESTIONS}])["1"]
    assert (row["status"], row["error_class"], row["answers"]) == ("error", "NoAnswerError", None)
    assert "says something else. Take a model that answers at once: an instruct model" in row["error_message"]


def test_the_demos_judge_says_nothing_but_yes_or_no() -> None:
    from demo.scenes import SIZES, scene_for

    judge = TransformersJudge("demo", "demo/models/judge", "1", "float32", 8).load("cpu")
    rng = random.Random(5)
    facts = [atom("object", "star", "star"), atom("count", "star", "2"), atom("color", "star", "red")]
    facts += [atom("place", "picture", "snow"), atom("style", "picture", "flat")]
    shown = [jpeg(scene_for(facts, *size, rng).draw()) for size in SIZES]
    for data in [*shown, jpeg(Image.effect_noise((64, 64), 90).convert("RGB"))]:
        questions = [question(fact) for fact in [*facts, atom("prompt", "picture", "two red stars")]]
        (answers,) = judge.run([judge.prepare({"image": data, "questions": questions})])
        assert min(mass for _, mass in answers) > 4 * LEAST_MASS


def test_yes_and_no_are_found_in_every_spelling_that_is_one_token(tmp_path: Path) -> None:
    from transformers import PreTrainedTokenizerFast

    from tests.tiny_models import tokenizer

    words = ["yes", "Yes", "no", "NO"]
    fast = PreTrainedTokenizerFast.from_pretrained(tokenizer(tmp_path, words))
    assert answer_tokens(fast, "yes") == sorted(fast.convert_tokens_to_ids(["yes", "Yes"]))
    assert answer_tokens(fast, "no") == sorted(fast.convert_tokens_to_ids(["no", "NO"]))


def test_a_tokenizer_without_yes_is_refused(tmp_path: Path) -> None:
    folder = tiny_scorers.judge(tmp_path, [word for word in WORDS if word != "yes"])
    with pytest.raises(NoAnswerTokenError, match="no single token for 'yes'"):
        spec(folder).load("cpu")


def test_pictures_are_capped_and_keep_their_aspect() -> None:
    wide = capped(Image.new("RGB", (4000, 1000)))
    assert wide.width * wide.height <= MAX_PIXELS
    assert wide.width / wide.height == pytest.approx(4, rel=0.01)
    small = Image.new("RGB", (64, 48))
    assert capped(small) is small
