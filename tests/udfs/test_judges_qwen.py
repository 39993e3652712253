"""Qwen3-VL's real classes in small -> the answers of any judge; a picture seen once -> the answers of whole prompts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from PIL import Image

from tests import tiny_judges, tiny_scorers
from tests.tiny_scorers import drawn, jpeg
from udfs import judges
from udfs.harness import Stage
from udfs.judges import COLUMNS, LEAST_MASS, Answer, Asked, LoadedJudge, Seen, TransformersJudge

SIZES = [(64, 64), (96, 80), (256, 256), (320, 480)]
QUESTIONS = [
    "is there a circle in the picture ?",
    "is every circle red ?",
    "is there a square in the picture ?",
    "is the picture red ?",
    "is there a blue circle in the picture and is every square in the picture a red square ?",
]
ABSOLUTE = {"float32": 1e-4, "bfloat16": 0.02}  # of a probability; bfloat16 has three digits


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_judges.qwen(tmp_path_factory.mktemp("qwen"))


@pytest.fixture(scope="module")
def folders(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    llava = tiny_scorers.judge(tmp_path_factory.mktemp("llava"))
    return {"qwen": folder, "llava": llava, "demo": Path("demo/models/judge")}


def spec(folder: Path, batch_size: int = 4, dtype: str = "float32") -> TransformersJudge:
    return TransformersJudge("tiny", str(folder), "1", dtype, batch_size)


def judged(judge: TransformersJudge, rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    stage = Stage(judge, (("id", pa.string()),), COLUMNS)
    return {row["id"]: row for row in stage.answers(iter(rows))}


def pictures(count: int, size: tuple[int, int] = (64, 64), least: int = 3) -> list[dict[str, Any]]:
    """Each with other questions and another number of them."""
    return [
        {
            "id": f"{size} {n}",
            "image": jpeg(drawn(x=8 * n, size=size)),
            "questions": QUESTIONS[n % 2 :][: least + n % 3],
        }
        for n in range(count)
    ]


class Accelerators(LoadedJudge):
    """Asks as on an accelerator: batches are not filled, and hold questions of several lengths."""

    def _filled(self, chunk: list[int], size: int) -> list[int]:
        return chunk

    def _chunks(self, prompts: dict[int, str], size: int) -> list[list[int]]:
        return [[*prompts][start : start + size] for start in range(0, len(prompts), size)]


def accelerator(folder: Path) -> Accelerators:
    loaded = spec(folder).load("cpu")
    return Accelerators(loaded.net, loaded.processor, loaded.yes, loaded.no, loaded.pairs_a_batch)


def answers(judge: LoadedJudge, rows: list[dict[str, Any]]) -> list[Answer]:
    return [answer for row in judge.run([judge.prepare(row) for row in rows]) for answer in row]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_every_question_of_pictures_of_several_sizes_is_answered(folder: Path, dtype: str) -> None:
    rows = [row for size in SIZES for row in pictures(3, size)]
    got = judged(spec(folder, dtype=dtype), rows)
    assert {row["status"] for row in got.values()} == {"ok"}
    assert [len(got[row["id"]]["answers"]) for row in rows] == [len(row["questions"]) for row in rows]
    every = [round(answer, 6) for row in got.values() for answer in row["answers"]]
    assert all(0 < answer < 1 for answer in every)
    assert dtype == "bfloat16" or len(set(every)) == len(every), "picture and question both count"


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_an_answer_does_not_depend_on_its_batch(folder: Path, dtype: str) -> None:
    rows = [row for size in SIZES[:3] for row in pictures(3, size)]
    together, alone = judged(spec(folder, 16, dtype), rows), judged(spec(folder, 1, dtype), rows)
    for id_, row in together.items():
        assert row["answers"] == pytest.approx(alone[id_]["answers"], abs=ABSOLUTE[dtype] / 10)


def test_an_answer_is_the_same_to_the_last_bit_wherever_a_run_was_cut(folder: Path) -> None:
    rows = pictures(10, least=1)
    whole = judged(spec(folder, 8), rows)
    for cut in (1, 4, 7):
        parts = judged(spec(folder, 8), rows[:cut]) | judged(spec(folder, 8), rows[cut:])
        assert {k: row["answers"] for k, row in parts.items()} == {k: row["answers"] for k, row in whole.items()}


def test_and_also_where_it_was_cut_between_the_questions_of_a_picture(folder: Path) -> None:
    (row,) = pictures(1, least=5)
    (whole,) = judged(spec(folder, 8), [row]).values()
    parts = [judged(spec(folder, 8), [row | {"questions": [question]}])[row["id"]] for question in QUESTIONS]
    assert [answer for part in parts for answer in part["answers"]] == whole["answers"]


def test_the_answer_is_that_of_the_models_own_generate(folder: Path) -> None:
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor

    processor, net = AutoProcessor.from_pretrained(folder), AutoModelForImageTextToText.from_pretrained(folder).eval()
    image = drawn(size=(320, 480))
    prompt = f"<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>{QUESTIONS[0]}<|im_end|>\n<|im_start|>assistant\n"
    inputs = processor(images=[image], text=[prompt], return_tensors="pt")
    assert (inputs["input_ids"] == net.config.image_token_id).sum() == 320 * 480 / 32**2
    out: Any = net.generate(
        **inputs, max_new_tokens=1, do_sample=False, return_dict_in_generate=True, output_logits=True
    )
    yes, no = (processor.tokenizer.convert_tokens_to_ids(word) for word in ("yes", "no"))
    wanted = torch.softmax(out.logits[0][0, [no, yes]], 0)[1].item()
    judge = spec(folder).load("cpu")
    seen = judge._see([image])
    ((answer, mass),) = judge._answer(seen, [(0, judge._prompt(QUESTIONS[0]))])
    assert answer == pytest.approx(wanted, abs=1e-5)
    assert mass > LEAST_MASS
    # positions go on after the picture's longer side, 480 / 32, and what stands before it; not after its 150 tokens
    assert seen.position == seen.cache.get_seq_length() - 150 + 15


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("kind", [LoadedJudge, Accelerators])
@pytest.mark.parametrize("name", ["qwen", "llava", "demo"])
def test_a_picture_seen_once_has_the_answers_of_whole_prompts(
    folders: dict[str, Path], name: str, kind: type[LoadedJudge], dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = spec(folders[name], 8, dtype).load("cpu")
    judge = kind(loaded.net, loaded.processor, loaded.yes, loaded.no, 8)
    for size in SIZES if dtype == "float32" else SIZES[1:2]:  # bfloat16 is slow on a CPU
        rows = pictures(3, size)
        once = answers(judge, rows)
        with monkeypatch.context() as patch:
            patch.setattr(judges, "SEEN_ONCE", ())
            whole = answers(judge, rows)
        for ours, theirs in zip(once, whole, strict=True):
            assert ours == pytest.approx(theirs, abs=ABSOLUTE[dtype])


def test_each_picture_is_encoded_once(folder: Path) -> None:
    judge = accelerator(folder)
    seen: list[int] = []
    judge.net.model.visual.register_forward_hook(lambda *args: seen.append(len(args[2].pooler_output)))
    assert len(answers(judge, pictures(5, (256, 256)))) == 19
    assert seen == [4 * 64, 64]  # four pictures of 64 tokens and one


def test_memory_without_room_for_all_pictures_sees_half_as_many(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class OutOfMemoryError(RuntimeError):
        """Named like torch's."""

    rows = pictures(5)
    wanted = answers(spec(folder, 4).load("cpu"), rows)
    judge = accelerator(folder)
    tried: list[int] = []
    asked: list[str] = []
    see, answer = LoadedJudge._see, LoadedJudge._answer

    def small(judge: LoadedJudge, images: list[Image.Image]) -> Seen:
        tried.append(len(images))
        if len(images) > room:
            raise OutOfMemoryError("out of memory")
        return see(judge, images)

    def counted(judge: LoadedJudge, seen: Seen, pairs: list[Asked]) -> list[Answer]:
        asked.extend(prompt for _, prompt in pairs)
        return answer(judge, seen, pairs)

    monkeypatch.setattr(LoadedJudge, "_see", small)
    monkeypatch.setattr(LoadedJudge, "_answer", counted)
    room = 2
    got = answers(judge, rows)
    assert tried == [4, 2, 2, 1]
    assert len(asked) == len(wanted), "no question is asked twice"
    for ours, theirs in zip(got, wanted, strict=True):
        assert ours == pytest.approx(theirs, abs=1e-5)
    tried.clear()
    answers(judge, rows)
    assert tried == [2, 2, 1], "the size that worked is remembered"
    tried.clear()
    answers(judge, pictures(2, (96, 80)))
    assert tried == [2], "and costs pictures of another size nothing"
    room = 0
    with pytest.raises(OutOfMemoryError):
        answers(judge, rows)


def test_a_large_picture_takes_no_more_tokens_than_the_cap(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judges, "MAX_PIXELS", 512 * 512)
    judge = accelerator(folder)
    image, prompts = judge.prepare({"image": jpeg(drawn(size=(2048, 1024))), "questions": QUESTIONS[:2]})
    # 724x362 px, which Qwen's processor rounds to 736x352 px: of 32x32 px each
    assert judge._see([image]).cache.get_seq_length() == len(judge._beginning) - 1 + 23 * 11
    assert len(judge.run([(image, prompts)])[0]) == 2


def test_a_question_that_names_a_picture_of_its_own_is_an_error_and_the_others_are_answered(folder: Path) -> None:
    good, bad = pictures(2)
    bad["questions"] = ["is there a <|image_pad|> in the picture ?"]
    got = judged(spec(folder), [good, bad])
    assert (got[good["id"]]["status"], got[bad["id"]]["status"]) == ("ok", "error")
    assert "must have one picture, before its question" in got[bad["id"]]["error_message"]


def test_how_it_was_asked_is_among_a_judges_parameters(folder: Path) -> None:
    assert spec(folder).parameters["passes"] == judges.PASSES == 2
