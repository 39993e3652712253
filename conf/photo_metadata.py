"""The metadata file of a folder of photographs: CSV or JSON lines, one row a picture, checked before anything is
read."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from conf.loading import RecipeError
from conf.paths import PREFIX, resolve

NEEDED = ("file", "source", "author", "licence", "caption")
OPTIONAL = ("source_id", "source_url", "long_caption")
_COLUMNS = f"Needed: {', '.join(NEEDED)}; optional: {', '.join(OPTIONAL)}."
_NEVER_EMPTY = ("file", "source", "licence")
PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".avif"}


def read_metadata(path: Path) -> list[dict[str, Any]]:
    """One dict a row: the columns above (None where empty), `source_id` (the file where the source gives no id) and
    `line`.

    RecipeError names the line of a missing column or value, of a file outside the folder, and both lines of a picture
    that stands there twice.
    """
    if not path.is_file():
        raise RecipeError(
            f"{path}: there is no such file. photos.metadata must name a CSV or JSON lines file"
            f" with the columns {', '.join(NEEDED)}."
        )
    seen: dict[tuple[str, str], int] = {}
    rows = []
    for line, raw in _lines(path):
        row = _checked(path, line, raw)
        key = (row["source"], row["source_id"])
        if key in seen:
            raise RecipeError(
                f"{path}: lines {seen[key]} and {line} both describe {key[1]!r} of {key[0]!r}."
                " A picture has one row; remove one, or give each its own source_id."
            )
        seen[key] = line
        rows.append(row)
    return rows


def unused_columns(path: Path) -> list[str]:
    """The columns that nothing here reads: perhaps a slip of the pen."""
    return sorted({name for _, raw in _lines(path) for name in raw} - set(NEEDED) - set(OPTIONAL))


def locations(rows: list[dict[str, Any]], folder: Path) -> list[str]:
    """The absolute path of each row's file; it need not be there."""
    return [
        str((resolve(row["file"]) if row["file"].startswith(PREFIX) else folder / row["file"]).resolve())
        for row in rows
    ]


def undescribed(rows: list[dict[str, Any]], folder: Path) -> list[str]:
    """The pictures below the folder that no row describes, as paths below it, sorted."""
    described = {row["file"] for row in rows}
    found = (
        p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.suffix.lower() in PICTURES and p.is_file()
    )
    return sorted(name for name in found if name not in described)


def _checked(path: Path, line: int, raw: dict[str, Any]) -> dict[str, Any]:
    for name in NEEDED:
        if name not in raw:
            raise RecipeError(f"{path}: line {line}: the column {name} is missing. {_COLUMNS}")
    row: dict[str, Any] = {name: str(raw.get(name) or "").strip() or None for name in (*NEEDED, *OPTIONAL)}
    for name in _NEVER_EMPTY:
        if row[name] is None:
            raise RecipeError(
                f"{path}: line {line}: {name} is empty. Every photograph needs its file, its source and its licence;"
                " fill it in, or remove the row."
            )
    inside = row["file"].removeprefix(PREFIX)
    if PurePosixPath(inside).is_absolute() or ".." in PurePosixPath(inside).parts:
        raise RecipeError(
            f"{path}: line {line}: file {row['file']!r} lies outside the folder."
            f" Give a path below photos.folder, or {PREFIX}NAME/..."
        )
    return row | {"source_id": row["source_id"] or row["file"], "line": line}


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number, row); a CSV that has no row still answers for its header through line 1."""
    try:
        if path.suffix == ".csv":
            with path.open(encoding="utf-8-sig", newline="") as file:
                yield from _csv_rows(path, file)
        else:
            with path.open(encoding="utf-8-sig") as file:
                for line, text in enumerate(file, start=1):
                    if text.strip():
                        yield line, _json_row(path, line, text)
    except UnicodeDecodeError as error:
        raise RecipeError(
            f"{path}: this file is not UTF-8 ({error.reason} at byte {error.start}). Save it as UTF-8."
        ) from None


def _csv_rows(path: Path, file: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(file, strict=True)
    missing = [name for name in NEEDED if name not in (reader.fieldnames or [])]
    if missing:
        raise RecipeError(f"{path}: the header lacks {', '.join(missing)}. {_COLUMNS}")
    try:
        for row in reader:
            if None in row or None in row.values():
                raise RecipeError(
                    f"{path}: line {reader.line_num}: the row does not have the header's"
                    f" {len(reader.fieldnames or [])} columns. Quote texts that hold commas."
                )
            yield reader.line_num, row
    except csv.Error as error:
        raise RecipeError(f"{path}: line {reader.line_num}: this is not valid CSV ({error}). Mend that line.") from None


def _json_row(path: Path, line: int, text: str) -> dict[str, Any]:
    try:
        row = json.loads(text)
    except json.JSONDecodeError as error:
        raise RecipeError(
            f"{path}: line {line}: this is not valid JSON ({error.msg}). One object a line is expected."
        ) from None
    if not isinstance(row, dict):
        raise RecipeError(f"{path}: line {line}: an object is expected, found {type(row).__name__}.")
    return row
