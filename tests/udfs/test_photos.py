"""Files given -> photographs' rows expected: every file is answered, by a picture or by its error."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pyarrow as pa
from PIL import Image

from udfs.codec import sha256
from udfs.harness import Stage
from udfs.photos import COLUMNS, PhotoReader


def answers(*locations: Path) -> list[dict[str, Any]]:
    stage = Stage(PhotoReader(quality=95), keep=(("location", pa.string()),), columns=COLUMNS)
    rows = {row["location"]: row for row in stage.answers(iter([{"location": str(path)} for path in locations]))}
    assert pa.RecordBatch.from_pylist([*rows.values()], schema=stage.schema).num_rows == len(locations)
    return [rows[str(path)] for path in locations]


def test_a_jpeg_keeps_its_pixels_and_a_png_is_encoded(tmp_path: Path) -> None:
    image = Image.effect_noise((40, 30), 50).convert("RGB")
    for name in ("a.jpg", "b.png"):
        image.save(tmp_path / name)
    jpeg, png = answers(tmp_path / "a.jpg", tmp_path / "b.png")
    for row in (jpeg, png):
        seen = Image.open(io.BytesIO(row["image"]))
        assert (row["status"], row["width"], row["height"]) == ("ok", 40, 30)
        assert (seen.format, seen.mode, seen.size, row["sha256"]) == ("JPEG", "RGB", (40, 30), sha256(row["image"]))
    assert (jpeg["converted"], png["converted"]) == (False, True)
    assert jpeg["source_sha256"] == sha256((tmp_path / "a.jpg").read_bytes())


def test_a_bad_file_is_its_own_error_and_no_one_elses(tmp_path: Path) -> None:
    Image.effect_noise((64, 64), 50).convert("RGB").save(tmp_path / "good.jpg")
    (tmp_path / "text.jpg").write_text("not a picture")
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "good.jpg").read_bytes()[:700])
    names = ("missing.jpg", "text.jpg", "empty.jpg", "cut.jpg", "good.jpg")
    rows = answers(*(tmp_path / name for name in names))
    classes = [row["error_class"] for row in rows]
    assert classes == ["FileNotFoundError", "UnidentifiedImageError", "UnidentifiedImageError", "OSError", None]
    assert [row["image"] is None for row in rows] == [True, True, True, True, False]
    assert rows[1]["error_message"].endswith("it begins with b'not a pi'")
    assert rows[2]["error_message"] == "the file is empty"
