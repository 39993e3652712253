"""Rows given -> answers expected: every row is answered once, whatever the model does."""

from __future__ import annotations

import gc
import pickle
import tempfile
import threading
import time
import weakref
from collections import Counter
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from udfs import harness
from udfs.errors import ExplainedError
from udfs.harness import Stage, loaded

KEEP = (("id", pa.int64()),)
COLUMNS = (("value", pa.float64()),)


@dataclass(frozen=True)
class Halver:
    """Answers half of `number`, in batches of at most batch_size. `trouble` of a row says what goes wrong with it."""

    batch_size: int = 4
    memory: int = 100
    name: str = "halver"

    def load(self, device: str) -> LoadedHalver:
        LOADED.append(self.name)
        return LoadedHalver(self.memory)


LOADED: list[str] = []


class OutOfMemoryError(RuntimeError):
    """Named like torch's."""


class AcceleratorError(RuntimeError):
    """Named like torch's."""


@dataclass
class LoadedHalver:
    memory: int
    batches: list[list[int]] = field(default_factory=list)

    def prepare(self, row: dict[str, Any]) -> dict[str, Any]:
        if row.get("trouble") == "prepare":
            raise ValueError("cannot be prepared")
        return row

    def group(self, row: dict[str, Any]) -> Hashable:
        if row.get("trouble") == "group":
            raise ValueError("has no group")
        return row.get("size", 0)

    def run(self, batch: list[dict[str, Any]]) -> list[float]:
        self.batches.append([row["id"] for row in batch])
        assert len({row.get("size", 0) for row in batch}) == 1, "one group a batch"
        if len(batch) > self.memory:
            raise OutOfMemoryError("out of memory")
        troubles = [row.get("trouble") for row in batch]
        if "poison" in troubles:
            raise AcceleratorError("illegal memory access")
        if "unsupported" in troubles:
            raise RuntimeError("cuDNN error: CUDNN_STATUS_NOT_SUPPORTED")
        if "explained" in troubles:
            raise ExplainedError("start the server")
        if "run" in troubles:
            raise RuntimeError("breaks the batch")
        return [float("nan") if row.get("trouble") == "nan" else row["id"] / 2 for row in batch]

    def finish(self, row: dict[str, Any], result: float) -> dict[str, Any]:
        if row.get("trouble") == "finish":
            raise ValueError("cannot be encoded")
        return {"value": result}


@pytest.fixture(autouse=True)
def fresh_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # what a lost device leaves
    harness._cache.clear()
    harness._limits.clear()
    LOADED.clear()
    monkeypatch.setattr(
        harness, "claim_device", lambda: "cpu"
    )  # importing torch takes seconds, and nothing here needs it
    yield
    harness._cache.clear()
    harness._limits.clear()


def answers(rows: list[dict[str, Any]], spec: Halver | None = None) -> dict[int, dict[str, Any]]:
    stage = Stage(spec or Halver(), KEEP, COLUMNS)
    got = list(stage.answers(iter(rows)))
    assert Counter(answer["id"] for answer in got) == Counter(row["id"] for row in rows), "each row is answered once"
    return {answer["id"]: answer for answer in got}


def model(spec: Halver) -> LoadedHalver:
    return harness._cache[f"{spec!r} on cpu"]  # type: ignore[return-value]


class Loop:
    """Only the collector frees it: it holds itself."""

    def __init__(self) -> None:
        self.own = self


@dataclass(frozen=True)
class Littering(Halver):
    def load(self, device: str) -> LoadedHalver:
        LITTER.append(weakref.ref(Loop()))
        return super().load(device)


LITTER: list[weakref.ref[Loop]] = []


def test_a_worker_collects_no_garbage_in_what_a_model_loaded_and_frees_it_for_the_next() -> None:
    spec = Littering(name="first")
    loaded(spec, "cpu")
    assert gc.get_freeze_count() > 1_000
    assert LITTER.pop()() is None, "frozen garbage would stay"
    first = weakref.ref(model(spec))
    model(spec).batches.append([model(spec)])  # type: ignore[list-item]  # only the collector frees what holds itself
    loaded(Halver(name="second"), "cpu")
    assert first() is None


def test_a_good_row_has_its_value_device_and_time() -> None:
    answer = answers([{"id": 6}])[6]
    assert (answer["value"], answer["status"], answer["error_class"], answer["device"]) == (3.0, "ok", None, "cpu")
    assert answer["seconds"] >= 0


@pytest.mark.parametrize(
    ("trouble", "error_class", "message"),
    [
        ("prepare", "ValueError", "cannot be prepared"),
        ("group", "ValueError", "has no group"),
        ("run", "RuntimeError", "breaks the batch"),
        ("unsupported", "RuntimeError", "cuDNN error: CUDNN_STATUS_NOT_SUPPORTED"),
        ("finish", "ValueError", "cannot be encoded"),
        ("nan", "NotFiniteError", "value is nan"),
    ],
)
def test_a_bad_row_is_an_error_row_and_the_others_are_answered(trouble: str, error_class: str, message: str) -> None:
    got = answers([{"id": n} for n in range(9)] + [{"id": 9, "trouble": trouble}])
    bad = got.pop(9)
    assert (bad["status"], bad["error_class"], bad["error_message"], bad["value"]) == (
        "error",
        error_class,
        message,
        None,
    )
    assert all(answer["status"] == "ok" for answer in got.values())


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.float32("nan"), "value is nan"),
        (-np.inf, "value is -inf"),
        ([0.5, float("nan")], "value holds a number that is not finite"),
        (np.array([np.inf, 0.5], dtype=np.float16), "value holds a number that is not finite"),
        ([0.5, 1.5], None),
        (np.array([0.5], dtype=np.float32), None),
        ([], None),
        ([("blur", 0.5)], None),
        (["a word"], None),
        (np.array([1, 2]), None),
        (None, None),
    ],
)
def test_no_number_that_is_not_finite_is_ok_in_a_vector_neither(value: object, message: str | None) -> None:
    class Answering(LoadedHalver):
        def finish(self, row: dict[str, Any], result: float) -> dict[str, Any]:
            return {"value": value}

    spec = Halver(name="answering")
    harness._cache[f"{spec!r} on cpu"] = Answering(4)
    answer = answers([{"id": 1}], spec)[1]
    assert answer["error_message"] == message
    assert answer["error_class"] == (message and "NotFiniteError")


def test_a_row_that_breaks_its_batch_is_found_by_halving() -> None:
    spec = Halver(batch_size=8)
    answers([{"id": n, "trouble": "run" if n == 5 else None} for n in range(8)], spec)
    assert model(spec).batches == [[*range(8)], [0, 1, 2, 3], [4, 5, 6, 7], [4, 5], [4], [5], [6, 7]]


def test_out_of_memory_halves_the_batch_and_the_size_is_remembered() -> None:
    spec = Halver(batch_size=8, memory=2)
    got = answers([{"id": n} for n in range(16)], spec)
    assert all(answer["status"] == "ok" for answer in got.values())
    sizes = [len(batch) for batch in model(spec).batches]
    assert sizes[:3] == [8, 4, 2]
    assert sizes[-4:] == [2, 2, 2, 2], "the second eight rows start at the size that worked"


def test_what_the_first_half_learns_of_memory_holds_for_the_second() -> None:
    spec = Halver(batch_size=16, memory=4)
    got = answers([{"id": n} for n in range(24)], spec)
    assert {row["status"] for row in got.values()} == {"ok"}
    assert [len(batch) for batch in model(spec).batches] == [16, 8, 4, 4, 4, 4, 4, 4]


def test_out_of_memory_with_a_single_row_is_that_rows_error() -> None:
    got = answers([{"id": 1}, {"id": 2}], Halver(memory=0))
    assert {answer["error_class"] for answer in got.values()} == {"OutOfMemoryError"}


def test_the_failed_batchs_memory_is_free_when_the_halves_run() -> None:
    class Activations:
        pass

    alive: list[weakref.ref[Activations]] = []

    class Hungry(LoadedHalver):
        def run(self, batch: list[dict[str, Any]]) -> list[float]:
            gc.collect()
            assert all(reference() is None for reference in alive), "the failed run's tensors are still held"
            activations = Activations()
            alive.append(weakref.ref(activations))
            if len(batch) > 1:
                raise OutOfMemoryError("out of memory")
            return [1.0 for _ in batch]

    spec = Halver(name="hungry")
    harness._cache[f"{spec!r} on cpu"] = Hungry(0)
    got = answers([{"id": n} for n in range(4)], spec)
    assert {answer["status"] for answer in got.values()} == {"ok"}


@pytest.mark.parametrize(
    ("error", "out_of_memory", "fatal"),
    [
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False, True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), False, True),
        (AcceleratorError("device-side assert triggered"), False, True),
        (AcceleratorError("CUDA error: out of memory"), True, False),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True, False),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True, False),
        (RuntimeError("cuDNN error: CUDNN_STATUS_NOT_SUPPORTED. This error may appear if ..."), False, False),
        (RuntimeError("CUDA error: CUBLAS_STATUS_NOT_SUPPORTED when calling `cublasLtMatmul(...)`"), False, False),
        (MemoryError(), True, False),
        (ValueError("the picture is broken"), False, False),
    ],
)
def test_a_batch_that_has_no_room_or_no_kernel_is_not_a_device_that_is_lost(
    error: Exception, out_of_memory: bool, fatal: bool
) -> None:
    assert (harness.is_out_of_memory(error), harness.is_fatal(error)) == (out_of_memory, fatal)


def test_a_poisoned_device_is_raised_so_that_the_task_runs_again_elsewhere() -> None:
    with pytest.raises(AcceleratorError):
        answers([{"id": 1, "trouble": "poison"}])


def test_what_a_person_must_mend_ends_the_stage_at_once() -> None:
    spec = Halver(name="explained")
    with pytest.raises(ExplainedError, match="start the server"):
        answers([{"id": n, "trouble": "explained"} for n in range(9)], spec)
    model: Any = loaded(spec, "cpu")
    assert model.batches == [[0, 1, 2, 3]]


def test_a_spec_that_fills_batches_has_answers_that_do_not_depend_on_where_a_run_was_cut() -> None:
    sizes = []

    class Counting(LoadedHalver):
        def run(self, batch: list[dict[str, Any]]) -> list[float]:
            sizes.append(len(batch))
            return super().run(batch)

    class Filling(Halver):
        fills_batches = True

    spec = Filling(name="filling")
    harness._cache[f"{spec!r} on cpu"] = Counting(spec.batch_size)
    got = answers([{"id": number} for number in range(spec.batch_size + 1)], spec)
    assert sizes == [spec.batch_size] * 2
    assert len(got) == spec.batch_size + 1


def test_a_model_that_answers_too_few_results_is_raised() -> None:
    class Short(LoadedHalver):
        def run(self, batch: list[dict[str, Any]]) -> list[float]:
            return []

    spec = Halver(name="short")
    harness._cache[f"{spec!r} on cpu"] = Short(1)
    with pytest.raises(RuntimeError, match=r"Short.run answered 0 results for 2 rows"):
        answers([{"id": 1}, {"id": 2}], spec)


def test_groups_never_share_a_batch_and_fill_theirs() -> None:
    spec = Halver(batch_size=3)
    answers([{"id": n, "size": n % 2} for n in range(12)], spec)
    assert sorted(len(batch) for batch in model(spec).batches) == [3, 3, 3, 3]


def test_no_row_loads_no_model() -> None:
    assert answers([]) == {}
    assert LOADED == []


def test_the_cache_holds_one_model_and_loads_it_once() -> None:
    for name in ("one", "one", "other", "one"):
        loaded(Halver(name=name), "cpu")
    assert LOADED == ["one", "other", "one"]


def test_a_stage_travels_and_answers_arrow_batches_of_its_schema() -> None:
    stage = pickle.loads(pickle.dumps(Stage(Halver(batch_size=2), KEEP, COLUMNS)))
    rows = pa.RecordBatch.from_pylist([{"id": n} for n in range(5)])
    got = list(stage([rows]))
    assert [batch.schema for batch in got] == [stage.schema] * 3
    assert sorted(row["value"] for batch in got for row in batch.to_pylist()) == [0, 0.5, 1, 1.5, 2]


def test_a_reader_that_stops_early_ends_the_decode_threads() -> None:
    stage = Stage(Halver(batch_size=1), KEEP, COLUMNS)
    stream: Any = stage.answers({"id": n} for n in range(1000))
    next(stream)
    stream.close()  # hangs, or raises, if a thread is left behind


@dataclass(frozen=True)
class Waiting(Halver):
    """Its model waits for others: `in_flight` rows at once."""

    name: str = "waiting"
    in_flight: int = 3


class LoadedWaiting(LoadedHalver):
    """Row 0 is answered when all `others` have been."""

    def __init__(self, others: int) -> None:
        super().__init__(memory=1)
        self.others, self.answered = others, threading.Semaphore(0)

    def run(self, batch: list[dict[str, Any]]) -> list[float]:
        if batch[0]["id"] == 0:
            assert all(self.answered.acquire(timeout=5) for _ in range(self.others)), "others wait for this row"
        self.answered.release()
        return super().run(batch)


def test_a_row_that_waits_long_holds_up_no_other_where_a_model_waits_for_others() -> None:
    spec, model = Waiting(), LoadedWaiting(others=19)
    harness._cache[f"{spec!r} on cpu"] = model
    read = []

    def rows() -> Iterator[dict[str, Any]]:
        for number in range(20):
            read.append(number)
            yield {"id": number}

    stream = Stage(spec, KEEP, COLUMNS).answers(rows())
    first = next(stream)
    assert (first["id"], first["value"]) in ((1, 0.5), (2, 1.0))
    assert len(read) == spec.in_flight, "no more rows are held than are in flight"
    rest = [row["id"] for row in stream]
    assert rest[-1] == 0, "all others came before"
    assert sorted([first["id"], *rest]) == [*range(20)]
    assert {len(batch) for batch in model.batches} == {1}


def test_seconds_of_rows_in_flight_add_up_to_the_stages_time() -> None:
    class Sleeping(LoadedHalver):
        def run(self, batch: list[dict[str, Any]]) -> list[float]:
            time.sleep(0.05)
            return super().run(batch)

    spec = Waiting(name="sleeping")
    harness._cache[f"{spec!r} on cpu"] = Sleeping(4)
    started = time.perf_counter()
    got = answers([{"id": n} for n in range(9)], spec)
    spent = time.perf_counter() - started
    assert 0.1 < sum(row["seconds"] for row in got.values()) <= spent < 9 * 0.05, "three at once"


@pytest.mark.parametrize("trouble", ["explained", "poison"])
def test_what_ends_the_task_ends_it_also_in_flight(trouble: str) -> None:
    spec, model = Waiting(), LoadedWaiting(others=0)
    harness._cache[f"{spec!r} on cpu"] = model
    before = threading.active_count()
    with pytest.raises(ExplainedError if trouble == "explained" else AcceleratorError):
        answers([{"id": n, "trouble": trouble if n == 1 else None} for n in range(99)], spec)
    assert len(model.batches) < 50
    assert threading.active_count() == before, "no thread is left behind"


TROUBLES = st.sampled_from([None, None, None, "prepare", "group", "run", "finish", "nan"])
ROWS = st.lists(st.tuples(TROUBLES, st.integers(0, 2)), max_size=25)


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, batch_size=st.integers(1, 7), memory=st.integers(0, 8), in_flight=st.integers(0, 4))
def test_whatever_happens_each_row_has_one_answer_and_only_good_rows_are_ok(
    rows: list[tuple[str | None, int]], batch_size: int, memory: int, in_flight: int
) -> None:
    harness._limits.clear()
    spec = Waiting(batch_size, memory, in_flight=in_flight)
    harness._cache[f"{spec!r} on cpu"] = LoadedHalver(memory)
    given_rows: list[dict[str, Any]] = [
        {"id": n, "trouble": trouble, "size": size} for n, (trouble, size) in enumerate(rows)
    ]
    got = answers(given_rows, spec)
    for row in given_rows:
        answer = got[row["id"]]
        good = row["trouble"] is None and memory > 0
        assert (answer["status"] == "ok") == good
        assert (answer["value"] is not None) == good
        assert (answer["error_message"] is None) == good
