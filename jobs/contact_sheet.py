"""Contact sheets: pictures in a grid with a few lines under each, as one PNG that a person can look at."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

Cell = tuple[bytes, list[str]]

_BOX = 168  # pixels: the square that a picture is fitted into
_GAP = 12
_LINES = 7  # of text under a picture; what is longer ends in an ellipsis
_SMALL = 128  # a picture with a shorter side is enlarged by whole pixels, so that its own pixels can be seen
_PAPER, _INK, _FRAME = (250, 250, 248), (30, 30, 30), (205, 205, 200)
_TEXT = ImageFont.load_default(12)
_TITLE = ImageFont.load_default(20)
_LINE_HEIGHT = 15
_HEAD = 44


def save_contact_sheet(path: Path, cells: Sequence[Cell], columns: int, title: str) -> None:
    """A PNG with the title above the cells in reading order. A cell: the picture's bytes in any format of Pillow's, and
    the lines under it."""
    _save(path, _sheet(cells, columns, title))


def save_side_by_side(
    path: Path, left: tuple[str, Sequence[Cell]], right: tuple[str, Sequence[Cell]], columns: int
) -> None:
    """Two sheets of (title, cells), `columns` wide each, beside each other in one PNG."""
    sheets = [_sheet(cells, columns, title) for title, cells in (left, right)]
    whole = Image.new("RGB", (sum(s.width for s in sheets) + 2 * _GAP, max(s.height for s in sheets)), _PAPER)
    whole.paste(sheets[0], (0, 0))
    whole.paste(sheets[1], (sheets[0].width + 2 * _GAP, 0))
    middle = sheets[0].width + _GAP
    ImageDraw.Draw(whole).line([(middle, _GAP), (middle, whole.height - _GAP)], fill=_FRAME, width=2)
    _save(path, whole)


def _sheet(cells: Sequence[Cell], columns: int, title: str) -> Image.Image:
    cell_height = _BOX + _LINES * _LINE_HEIGHT + _GAP
    rows = -(-len(cells) // columns)
    sheet = Image.new("RGB", (_GAP + columns * (_BOX + _GAP), _HEAD + max(1, rows) * cell_height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((_GAP, _GAP), title, font=_TITLE, fill=_INK)
    for number, (data, lines) in enumerate(cells):
        left = _GAP + number % columns * (_BOX + _GAP)
        top = _HEAD + number // columns * cell_height
        picture = _fitted(data)
        sheet.paste(picture, (left + (_BOX - picture.width) // 2, top + (_BOX - picture.height) // 2))
        draw.rectangle([left - 1, top - 1, left + _BOX, top + _BOX], outline=_FRAME)
        for at, line in enumerate(wrapped(lines)):
            draw.text((left, top + _BOX + 3 + at * _LINE_HEIGHT), line, font=_TEXT, fill=_INK)
    return sheet


def _fitted(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data)).convert("RGB")
    if max(image.size) < _SMALL:
        factor = _BOX // max(image.size)
        return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
    image.thumbnail((_BOX, _BOX), Image.Resampling.LANCZOS)
    return image


def wrapped(lines: Sequence[str]) -> list[str]:
    """The lines broken at words to the width of a picture; at most seven, the last one cut with an ellipsis."""
    out: list[str] = []
    for line in lines:
        out += _broken(line)
    if len(out) <= _LINES:
        return out
    last = out[_LINES - 1]
    while _TEXT.getlength(last + "…") > _BOX:
        last = last[:-1]
    return [*out[: _LINES - 1], last + "…"]


def _broken(line: str) -> list[str]:
    out = [""]
    for word in line.split():
        longer = f"{out[-1]} {word}".strip()
        if _TEXT.getlength(longer) <= _BOX:
            out[-1] = longer
        else:
            out += _pieces(word)
    return [piece for piece in out if piece]


def _pieces(word: str) -> list[str]:
    """A word that is wider than a picture (an id, a path) in pieces that are not."""
    pieces = [""]
    for letter in word:
        if _TEXT.getlength(pieces[-1] + letter) > _BOX:
            pieces.append("")
        pieces[-1] += letter
    return pieces


def _save(path: Path, sheet: Image.Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path, "PNG", optimize=True)
