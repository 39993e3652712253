"""Cells of the plan -> the requests that a language model is sent for them: a callable for mapInArrow.

One request a prompt. Its content is drawn, not left to the model's temperature: things, counts, colors, relations, texts
and place from the taxonomy, a persona and a setting from the instruction. What the text must state is recorded as atoms.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from udfs.atoms import ARROW
from udfs.draws import Draw
from udfs.grammar import Picture, atoms_of
from udfs.ids import content_id
from udfs.sentences import first_wording, subject_phrase
from udfs.writers import draw_subject
from udfs.written_prompts import CELL

if TYPE_CHECKING:
    from conf.instruction import Instruction
    from conf.taxonomy import Taxonomy

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"prompt": {"type": "string"}},
    "required": ["prompt"],
    "additionalProperties": False,
}
_ROWS_A_BATCH = 1024
REQUEST = pa.schema(
    [
        ("prompt_id", pa.string()),
        *((name, pa.string()) for name in CELL),
        ("atoms", ARROW),
        ("request", pa.string()),
    ]
)


@dataclass(frozen=True)
class PromptRequests:
    """Rows (task, category, style, template, wanted) in; `wanted` requests each out, numbered from 0.

    writer: the language model's name@revision. With the seed, the cell and the number it is the prompt's id, whatever the
    words: a prompt that failed is asked for again in better ones.
    """

    taxonomy: Taxonomy
    instruction: Instruction
    writer: str
    seed: int

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for row in batch.to_pylist():
                cell = {name: row[name] for name in CELL}
                for start in range(0, row["wanted"], _ROWS_A_BATCH):
                    numbers = range(start, min(start + _ROWS_A_BATCH, row["wanted"]))
                    rows = [self.request(cell, number) for number in numbers]
                    yield pa.RecordBatch.from_pylist(rows, schema=REQUEST)

    def request(self, cell: dict[str, str], index: int) -> dict[str, Any]:
        """The request of a cell and number: the same always, anywhere. KeyError for a slug that the taxonomy lacks."""
        tax, told = self.taxonomy, self.instruction
        draw = Draw("/".join([str(self.seed), self.writer, *cell.values(), str(index)]))
        task = {t.slug: t for t in tax.tasks}[cell["task"]]
        category = {c.slug: c for c in tax.categories}[cell["category"]]
        style = {s.slug: s for s in tax.styles}[cell["style"]]
        template = {t.slug: t for t in tax.templates}[cell["template"]]
        subject = draw_subject(tax, task, category, draw)
        picture = Picture(subject, draw.choice(category.places), draw.choice(style.media), {})
        words = {
            "persona": draw.choice(told.personas),
            "setting": draw.choice(told.settings),
            "category": category.name or category.slug,
            "subject": subject_phrase(subject, tax.lexicon, first_wording(tax.lexicon)),
            "place": picture.place.phrase,
            "style": picture.medium.phrase,
            "form": told.forms.get(template.slug, template.name or template.slug),
        }
        messages = [
            {"role": "system", "content": told.system},
            {"role": "user", "content": told.request.format(**words)},
        ]
        return {
            "prompt_id": content_id([self.seed, self.writer, *cell.values(), index]),
            **cell,
            "atoms": atoms_of(picture),
            "request": json.dumps(messages, ensure_ascii=False),
        }
