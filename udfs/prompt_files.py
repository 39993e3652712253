"""Prompts that people bring: a CSV or Parquet file read into rows of prompts, every mistake named with its row."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from udfs.atoms import KINDS, Atom, atom, question
from udfs.encoding import mended
from udfs.errors import ExplainedError
from udfs.fact_words import number_at, tokens
from udfs.ids import normalised, prompt_id
from udfs.written_prompts import PROMPT

if TYPE_CHECKING:
    from conf.taxonomy import Taxonomy

COLUMNS = ("text", "task", "category", "style", "atoms")
_AXES = ("task", "category", "style")
_ROWS_A_BATCH = 8192  # of Python objects at once


class PromptFileError(ExplainedError):
    """A file of prompts that cannot be used; the message names the file, the row, what is allowed and what to do."""


@dataclass(frozen=True)
class BroughtPrompts:
    """Reads one file against a taxonomy.

    path: what is opened; name: what messages and rows call it; source: where it comes from.
    """

    path: Path
    name: str
    source: str
    taxonomy: Taxonomy

    def parts(self) -> int:
        """How many parts of the file can be read apart: the row groups of a Parquet file; a CSV is one."""
        if self._kind() == ".csv":
            return 1
        with self._opened() as file:
            return max(1, file.num_row_groups)

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """For mapInArrow: numbers of parts (id) -> rows of prompts."""
        for batch in batches:
            for part in batch["id"].to_pylist():
                yield from self.batches(part)

    def batches(self, part: int = 0) -> Iterator[pa.RecordBatch]:
        """One row of prompts for each row of the part; its text mended (ftfy), NFC, runs of white space made one."""
        rows = self._rows(part)
        while some := list(islice(rows, _ROWS_A_BATCH)):
            yield pa.RecordBatch.from_pylist(some, schema=PROMPT)

    def _rows(self, part: int) -> Iterator[dict[str, Any]]:
        for number, row in self._csv() if self._kind() == ".csv" else self._parquet(part):
            text = _kept(row.get("text") or "")
            if not text:
                raise self._wrong(number, "the text is empty. Give a text, or remove the row.")
            labels = {axis: self._label(number, axis, row.get(axis)) for axis in _AXES}
            yield {
                "prompt_id": prompt_id(text, **labels),
                "text": text,
                **labels,
                "template": None,
                "atoms": self._atoms(number, row.get("atoms")),
                "source": self.source,
                "writer": self.name,
            }

    def _kind(self) -> str:
        if not self.path.is_file():
            raise PromptFileError(f"{self.name}: there is no such file. Correct prompts.files in the recipe.")
        kind = self.path.suffix.lower()
        if kind not in (".csv", ".parquet"):
            raise PromptFileError(
                f"{self.name}: a prompt file ends in .csv or .parquet. Convert it, or give it its right name."
            )
        return kind

    def _csv(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """(row number as an editor shows it, row)."""
        try:
            with self.path.open(encoding="utf-8-sig", newline="") as file:
                reader = csv.DictReader(file, strict=True)
                self._check_columns(reader.fieldnames or ())
                for row in reader:
                    if None in row or None in row.values():
                        raise self._wrong(
                            reader.line_num,
                            "it has more or fewer fields than the header. Quote texts that hold a comma.",
                        )
                    yield reader.line_num, row
        except UnicodeDecodeError as error:
            raise PromptFileError(
                f"{self.name}: this is not UTF-8 (byte {error.start}). Save the file as UTF-8."
            ) from None
        except csv.Error as error:
            raise PromptFileError(
                f"{self.name}: this is no valid CSV ({error}). Check the quotes in that line."
            ) from None

    def _parquet(self, part: int) -> Iterator[tuple[int, dict[str, Any]]]:
        """(row number in the whole file, row) of a row group."""
        with self._opened() as file:
            if file.num_row_groups == 0:
                return
            number = sum(file.metadata.row_group(before).num_rows for before in range(part))
            for batch in file.iter_batches(_ROWS_A_BATCH, row_groups=[part]):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row

    def _opened(self) -> pq.ParquetFile:
        try:
            file = pq.ParquetFile(self.path)
        except pa.ArrowInvalid as error:
            raise PromptFileError(
                f"{self.name}: this is no Parquet file ({error}). Write it again, or bring a CSV."
            ) from None
        try:
            self._check_columns(file.schema_arrow.names)
        except PromptFileError:
            file.close()
            raise
        return file

    def _check_columns(self, found: Iterable[str]) -> None:
        names = list(found)
        unknown = [name for name in names if name not in COLUMNS]
        if "text" not in names or unknown:
            what = f"unknown column {', '.join(map(repr, unknown))}" if unknown else "the column text is missing"
            raise PromptFileError(
                f"{self.name}: {what}. Allowed: {', '.join(COLUMNS)}; text is required. Rename or remove it."
            )

    def _label(self, number: int, axis: Any, value: object) -> str:
        label = str(value or "none").strip()
        allowed = [*self.taxonomy.slugs(axis), "none"]
        if label not in allowed:
            raise self._wrong(
                number,
                f"{axis} {label!r} is not known. Allowed: {', '.join(dict.fromkeys(allowed))}."
                f" Use a slug of taxonomy {self.taxonomy.name}.",
            )
        return label

    def _atoms(self, number: int, value: object) -> list[Atom] | None:
        """Atoms come as JSON (CSV) or as a list of structs (Parquet); empty means that nobody recorded them. Of atoms
        that ask the same question the first stays: the judge asks it once, and the views count an answer an atom.
        """
        if value is None or value == "" or value == []:
            return None
        try:
            facts = json.loads(value) if isinstance(value, str) else value
            if not isinstance(facts, list):
                raise TypeError("it is no list")
            atoms = [_atom(fact) for fact in facts]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            example = '[{"kind": "color", "subject": "circle", "value": "red"}]'
            raise self._wrong(
                number, f"the atoms cannot be read ({error}). Write them like {example}; kinds: {', '.join(KINDS)}."
            ) from None
        firsts: dict[str, Atom] = {}
        for fact in atoms:
            firsts.setdefault(question(fact), fact)
        return [*firsts.values()]

    def _wrong(self, number: int, what: str) -> PromptFileError:
        return PromptFileError(f"{self.name}, row {number}: {what}")


def _kept(value: object) -> str:
    """As prompts keep it. Atoms too: they are looked for in the text letter for letter."""
    return normalised(mended(str(value)))


def _atom(fact: dict[str, Any]) -> Atom:
    kind, value, other = fact["kind"], _kept(fact["value"]), fact.get("other")
    value = _in_digits(value) if kind == "count" else value
    return atom(kind, _kept(fact["subject"]), value, None if other is None else _kept(other))


def _in_digits(value: str) -> str:
    """'2' for 'two', since that is what is looked for in texts; what is no number, or none of them, as it is."""
    words = tokens(value.lower().removeprefix("a "))
    number, many = (number_at(words, 0) if words else None) or (0, 0)
    return str(number) if number and many == len(words) else value
