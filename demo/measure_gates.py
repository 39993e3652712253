"""How right the demo's gates are: what the policy decided, held against the oracle, which no gate and no policy may
use.

.venv/bin/python demo/measure_gates.py --config conf/demo.yaml
Reads the lakehouse without Spark. A share is printed with its 95 % interval; pictures of one prompt count as one cluster.
Brought prompts without atoms are left out: the oracle cannot know what they ask for.
"""

from __future__ import annotations

import argparse
import io
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

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
_GATES = "select gate, image_id, passed from image_gates where policy = ? and passed is not null"


@dataclass(frozen=True)
class Share:
    """`hits` of `total` pictures, with Wilson's 95 % interval (Wilson 1927) for `effective` independent ones."""

    hits: int
    total: int
    effective: float

    def __str__(self) -> str:
        if self.total == 0:
            return "none of none"
        z, n, p = 1.96, self.effective, self.hits / self.total
        middle, reach = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        low, high = (middle - reach) / (1 + z * z / n), (middle + reach) / (1 + z * z / n)
        return f"{p:6.1%}  [{low:.1%}, {high:.1%}]  ({self.hits:,} of {self.total:,})"


def share(pictures: dict[str, str], hits: set[str]) -> Share:
    """The share of hits among pictures (image_id -> prompt_id).

    A prompt is drawn well in all its pictures or in none, so a picture says less than an independent one would: the
    effective number is the pictures' by the design effect (Kish 1965), the variance of the share between prompts by that
    of independent pictures. Where all or none are hits it is the number of prompts.
    """
    total = len(pictures)
    prompts = Counter(pictures.values())
    found = Counter(prompt for image, prompt in pictures.items() if image in hits)
    p = found.total() / total if total else 0.0
    effective = float(len(prompts))
    if 0 < p < 1 and len(prompts) > 1:
        between = sum((found[prompt] - p * n) ** 2 for prompt, n in prompts.items()) / total**2
        between *= len(prompts) / (len(prompts) - 1)
        effective = min(total, p * (1 - p) / between) if between else total
    return Share(found.total(), total, effective)


def measures(connection: duckdb.DuckDBPyConnection, policy: str) -> list[tuple[str, Share]]:
    """What is printed, in order: shares of right pictures along the way, then every gate alone."""
    prompts, right = _judged(connection, policy)
    decisions = [row for row in connection.execute(_DECISIONS, [policy]).fetchall() if row[0] in prompts]

    def among(images: Iterable[str], hits: set[str]) -> Share:
        return share({image: prompts[image] for image in images}, hits)

    passed = {image for image, passes, _ in decisions if passes}
    kept = {image for image, _, is_kept in decisions if is_kept}
    lines = [
        ("right among candidates", among(prompts, right)),
        ("right among those that pass every gate", among(passed, right)),
        ("right among the kept", among(kept, right)),
        ("right ones that pass every gate (recall)", among(right, passed)),
    ]
    asked: dict[str, dict[str, bool]] = {}
    for gate, image, passes in connection.execute(_GATES, [policy]).fetchall():
        if image in prompts:
            asked.setdefault(gate, {})[image] = passes
    for gate, answers in asked.items():
        rejected = {image for image, passes in answers.items() if not passes}
        if rejected:
            lines.append((f"{gate}: wrong among what it rejects", among(rejected, rejected - right)))
            lines.append((f"{gate}: right ones that it lets pass", among(right & answers.keys(), right - rejected)))
    return lines


def _judged(connection: duckdb.DuckDBPyConnection, policy: str) -> tuple[dict[str, str], set[str]]:
    """image_id -> prompt_id, and the pictures in which the oracle finds every atom of their text."""
    found = connection.execute(_PICTURES, [policy])
    prompts: dict[str, str] = {}
    right: set[str] = set()
    while rows := found.fetchmany(256):
        for image, prompt, atoms, data in rows:
            prompts[image] = prompt
            if wholly_right(Image.open(io.BytesIO(data)).convert("RGB"), atoms):
                right.add(image)
    return prompts, right


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="conf/demo.yaml")
    recipe = load_recipe(parser.parse_args().config)
    lines = measures(open_lakehouse(recipe.lakehouse), recipe.gates.name)
    width = max(len(what) for what, _ in lines)
    for what, share in lines:
        print(f"{what.ljust(width)}  {share}")


if __name__ == "__main__":
    main()
