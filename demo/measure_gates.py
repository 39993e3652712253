"""How right the demo's gates are: what the policy decided, held against the oracle, which no gate and no policy may
use.

python demo/measure_gates.py --config conf/demo.yaml
Reads the lakehouse without Spark. A share is printed with its 95 % interval (Wilson). Brought prompts without atoms are
left out: the oracle
cannot know what they ask for.
"""

from __future__ import annotations

import argparse
import io
import math
from dataclasses import dataclass

import duckdb
from PIL import Image

from conf.recipe import load_recipe
from demo.oracle import wholly_right
from jobs.sql import open_lakehouse

_PICTURES = (
    "select image_id, atoms, image from candidates where policy = ? and kind = 'generated' and atoms is not null"
)
_DECISIONS = "select image_id, passes_floors, kept from image_decisions where policy = ?"
_FAILED = "select image_id, gate from image_gates where policy = ? and not passed"


@dataclass(frozen=True)
class Share:
    """`hits` of `total`, with Wilson's 95 % interval (Wilson 1927)."""

    hits: int
    total: int

    def __str__(self) -> str:
        if self.total == 0:
            return "none of none"
        z, n, p = 1.96, self.total, self.hits / self.total
        middle, reach = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        low, high = (middle - reach) / (1 + z * z / n), (middle + reach) / (1 + z * z / n)
        return f"{p:6.1%}  [{low:.1%}, {high:.1%}]  ({self.hits:,} of {self.total:,})"


def right_pictures(connection: duckdb.DuckDBPyConnection, policy: str) -> dict[str, bool]:
    """image_id -> whether the oracle finds every atom of its text in the picture."""
    found = connection.execute(_PICTURES, [policy])
    right: dict[str, bool] = {}
    while rows := found.fetchmany(256):
        right |= {row[0]: wholly_right(Image.open(io.BytesIO(row[2])).convert("RGB"), row[1]) for row in rows}
    return right


def measures(connection: duckdb.DuckDBPyConnection, policy: str) -> list[tuple[str, Share]]:
    """What is printed, in order: shares of right pictures along the way, then every gate alone."""
    right = right_pictures(connection, policy)
    decisions = [row for row in connection.execute(_DECISIONS, [policy]).fetchall() if row[0] in right]
    passed = {image for image, passes, _ in decisions if passes}
    kept = {image for image, _, is_kept in decisions if is_kept}
    all_right = {image for image, is_right in right.items() if is_right}
    lines = [
        ("right among candidates", Share(len(all_right), len(right))),
        ("right among those that pass every gate", Share(len(passed & all_right), len(passed))),
        ("right among the kept", Share(len(kept & all_right), len(kept))),
        ("right ones that pass every gate (recall)", Share(len(passed & all_right), len(all_right))),
    ]
    failed: dict[str, set[str]] = {}
    for image, gate in connection.execute(_FAILED, [policy]).fetchall():
        if image in right:
            failed.setdefault(gate, set()).add(image)
    for gate, images in failed.items():
        lines.append((f"{gate}: wrong among what it rejects", Share(len(images - all_right), len(images))))
        lines.append((f"{gate}: right ones that it lets pass", Share(len(all_right - images), len(all_right))))
    return lines


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
