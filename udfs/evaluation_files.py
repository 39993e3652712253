"""Evaluation prompts from the files that benchmarks publish: which format a file has says its name.

GenEval: evaluation_metadata.jsonl, one JSON object a line with "prompt". DPG-Bench: a folder of .txt files, one prompt
a file. PartiPrompts: a .tsv with the column Prompt, where a quote is a character as any other. DrawBench: a .csv with the
column Prompts. Any other file: plain text, one prompt a line.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

_NAMES = ("prompt", "prompts", "text")  # of the column or key that holds the prompt, in any case
# Of a .tsv a quote encloses nothing: a cell that begins with one would swallow the lines up to the next.
_TABLES: dict[str, dict[str, Any]] = {".csv": {}, ".tsv": {"delimiter": "\t", "quoting": csv.QUOTE_NONE}}


class EvaluationFileError(ValueError):
    """A file of evaluation prompts that cannot be read; the message says what is wrong with it."""


def evaluation_texts(path: Path) -> list[str]:
    """The prompts of a file or folder in its order, without empty ones.

    EvaluationFileError if there are none or the format is another than its name says; OSError and UnicodeDecodeError as
    reading gives them.
    """
    if path.is_dir():
        texts: Iterable[str] = (" ".join(_read(file).split()) for file in sorted(path.glob("*.txt")))
    elif path.suffix == ".jsonl":
        texts = _json_lines(_read(path))
    elif path.suffix in _TABLES:
        texts = _table(path, _TABLES[path.suffix])
    else:
        texts = _read(path).splitlines()
    found = [text.strip() for text in texts if text.strip()]
    if not found:
        raise EvaluationFileError("it holds no prompt" + (" (no .txt file with text in it)" if path.is_dir() else ""))
    return found


def _json_lines(content: str) -> Iterator[str]:
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise EvaluationFileError(f"line {number} is no JSON: {error.msg}") from None
        if not isinstance(row, dict):
            raise EvaluationFileError(f"line {number} is no JSON object")
        yield str(row[_name(row, f"line {number}", "key")])


def _table(path: Path, dialect: dict[str, Any]) -> Iterator[str]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file, **dialect)
        column = _name(dict.fromkeys(rows.fieldnames or ()), "the header", "column")
        for row in rows:
            yield row[column] or ""


def _name(row: Mapping[str, Any], where: str, noun: str) -> str:
    """The name in the row under which the prompt stands."""
    by_lower = {str(name).strip().lower(): name for name in row}
    found = next((by_lower[name] for name in _NAMES if name in by_lower), None)
    if found is None:
        listed = ", ".join(map(str, row)) or "none"
        raise EvaluationFileError(f"{where} has no {noun} {' or '.join(_NAMES)}; it has: {listed}")
    return found


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8-sig")
