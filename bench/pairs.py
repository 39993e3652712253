"""Paired timings: two ways of doing the same work in turn, so that a machine whose speed drifts moves both."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

ROUNDS = 5


@dataclass(frozen=True)
class Pair:
    """ours, baseline: seconds of each round. The ratio is the baseline's time by ours: above 1 we are faster."""

    ours: list[float]
    baseline: list[float]

    @property
    def ratios(self) -> list[float]:
        return [theirs / own for own, theirs in zip(self.ours, self.baseline, strict=True)]

    def row(self, what: str, against: str, units: int, unit: str) -> str:
        """A row of the table that `make bench` prints: medians, and the range of the ratio."""
        own, theirs = statistics.median(self.ours), statistics.median(self.baseline)
        ratios = sorted(self.ratios)
        return (
            f"| {what} | {units / own:,.1f} {unit}/s | {against} | {units / theirs:,.1f} {unit}/s"
            f" | {statistics.median(ratios):.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f}) |"
        )


def paired(
    ours: Callable[[], object],
    baseline: Callable[[], object],
    rounds: int = ROUNDS,
    warm_up: Callable[[], object] = lambda: None,
) -> Pair:
    """Each once unmeasured, then `rounds` times in turn, the order changing from round to round; `warm_up`, unmeasured,
    before each of ours."""
    ours()
    baseline()
    times: dict[Callable[[], object], list[float]] = {ours: [], baseline: []}
    for number in range(rounds):
        for work in (ours, baseline) if number % 2 else (baseline, ours):
            if work is ours:
                warm_up()
            times[work].append(seconds(work))
    return Pair(times[ours], times[baseline])


def seconds(work: Callable[[], object]) -> float:
    gc.collect()
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
