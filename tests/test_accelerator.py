"""What only an accelerator shows: real leases, real memory that runs out, a device that is really lost, and the demo's models
with the answers that they have on the CPU. `make test-gpu`.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from conf.recipe import load_recipe
from jobs.scoring import scorer_set, scorer_specs
from jobs.specs import generator_spec, judge_spec
from tests import tiny_scorers
from tests.tiny_generators import flux_2_klein, z_image
from tests.tiny_models import chat_model
from tests.tiny_scorers import drawn, jpeg
from udfs import device, generators, harness, judges
from udfs.atoms import atom
from udfs.chat import Request
from udfs.chat_transformers import TransformersChat
from udfs.codec import decode
from udfs.device import NoDeviceError, claim_device, threads_a_worker
from udfs.generators import DiffusersGenerator
from udfs.harness import Stage, loaded
from udfs.scorers.clip import Clip
from udfs.scorers.fused import COLUMNS, ScorerSet
from udfs.scorers.spec import Source

pytestmark = pytest.mark.gpu

GIB = 2**30
ID = (("id", pa.string()),)
ONE = "cuda:0"


@pytest.fixture(autouse=True)
def own_leases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leases and crash records of this test alone, and no model of another one."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield
    harness._cache.clear()
    harness._limits.clear()
    harness.free_memory()
    claim_device.cache_clear()
    while device._held:
        device._held.pop().close()


def answers(spec: Any, columns: Any, rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    got = {row["id"]: row for row in Stage(spec, ID, columns).answers(iter(rows))}
    assert sorted(got) == sorted(row["id"] for row in rows)
    return got


# --- a worker and its device


def lease(pipe: Connection) -> None:
    device._WAIT_SECONDS = 0.0
    try:
        pipe.send(claim_device())
    except NoDeviceError as error:
        pipe.send(str(error))
    signal.pause()


def worker() -> tuple[str, Any]:
    """What a fresh process is leased, and the process."""
    processes = multiprocessing.get_context("spawn")
    ours, its = processes.Pipe()
    process = processes.Process(target=lease, args=(its,))
    process.start()
    return ours.recv(), process


def test_a_device_belongs_to_one_worker_until_that_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    got, first = worker()
    refused, second = worker()
    first.kill()
    first.join()
    after, third = worker()
    for process in (second, third):
        process.kill()
        process.join()
    assert (got, after) == (ONE, ONE)
    assert refused.startswith("all 1 accelerators are held by other workers")


def test_the_rows_say_on_which_device_they_were_made() -> None:
    import torch

    rows = [{"id": "1", "size": 0}]
    assert answers(Taker(1), (("sum", pa.float64()),), rows)["1"]["device"] == torch.cuda.get_device_name(0)
    assert threads_a_worker() == max(2, len(os.sched_getaffinity(0)) // torch.cuda.device_count())


# --- memory that runs out


@dataclass(frozen=True)
class Taker:
    """Takes a GiB of the device a row. A row of size 9 asks for a place outside its tensor, which loses the device."""

    batch_size: int

    def load(self, device: str) -> LoadedTaker:
        return LoadedTaker(device, [])


@dataclass
class LoadedTaker:
    device: str
    batches: list[int]

    def prepare(self, row: dict[str, Any]) -> int:
        return row["size"]

    def group(self, size: int) -> None:
        """All share a batch."""

    def run(self, batch: list[int]) -> list[float]:
        import torch

        self.batches.append(len(batch))
        held = torch.ones(len(batch), GIB // 4, device=self.device)
        places = torch.tensor(batch, device=self.device) * 10**6
        return [float(value) for value in held[:, :4].sum(1) + torch.zeros(4, device=self.device)[places]]

    def finish(self, row: dict[str, Any], result: float) -> dict[str, Any]:
        return {"sum": result}


@pytest.fixture
def memory() -> Iterator[Any]:
    """Gives this process so many GiB of the device."""
    import torch

    total = torch.cuda.get_device_properties(0).total_memory
    yield lambda gib: torch.cuda.set_per_process_memory_fraction(gib * GIB / total, 0)
    torch.cuda.set_per_process_memory_fraction(1.0, 0)


def test_a_batch_that_the_device_has_no_room_for_is_halved_and_leaves_nothing_behind(memory: Any) -> None:
    import torch

    memory(4.6)
    got = answers(Taker(16), (("sum", pa.float64()),), [{"id": str(n), "size": 0} for n in range(24)])
    assert {(row["status"], row["sum"]) for row in got.values()} == {("ok", 4.0)}
    assert loaded(Taker(16), ONE).batches == [16, 8, 4, 4, 4, 4, 4, 4]  # type: ignore[attr-defined]
    assert torch.cuda.memory_allocated() < GIB


def test_a_row_that_the_device_has_no_room_for_is_an_error_row(memory: Any) -> None:
    memory(0.5)
    (row,) = answers(Taker(4), (("sum", pa.float64()),), [{"id": "1", "size": 0}]).values()
    assert (row["status"], row["error_class"]) == ("error", "OutOfMemoryError")


def test_a_pipeline_goes_on_in_smaller_batches_with_the_same_pictures(memory: Any) -> None:
    import torch

    spec = demo_generator(batch_size=16)
    rows = [asked(n, 512, 512) for n in range(16)]
    whole = answers(spec, PICTURE, rows)
    one = torch.cuda.max_memory_allocated() / GIB / 16
    harness._cache.clear()
    harness.free_memory()
    memory(5 * one)
    halved = answers(spec, PICTURE, rows)
    assert {row["status"] for row in halved.values()} == {"ok"}
    (limit,) = harness._limits.values()
    assert 1 <= limit < 16
    assert max(difference(whole[key], halved[key]) for key in whole) < 2


def test_a_judge_asks_less_at_once_where_memory_runs_out(memory: Any) -> None:
    import torch

    spec = replace(judge_spec(load_recipe("conf/demo.yaml").judge), batch_size=2048)
    rows = [{"id": str(n), "image": jpeg(drawn(x=4 * n)), "questions": QUESTIONS * 40} for n in range(8)]
    whole = answers(spec, judges.COLUMNS, rows)
    peak = torch.cuda.max_memory_allocated() / GIB
    held = torch.cuda.memory_allocated() / GIB
    harness._cache.clear()
    harness.free_memory()
    memory(held + (peak - held) / 3)
    smaller = answers(spec, judges.COLUMNS, rows)
    assert {row["status"] for row in smaller.values()} == {"ok"}
    for key, row in whole.items():
        assert smaller[key]["answers"] == pytest.approx(row["answers"], abs=5e-3)


# --- a device that is lost


def lose(pipe: Connection) -> None:
    rows = [{"id": str(n), "size": 9 if n == 5 else 0} for n in range(8)]
    pipe.send(list(Stage(Taker(4), ID, (("sum", pa.float64()),)).answers(iter(rows))))


def test_a_row_that_loses_the_device_costs_itself_only() -> None:
    processes = multiprocessing.get_context("spawn")
    ends: list[Any] = []
    for _ in range(3):
        ours, its = processes.Pipe()
        process = processes.Process(target=lose, args=(its,))
        process.start()
        its.close()
        try:
            ends.append(ours.recv())
        except EOFError:
            ends.append("died")
        process.join()
    assert ends[:2] == ["died", "died"]
    assert [row["id"] for row in ends[2] if row["status"] == "error"] == ["5"]
    assert {row["error_class"] for row in ends[2]} == {None, "WorkerDiedError"}


# --- generators

PICTURE = (("image", pa.binary()), ("sha256", pa.string()))


def demo_generator(**changes: Any) -> DiffusersGenerator:
    generation = load_recipe("conf/demo.yaml").generation
    return replace(generator_spec(generation.generators[0], generation.quality), **changes)


def asked(number: int, width: int = 64, height: int = 64) -> dict[str, Any]:
    text = ("a red circle", "two blue squares on the beach", "a green star left of a yellow square")[number % 3]
    return {"id": str(number), "text": text, "seed": number, "width": width, "height": height}


def difference(one: dict[str, Any], other: dict[str, Any]) -> float:
    """Mean difference of two answers' pixels, grey levels."""
    pixels = [np.asarray(decode(row["image"]), np.float32) for row in (one, other)]
    return float(np.abs(pixels[0] - pixels[1]).mean())


def test_the_demos_pictures_are_those_of_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [asked(n) for n in range(8)]
    here = answers(demo_generator(), PICTURE, rows)
    monkeypatch.setattr(harness, "claim_device", lambda: "cpu")
    there = answers(demo_generator(), PICTURE, rows)
    assert {row["status"] for row in here.values()} == {"ok"}
    assert max(difference(here[key], there[key]) for key in here) < 3
    assert difference(here["0"], here["3"]) > 5, "another seed is another picture"


def test_a_picture_does_not_depend_on_its_batch() -> None:
    rows = [asked(n) for n in range(12)]
    together, alone = answers(demo_generator(), PICTURE, rows), answers(demo_generator(batch_size=1), PICTURE, rows)
    assert max(difference(together[key], alone[key]) for key in together) < 2


@pytest.mark.parametrize("name", ["z_image_turbo", "flux_2_klein_4b"])
def test_the_papers_recipes_pipelines_render_in_bfloat16(name: str, tmp_path: Path) -> None:
    generation = load_recipe("conf/fine_t2i.yaml").generation
    (entry,) = [generator for generator in generation.generators if generator.name == name]
    folder = {"z_image_turbo": z_image, "flux_2_klein_4b": flux_2_klein}[name](tmp_path / "model")
    spec = generator_spec(entry.model_copy(update={"model": str(folder), "revision": None}), generation.quality)
    got = answers(spec, PICTURE, [asked(n, *((64, 64), (96, 64))[n % 2]) for n in range(6)])
    assert {(row["status"], row["error_message"]) for row in got.values()} == {("ok", None)}


def test_an_overflow_of_half_precision_is_an_error_row() -> None:
    spec = demo_generator(dtype="float16")
    claim_device()
    pipe = loaded(spec, ONE).pipe  # type: ignore[attr-defined]
    pipe.vae.decoder.conv_in.weight.data.fill_(6e4)  # infinities, whose difference a norm takes
    (row,) = answers(spec, PICTURE, [asked(0)]).values()
    assert (row["status"], row["error_class"]) == ("error", generators.BlankImageError.__name__)


# --- scorers, judges, language models

QUESTIONS = ["is there a star in the picture?", "is every star red?", "is the number of star objects exactly two?"]


def scored_rows() -> list[dict[str, Any]]:
    atoms = [atom("object", "circle", "circle"), atom("color", "circle", "red")]
    return [
        {"id": str(n), "image": jpeg(drawn("red" if n % 2 else "blue", 4 * n)), "text": "a red circle", "atoms": atoms}
        for n in range(10)
    ]


def test_the_demos_scores_are_those_of_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = load_recipe("conf/demo.yaml")
    own = tuple(scorer for scorer in recipe.scorers if scorer.name != "text_accuracy_rapidocr")  # always the CPU's
    recipe = recipe.model_copy(update={"scorers": own})
    specs = scorer_specs(recipe)
    scorers = scorer_set(recipe, specs, tuple(specs))
    here = answers(scorers, COLUMNS, scored_rows())
    monkeypatch.setattr(harness, "claim_device", lambda: "cpu")
    there = answers(scorers, COLUMNS, scored_rows())
    for key, row in here.items():
        assert dict(row["values"]) == pytest.approx(dict(there[key]["values"]), abs=1e-2)
        assert dict(row["reasons"]) == dict(there[key]["reasons"])


@pytest.mark.parametrize("precision", ["fp16", "bf16", "pure_fp16", "pure_bf16"])
def test_clip_in_half_precision_says_nearly_the_same(
    precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "clip").mkdir()
    source = Source("tiny", str(tiny_scorers.clip(tmp_path / "clip")), "1")
    full, half = (
        ScorerSet((Clip("clip", source, options=f'{{"precision": "{chosen}"}}'),), 4) for chosen in ("fp32", precision)
    )
    values = [
        [dict(row["values"])["clip_similarity"] for row in answers(s, COLUMNS, scored_rows()).values()]
        for s in (full, half)
    ]
    assert values[1] == pytest.approx(values[0], abs=3e-2)


def test_the_demos_judge_answers_as_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = judge_spec(load_recipe("conf/demo.yaml").judge)
    rows = [{"id": str(n), "image": jpeg(drawn(x=4 * n)), "questions": QUESTIONS[: 1 + n % 3]} for n in range(10)]
    here = answers(spec, judges.COLUMNS, rows)
    monkeypatch.setattr(harness, "claim_device", lambda: "cpu")
    there = answers(spec, judges.COLUMNS, rows)
    for key, row in here.items():
        assert row["answers"] == pytest.approx(there[key]["answers"], abs=2e-2)


def test_a_language_model_says_what_it_says_on_the_cpu(tmp_path: Path) -> None:
    folder = chat_model(tmp_path / "chat")
    words = ["a red circle", "a blue square in a red circle", "a circle"]
    requests = [Request(({"role": "user", "content": words[n % 3]},), None, n) for n in range(9)]
    spec = TransformersChat("tiny", "tiny", str(folder), "1", "float32", 0, 1.0, max_tokens=12, batch_size=4)
    said = [[str(answer) for answer in spec.load(where).complete(requests)] for where in ("cpu", ONE)]
    assert said[0] == said[1]
    drawn_twice = replace(spec, temperature=1.4, top_p=0.8)
    first, second = (
        [str(answer) for answer in replace(drawn_twice, batch_size=size).load(ONE).complete(requests)]
        for size in (4, 1)
    )
    assert sum(one == other for one, other in zip(first, second, strict=True)) >= 8, "a draw is its request's own"
