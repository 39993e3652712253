"""How right the demo's gates are: what the policy decided, held against the oracle, which no gate and no policy may
use.

.venv/bin/python demo/measure_gates.py --config conf/demo.yaml
Reads the lakehouse without Spark. A share is printed with its 95 % interval in percent and its counts; pictures of one
prompt count as one cluster. Brought prompts without atoms are left out: the oracle cannot know what they ask for.

--sweep lists limits to choose from instead: what each gate's score would reject at limits that cost so many of the right
pictures, beside the policy's. Choose on the pictures of another seed than those that you measure.
"""

from __future__ import annotations

import argparse
import io
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import duckdb
from PIL import Image

from conf.recipe import load_recipe
from demo.oracle import wholly_right
from jobs.sql import open_lakehouse

_PICTURES = (
    "select image_id, prompt_id, atoms, image from candidates"
    " where policy = ? and kind = 'generated' and atoms is not null"
)
_DECISIONS = "select image_id, passes_floors, kept from image_decisions where policy = ?"
# A gate that was not asked about a picture (passed is null) has let nothing pass.
_GATES = (
    "select gate, image_id, passed, value, minimum, maximum from image_gates where policy = ? and passed is not null"
)
_LOST = (0.0, 0.02, 0.05, 0.1, 0.2, 0.5)  # of the right pictures, at the limits that are listed


@dataclass(frozen=True)
class Share:
    """`hits` of `total` pictures, with Wilson's 95 % interval (Wilson 1927) for `effective` independent ones."""

    hits: int
    total: int
    effective: float

    @property
    def interval(self) -> tuple[float, float]:
        """(0, 1) of no picture."""
        if self.total == 0:
            return 0.0, 1.0
        z, n, p = 1.96, self.effective, self.hits / self.total
        middle, reach = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return (middle - reach) / (1 + z * z / n), (middle + reach) / (1 + z * z / n)

    def __str__(self) -> str:
        if self.total == 0:
            return "none of none"
        low, high = self.interval
        return f"{self.hits / self.total:4.0%} [{100 * low:.0f}, {100 * high:.0f}] {self.hits:,}/{self.total:,}"


@dataclass
class Gate:
    """image_id -> value of what it rejects and of what it lets pass; limits: the policy's, (minimum or maximum, its value)."""

    rejected: dict[str, float | None] = field(default_factory=dict)
    passed: dict[str, float | None] = field(default_factory=dict)
    limits: set[tuple[str, float]] = field(default_factory=set)


@dataclass(frozen=True)
class Truth:
    """prompts: image_id -> prompt_id; right: the pictures in which the oracle finds every atom of their text."""

    prompts: dict[str, str]
    right: set[str]

    def share(self, images: Iterable[str], hits: Iterable[str]) -> Share:
        """The share of hits among pictures.

        A prompt is drawn well in all its pictures or in none, so a picture says less than an independent one would: the
        effective number is the pictures' by the design effect (Kish 1965), the variance of the share between prompts by
        that of independent pictures. Where all or none are hits it is the number of prompts.
        """
        images = set(images)
        prompts = Counter(self.prompts[image] for image in images)
        found = Counter(self.prompts[image] for image in images.intersection(hits))
        total = len(images)
        p = found.total() / total if total else 0.0
        effective = float(len(prompts))
        if 0 < p < 1 and len(prompts) > 1:
            between = sum((found[prompt] - p * n) ** 2 for prompt, n in prompts.items()) / total**2
            between *= len(prompts) / (len(prompts) - 1)
            effective = min(total, p * (1 - p) / between) if between else total
        return Share(found.total(), total, effective)


def judged(connection: duckdb.DuckDBPyConnection, policy: str) -> Truth:
    found = connection.execute(_PICTURES, [policy])
    truth = Truth({}, set())
    while rows := found.fetchmany(256):
        for image, prompt, atoms, data in rows:
            truth.prompts[image] = prompt
            if wholly_right(Image.open(io.BytesIO(data)).convert("RGB"), atoms):
                truth.right.add(image)
    return truth


def along_the_way(connection: duckdb.DuckDBPyConnection, policy: str, truth: Truth) -> dict[str, Share]:
    decisions = [row for row in connection.execute(_DECISIONS, [policy]).fetchall() if row[0] in truth.prompts]
    passed = {image for image, passes, _ in decisions if passes}
    kept = {image for image, _, is_kept in decisions if is_kept}
    return {
        "right among candidates": truth.share(truth.prompts, truth.right),
        "right among those that pass every gate": truth.share(passed, truth.right),
        "right among the kept": truth.share(kept, truth.right),
        "right ones that pass every gate (recall)": truth.share(truth.right, passed),
    }


def asked(connection: duckdb.DuckDBPyConnection, policy: str, truth: Truth) -> dict[str, Gate]:
    gates: dict[str, Gate] = {}
    for name, image, passes, value, minimum, maximum in connection.execute(_GATES, [policy]).fetchall():
        if image in truth.prompts:
            gate = gates.setdefault(name, Gate())
            (gate.passed if passes else gate.rejected)[image] = value
            sides = {"minimum": minimum, "maximum": maximum}
            gate.limits |= {(side, limit) for side, limit in sides.items() if limit is not None}
    return gates


def gate_table(gates: dict[str, Gate], truth: Truth) -> list[list[str]]:
    """A line for every gate that rejects something, each alone, on what it was asked about. A star: its rejections are not
    shown to be better than chance.
    """
    lines = [["", "wrong among rejected", "rejected among wrong", "right among passed", "passed among right"]]
    for name, gate in gates.items():
        if not gate.rejected:
            continue
        seen = gate.rejected.keys() | gate.passed.keys()
        wrong = seen - truth.right
        precision = truth.share(gate.rejected, wrong)
        shares = (
            precision,
            truth.share(wrong, gate.rejected),
            truth.share(gate.passed, truth.right),
            truth.share(seen & truth.right, gate.passed),
        )
        star = "*" if precision.interval[0] <= len(wrong) / len(seen) else ""
        lines.append([name + star, *(str(share) for share in shares)])
    return lines


def sweep_table(gates: dict[str, Gate], truth: Truth) -> list[list[str]]:
    """What each gate would reject at other limits; a picture without the score is rejected at every one."""
    lines = [["", "limit", "rejected among right", "rejected among wrong"]]
    for name, gate in gates.items():
        values = gate.rejected | gate.passed
        right = values.keys() & truth.right
        for side in sorted({side for side, _ in gate.limits}):
            sign = 1 if side == "minimum" else -1
            scored = sorted(sign * value for image, value in values.items() if image in right and value is not None)
            limits = {sign * scored[int(lost * len(scored))]: "" for lost in _LOST if scored}
            limits |= {limit: " (policy)" for own, limit in gate.limits if own == side}
            for limit in sorted(limits, key=lambda limit: sign * limit):
                hit = {image for image, value in values.items() if value is None or sign * value < sign * limit}
                shares = (truth.share(right, hit), truth.share(values.keys() - right, hit))
                lines.append([f"{name} {side}", f"{limit:.4g}{limits[limit]}", *(str(share) for share in shares)])
    return lines


def show(lines: list[list[str]]) -> None:
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="conf/demo.yaml")
    parser.add_argument("--sweep", action="store_true", help="list limits and what they would reject")
    options = parser.parse_args()
    recipe = load_recipe(options.config)
    connection, policy = open_lakehouse(recipe.lakehouse), recipe.gates.name
    truth = judged(connection, policy)
    gates = asked(connection, policy, truth)
    if options.sweep:
        show(sweep_table(gates, truth))
        return
    show([[what, str(share)] for what, share in along_the_way(connection, policy, truth).items()])
    print()
    show(gate_table(gates, truth))
    print("* not shown to be better than chance: as many may be wrong among all that the gate saw")


if __name__ == "__main__":
    main()
