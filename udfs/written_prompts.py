"""Cells of the plan -> the prompts that the grammar writes for them: a callable for mapInArrow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from udfs.atoms import ARROW
from udfs.writers import GrammarWriter

PROMPT = pa.schema(
    [
        *((name, pa.string()) for name in ("prompt_id", "text", "task", "category", "style", "template")),
        ("atoms", ARROW),
        *((name, pa.string()) for name in ("source", "writer")),
    ]
)
CELL = ("task", "category", "style", "template")
_ROWS_A_BATCH = 1024
_PATIENCE = 10  # draws without anything new, a prompt found: leaves a share of about e^-10 of a finite grammar undrawn


@dataclass(frozen=True)
class WrittenPrompts:
    """Rows (task, category, style, template, wanted) in; `wanted` different prompts each out, fewer where the grammar ends."""

    writer: GrammarWriter

    @property
    def model(self) -> str:
        return f"{self.writer.name}@{self.writer.revision}"

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        out: list[dict[str, Any]] = []
        for batch in batches:
            for row in batch.to_pylist():
                for prompt in self.prompts(row["task"], row["category"], row["style"], row["template"], row["wanted"]):
                    out.append(prompt | {"source": self.writer.name, "writer": self.model})
                    if len(out) == _ROWS_A_BATCH:
                        yield pa.RecordBatch.from_pylist(out, schema=PROMPT)
                        out = []
        yield pa.RecordBatch.from_pylist(out, schema=PROMPT)

    def prompts(self, task: str, category: str, style: str, template: str, wanted: int) -> Iterator[dict[str, Any]]:
        """The first `wanted` prompts of a cell with different ids, by index; the first n of more are the same n."""
        seen: set[str] = set()
        index = misses = 0
        while len(seen) < wanted and misses <= _PATIENCE * (len(seen) + 10):
            prompt = self.writer.write(task, category, style, template, index)
            index += 1
            misses += 1
            if prompt["prompt_id"] not in seen:
                misses = 0
                seen.add(prompt["prompt_id"])
                yield prompt
