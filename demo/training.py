"""What every training shares: the command line, the loop with checkpoints and resume, the moving average, the curve."""

from __future__ import annotations

import argparse
import copy
import csv
import logging
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

DEMO = Path(__file__).parent
MODELS = DEMO / "models"
CHECKPOINTS = DEMO / "checkpoints"
log = logging.getLogger("demo")


def arguments(what: str, minutes: float) -> argparse.Namespace:
    """--seed, --minutes (of this process's CPU, of the clock on a GPU; resumed time counts), --device; seeds torch."""
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=minutes)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)  # threads beyond the free cores slow everything down
    return args


class Trainer:
    """AdamW, warm-up and cosine over the given minutes, a moving average; goes on from the last checkpoint."""

    def __init__(self, name: str, model: nn.Module, args: argparse.Namespace, rate: float, ema: float = 0.999) -> None:
        self.model, self.device = model.to(args.device), args.device
        self.average = copy.deepcopy(self.model).eval().requires_grad_(False)
        self._name, self._seconds, self._rate, self._ema = name, args.minutes * 60, rate, ema
        self._optimizer = torch.optim.AdamW(self.model.parameters(), rate, betas=(0.9, 0.99), weight_decay=0.01)
        self._spent, self._step = 0.0, 0
        self._running: float | None = None  # smoothed loss
        CHECKPOINTS.mkdir(exist_ok=True)
        self._file = CHECKPOINTS / f"{name}.pt"
        # On a busy machine the CPU's own time keeps the schedule honest.
        self._now = time.process_time if args.device == "cpu" else time.monotonic
        if self._file.exists():
            self._resume()

    @property
    def done(self) -> float:
        """The share of the training that is over, 0..1."""
        return min(1.0, self._spent / self._seconds)

    def fit(
        self,
        loss: Callable[[], tuple[Tensor, int]],
        export: Callable[[], None],
        measure: Callable[[], dict[str, float]],
        save_every: float = 180,
        measure_every: float = 600,
    ) -> None:
        """loss() -> (loss, samples in it). Saves and exports every save_every seconds; measures every measure_every."""
        started, samples = self._now(), 0
        saved = measured = said = started
        before = self._spent
        while self._spent < self._seconds:
            self._set_rate()
            value, count = loss()
            self._update(value)
            samples += count
            now = self._now()
            self._spent = before + now - started
            if now - said > 30:
                left = (self._seconds - self._spent) / 60
                log.info("%s step %d loss %.4f, %.0f samples/s, %.1f min left", self._name, self._step,
                         self._running, samples / (now - said), left)  # fmt: skip
                said, samples = now, 0
            if now - saved > save_every:
                self._save()
                export()
                saved = self._now()
            if now - measured > measure_every:
                self._note(measure())
                measured = self._now()
        self._save()
        export()
        self._note(measure())

    def _update(self, value: Tensor) -> None:
        value.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self._optimizer.step()
        self._optimizer.zero_grad()
        self._step += 1
        decay = min(self._ema, (1 + self._step) / (10 + self._step))
        with torch.no_grad():
            for mean, now in zip(self.average.parameters(), self.model.parameters(), strict=True):
                mean.lerp_(now, 1 - decay)
            for kept, buffer in zip(self.average.buffers(), self.model.buffers(), strict=True):
                kept.copy_(buffer)
        last = float(value.detach())
        self._running = last if self._running is None else 0.98 * self._running + 0.02 * last

    def _set_rate(self) -> None:
        rate = self._rate * min(1.0, (self._step + 1) / 100) * (0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * self.done)))
        for group in self._optimizer.param_groups:
            group["lr"] = rate

    def _save(self) -> None:
        state = {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "spent": self._spent,
            "step": self._step,
        }
        part = self._file.with_suffix(".part")
        torch.save(state, part)
        part.replace(self._file)

    def _resume(self) -> None:
        state = torch.load(self._file, map_location=self.device, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._spent, self._step = state["spent"], state["step"]
        log.info("%s goes on at step %d after %.1f minutes", self._name, self._step, self._spent / 60)

    def _note(self, figures: dict[str, float]) -> None:
        """One more line of the curve in checkpoints/<name>.csv."""
        row = {"minutes": round(self._spent / 60, 1), "step": self._step} | {k: round(v, 4) for k, v in figures.items()}
        log.info("%s %s", self._name, row)
        file = CHECKPOINTS / f"{self._name}.csv"
        fresh = not file.exists()
        with file.open("a", newline="") as out:
            writer = csv.DictWriter(out, list(row))
            if fresh:
                writer.writeheader()
            writer.writerow(row)


def half(model: Any) -> Any:
    """A copy on the CPU in float16, as it is shipped."""
    return copy.deepcopy(model).cpu().half()
