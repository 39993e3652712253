"""The Arrow harness: runs a model over the rows of mapInArrow and answers every row, by a result or by an error row.

A stage is built from a spec. The spec travels (it is pickled), the model is loaded once per worker process and kept;
another spec evicts it. Decoding (`prepare`) and encoding (`finish`) run on a thread pool while the model works, so that
it does not wait for them. A model that itself only waits, for a server's answers, has each of its rows on a thread.
"""

from __future__ import annotations

import gc
import math
import sys
import time
from collections import deque
from collections.abc import Hashable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from queue import SimpleQueue
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from udfs.crashes import CrashRecord
from udfs.device import claim_device, device_name, threads_a_worker
from udfs.errors import ExplainedError

Row = dict[str, Any]

ANSWER = [
    ("status", pa.string()),
    ("error_class", pa.string()),
    ("error_message", pa.string()),
    ("device", pa.string()),
    ("seconds", pa.float64()),
]
_MESSAGE_LIMIT = 2000
_OUT_OF_MEMORY = ("can't allocate memory", "CUDA error: out of memory", "STATUS_ALLOC_FAILED")  # last: cuBLAS, cuDNN
_NOT_SUPPORTED = "STATUS_NOT_SUPPORTED"  # cuBLAS, cuDNN: no kernel for these shapes, refused before anything ran


class Model(Protocol):
    """A loaded model. Only `run` sees a batch; an exception of any of the four becomes the error row of the row that
    caused it."""

    def prepare(self, row: Row) -> Any:
        """Decode one row, off the model's thread."""

    def group(self, prepared: Any) -> Hashable:
        """Rows of equal groups may share a batch (pictures of one size)."""

    def run(self, batch: list[Any]) -> list[Any]:
        """One result for each prepared row, in order."""

    def finish(self, row: Row, result: Any) -> Row:
        """Encode one result into the stage's own columns, off the model's thread."""


class Spec(Protocol):
    """A frozen, picklable description of a model. batch_size: the largest batch that is tried.

    A spec may have needs_device = False (it works without a model) and fills_batches = True (on the CPU
    each batch has its full size, the last one by repeating an item). in_flight: where its model only waits, as for a
    server's answers, so many rows are at work at once, each on a thread of its own, which calls all of the model's methods.
    """

    @property
    def batch_size(self) -> int: ...

    def load(self, device: str) -> Model: ...


class NotFiniteError(ValueError):
    """The model answered NaN or an infinity, or a vector with one."""


@dataclass(frozen=True)
class Stage:
    """A callable for mapInArrow. keep: the input columns that pass through, the row's id first; columns: the stage's own,
    (name, Arrow type) in order.

    The output schema is keep + columns + status, error_class, error_message, device, seconds; own columns are null
    in an error row, but for those that the exception's attribute `known` gives.
    """

    spec: Spec
    keep: tuple[tuple[str, pa.DataType], ...]
    columns: tuple[tuple[str, pa.DataType], ...]

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([*self.keep, *self.columns, *ANSWER])

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        rows = (row for batch in batches for row in batch.to_pylist())
        out: list[Row] = []
        for answer in self.answers(rows):
            out.append(answer)
            if len(out) >= self.spec.batch_size:
                yield self._batch(out)
                out = []
        if out:
            yield self._batch(out)

    def answers(self, rows: Iterator[Row]) -> Iterator[Row]:
        """One answer a row, in no particular order. The model is not loaded if there is no row."""
        first = next(rows, None)
        if first is None:
            return
        device = (
            claim_device() if getattr(self.spec, "needs_device", True) else "cpu"
        )  # work without a model takes no accelerator
        in_flight = getattr(self.spec, "in_flight", 0)
        threads = in_flight or threads_a_worker()
        record = CrashRecord(repr(self.spec), self.spec.batch_size + threads)
        died = False
        try:
            work = _Work(self, loaded(self.spec, device), device, record)
            with ThreadPoolExecutor(threads) as pool:
                try:
                    yield from work.through(_chain(first, rows), pool, in_flight)
                finally:
                    pool.shutdown(wait=True, cancel_futures=True)
        except Exception as error:
            died = is_fatal(error)
            raise
        finally:
            record.close(died)

    def _batch(self, rows: list[Row]) -> pa.RecordBatch:
        return pa.RecordBatch.from_pylist(rows, schema=self.schema)


@dataclass
class _Work:
    """One task's way through its rows: prepare ahead, run full batches group by group, finish behind."""

    stage: Stage
    model: Model
    device: str
    record: CrashRecord
    waiting: dict[Hashable, list[tuple[Row, Any]]] = field(default_factory=dict)

    def through(self, rows: Iterator[Row], pool: ThreadPoolExecutor, in_flight: int) -> Iterator[Row]:
        suspects: list[Row] = []
        others = self._without(suspects, rows)
        yield from self._at_once(others, pool, in_flight) if in_flight else self._in_batches(others, pool)
        self.record.alone = True
        for row in suspects:
            yield self._whole(row)

    def _without(self, suspects: list[Row], rows: Iterator[Row]) -> Iterator[Row]:
        """The rows; those that were in hand when a process died are put by."""
        for row in rows:
            if self.record.is_suspect(self._key(row)):
                suspects.append(row)
            else:
                yield row

    def _in_batches(self, rows: Iterator[Row], pool: ThreadPoolExecutor) -> Iterator[Row]:
        ahead: deque[tuple[Row, Future[Any]]] = deque()
        behind: deque[Future[Row]] = deque()
        size = self.stage.spec.batch_size
        while True:
            for row in islice(rows, 2 * size - len(ahead)):
                ahead.append((row, pool.submit(self._prepared, row)))
            if not ahead:
                break
            row, prepared = ahead.popleft()
            yield from self._take(row, prepared, behind, pool)
            while len(behind) > 2 * size:
                yield behind.popleft().result()
        for group in list(self.waiting):
            self._run_group(group, behind, pool)
        while behind:
            yield behind.popleft().result()

    def _at_once(self, rows: Iterator[Row], pool: ThreadPoolExecutor, in_flight: int) -> Iterator[Row]:
        """Answers as they come: a row that takes long holds up no other. seconds: those since the answer before."""
        answered: SimpleQueue[Future[Row]] = SimpleQueue()
        running = 0
        while True:
            for row in islice(rows, in_flight - running):
                pool.submit(self._whole, row).add_done_callback(answered.put)
                running += 1
            if not running:
                break
            started = time.perf_counter()
            answer = answered.get().result()
            running -= 1
            yield answer | {"seconds": time.perf_counter() - started}

    def _whole(self, row: Row) -> Row:
        """The answer to one row, from its decoding to its encoding."""
        try:
            self.record.check(self._key(row))
            item = self._prepared(row)
            ((_, result, seconds),) = self._run([(row, item)], self.model.group(item))
        except Exception as error:
            if is_fatal(error) or isinstance(error, ExplainedError):
                raise
            return self._failed(row, error, 0.0)
        return self._finished(row, result, seconds)

    def _prepared(self, row: Row) -> Any:
        noted = self.record.take([self._key(row)])
        try:
            return self.model.prepare(row)
        finally:
            self.record.put_down(noted)

    def _key(self, row: Row) -> Any:
        """The row's id; of one that was an error before, how often too: --retry errors asks for a new try."""
        key, tried = row[self.stage.keep[0][0]], row.get("tried")
        return f"{tried} {key}" if tried else key

    def _take(
        self, row: Row, prepared: Future[Any], behind: deque[Future[Row]], pool: ThreadPoolExecutor
    ) -> Iterator[Row]:
        try:
            item = prepared.result()
            group = self.model.group(item)
        except Exception as error:
            yield self._failed(row, error, 0.0)
            return
        batch = self.waiting.setdefault(group, [])
        batch.append((row, item))
        if len(batch) >= self._size(group):
            self._run_group(group, behind, pool)

    def _run_group(self, group: Hashable, behind: deque[Future[Row]], pool: ThreadPoolExecutor) -> None:
        for row, result, seconds in self._run(self.waiting.pop(group, []), group):
            behind.append(pool.submit(self._finished, row, result, seconds))

    def _run(self, batch: list[tuple[Row, Any]], group: Hashable) -> list[tuple[Row, Any, float]]:
        """Results of a batch. Out of memory: halve, and remember the size. Any other error: halve until the row that
        raises is alone. But an ExplainedError every other row would get too: a person must mend that, the job ends."""
        if not batch:
            return []
        started = time.perf_counter()
        filled = self._filled([item for _, item in batch], group)
        noted = self.record.take(self._key(row) for row, _ in batch)
        try:
            results = self.model.run(filled)
        except Exception as error:
            if is_fatal(error) or isinstance(error, ExplainedError):
                raise  # the rows stay in the record
            # the traceback's frames hold the batch's tensors: without it they are free before the halves run
            error.__traceback__ = error.__context__ = error.__cause__ = None
            failure: Exception | None = error
        else:
            failure = None
        self.record.put_down(noted)
        seconds = time.perf_counter() - started
        if failure is None:
            if len(results) != len(filled):
                raise RuntimeError(
                    f"{type(self.model).__name__}.run answered {len(results)} results for {len(filled)} rows"
                )
            results = results[: len(batch)]
            return [(row, result, seconds / len(batch)) for (row, _), result in zip(batch, results, strict=True)]
        if len(batch) == 1:
            return [(batch[0][0], failure, seconds)]
        half = len(batch) // 2
        if is_out_of_memory(failure):
            _limits[self._limit_key(group)] = half
            free_memory()
        done: list[tuple[Row, Any, float]] = []
        while batch:  # the first part may learn that memory has room for fewer still
            size = min(half, self._size(group))
            done += self._run(batch[:size], group)
            batch = batch[size:]
        return done

    def _filled(self, items: list[Any], group: Hashable) -> list[Any]:
        """The batch. On the CPU a spec that `fills_batches` gets its last item again, up to the batch's size: there the
        last bits of a model's answer depend on how large its batch is, not on who else is in it. So a run that was cut
        off and went on has the answers of one that was not. On an accelerator the time would cost more, and the bits
        depend on more.
        """
        fills = self.device == "cpu" and getattr(self.stage.spec, "fills_batches", False)
        lacking = self._size(group) - len(items) if fills else 0
        return items + items[-1:] * lacking

    def _size(self, group: Hashable) -> int:
        """Rows a batch: the spec's, or what memory had room for."""
        return min(self.stage.spec.batch_size, _limits.get(self._limit_key(group), self.stage.spec.batch_size))

    def _finished(self, row: Row, result: Any, seconds: float) -> Row:
        if isinstance(result, Exception):
            return self._failed(row, result, seconds)
        noted = self.record.take([self._key(row)])
        try:
            own = self.model.finish(row, result)
            for name, value in own.items():
                _check_finite(name, value)
        except Exception as error:
            return self._failed(row, error, seconds)
        finally:
            self.record.put_down(noted)
        return self._kept(row) | own | self._answer("ok", None, None, seconds)

    def _failed(self, row: Row, error: Exception, seconds: float) -> Row:
        own = {name: None for name, _ in self.stage.columns} | getattr(error, "known", {})
        message = (str(error) or type(error).__name__)[:_MESSAGE_LIMIT]
        return self._kept(row) | own | self._answer("error", type(error).__name__, message, seconds)

    def _kept(self, row: Row) -> Row:
        return {name: row[name] for name, _ in self.stage.keep}

    def _answer(self, status: str, error_class: str | None, message: str | None, seconds: float) -> Row:
        return {
            "status": status,
            "error_class": error_class,
            "error_message": message,
            "device": device_name(self.device),
            "seconds": seconds,
        }

    def _limit_key(self, group: Hashable) -> tuple[str, Hashable, str]:
        return repr(self.stage.spec), group, self.device


_limits: dict[tuple[str, Hashable, str], int] = {}
_cache: dict[str, Model] = {}


def loaded(spec: Spec, device: str) -> Model:
    """The model of a spec, loaded once per process. The cache holds one: two large models do not fit one device."""
    key = f"{spec!r} on {device}"
    if key not in _cache:
        _cache.clear()
        gc.unfreeze()
        free_memory()
        _cache[key] = spec.load(device)
        # Spark's worker collects garbage after every task; it need not go through all of torch each time. What loading
        # left goes first: frozen garbage would stay.
        free_memory()
        gc.freeze()
    return _cache[key]


def is_out_of_memory(error: Exception) -> bool:
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or any(said in str(error) for said in _OUT_OF_MEMORY)
    )


def is_fatal(error: Exception) -> bool:
    """A poisoned device context: nothing works in this process any more; Spark retries the task in a fresh one.

    A device without room for a batch is none, whatever its error is called, and neither is one without a kernel for a
    picture's size.
    """
    lost = type(error).__name__ == "AcceleratorError" or any(
        said in str(error) for said in ("CUDA error", "cuDNN error")
    )
    return lost and not is_out_of_memory(error) and _NOT_SUPPORTED not in str(error)


def _check_finite(name: str, value: Any) -> None:
    """NotFiniteError for a number, list or array that is not finite."""
    match value:
        case float() | np.floating():
            if not math.isfinite(value):
                raise NotFiniteError(f"{name} is {value}")
        case np.ndarray() | [float() | np.floating(), *_]:
            if not np.isfinite(value).all():
                raise NotFiniteError(f"{name} holds a number that is not finite")


def free_memory() -> None:
    """Give the device what no tensor holds any more."""
    gc.collect()
    torch = sys.modules.get("torch")  # not imported: nothing of it to free
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def _chain(first: Row, rest: Iterator[Row]) -> Iterator[Row]:
    yield first
    yield from rest
