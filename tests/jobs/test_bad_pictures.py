"""What folders and models bring: one file in ten is no plain photograph, one picture in fifty makes the model raise. With
the ceiling of errors that a recipe has by default, nothing stops, and each is answered.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pyspark.sql import SparkSession

from conf.recipe import Generation, Generator, Photos
from jobs import caption_photos, generate_images, ingest_photos, score_images
from jobs.launch import Context
from jobs.published_policy import policy_rows
from schemas.delta import Lakehouse
from tests.jobs.pictures import append
from tests.recipes import small_recipe
from tests.tiny_models import diffusion_pipeline
from tests.tiny_scorers import drawn, jpeg
from udfs.generators import DiffusersGenerator


def saved(image: Image.Image, format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def too_large() -> bytes:
    """A file of some bytes whose header says 60,000 x 60,000 pixels."""
    data = bytearray(saved(drawn(), "BMP"))
    data[18:26] = (60_000).to_bytes(4, "little") * 2
    return bytes(data)


DEEP = Image.fromarray(np.linspace(0, 65_535, 64 * 64, dtype=np.uint16).reshape(64, 64))
# file -> its bytes, and the class of its error; None: it is converted
UNUSUAL: dict[str, tuple[bytes, str | None]] = {
    "cut.jpg": (jpeg(drawn())[:900], "OSError"),
    "empty.jpg": (b"", "UnidentifiedImageError"),
    "text.jpg": (b"to be replaced by the photograph\n", "UnidentifiedImageError"),
    "bomb.bmp": (too_large(), "DecompressionBombError"),
    "renamed.jpg": (saved(drawn(), "PNG"), None),
    "cmyk.jpg": (saved(drawn().convert("CMYK"), "JPEG"), None),
    "deep.png": (saved(DEEP, "PNG"), None),
    "moving.gif": (saved(drawn(), "GIF", save_all=True, append_images=[drawn(x=4), drawn(x=9)]), None),
}
PLAIN = {f"{number:02}.jpg": jpeg(drawn(x=number % 40, size=(64, 64 + number))) for number in range(72)}


def test_one_photograph_in_ten_is_unusual_and_each_is_answered(
    spark: SparkSession, lakehouse: Lakehouse, tmp_path: Path
) -> None:
    files = PLAIN | {name: data for name, (data, _) in UNUSUAL.items()}
    lines = [f"{name},a camera,nobody,CC0-1.0,a circle" for name in files]
    (folder := tmp_path / "photos").mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    (folder / "photos.csv").write_text("\n".join(["file,source,author,licence,caption", *lines]))
    recipe = small_recipe(lakehouse, photos=Photos(folder=str(folder), metadata=str(folder / "photos.csv")))
    append(spark, lakehouse, "policies", policy_rows(recipe)["policies"], "published")
    for job in (ingest_photos, caption_photos, score_images):
        job.run(Context(spark, recipe, lakehouse, "run"))

    rows = {row["source_id"]: row for row in lakehouse.read("photos").collect()}
    unusual = {name: (row["error_class"], row["converted"]) for name, row in rows.items() if name in UNUSUAL}
    assert unusual == {name: (error, None if error else True) for name, (_, error) in UNUSUAL.items()}
    assert {(rows[name]["status"], rows[name]["converted"]) for name in PLAIN} == {("ok", False)}
    assert len(rows) == len(files)

    good = {row["image_id"] for row in rows.values() if row["status"] == "ok"}
    for name in (name for name, (_, error) in UNUSUAL.items() if error is None):
        image = Image.open(io.BytesIO(rows[name]["image"]))
        assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (64, 64))
    scores = lakehouse.read("scores").collect()
    assert {row["image_id"] for row in scores} == good
    assert all(row["blur"] is not None for row in scores)


@dataclass(frozen=True)
class RaisesAtTwo(DiffusersGenerator):
    """The same generator, but two of the hundred texts make the pipeline raise."""

    def load(self, device: str) -> Any:
        model: Any = super().load(device)
        run = model.run

        def raising(batch: list[dict[str, Any]]) -> Any:
            if any(row["text"] in ("a circle 17", "a circle 62") for row in batch):
                raise ZeroDivisionError("of this text")
            return run(batch)

        model.run = raising
        return model


def test_one_picture_in_fifty_makes_the_model_raise_and_costs_itself_only(
    spark: SparkSession, lakehouse: Lakehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = generate_images.generator_spec

    def raises_at_two(generator: Generator, quality: int) -> DiffusersGenerator:
        spec = whole(generator, quality)
        return RaisesAtTwo(**{field.name: getattr(spec, field.name) for field in fields(spec)})

    monkeypatch.setattr(generate_images, "generator_spec", raises_at_two)
    tiny = small_recipe(lakehouse).generation.generators[0]
    generator = tiny.model_copy(update={"model": str(diffusion_pipeline(tmp_path / "generator")), "revision": None})
    recipe = small_recipe(lakehouse, generation=Generation(generators=(generator,), regimes={"square": ("64x64",)}))
    texts = [("test", f"p{n}", "original", f"a circle {n}", "none", "none", "none") for n in range(100)]
    names = ("policy", "prompt_id", "variant", "text", "task", "category", "style")
    spark.createDataFrame(texts, ", ".join(f"{name} string" for name in names)).createOrReplaceTempView(
        "accepted_texts"
    )
    generate_images.run(Context(spark, recipe, lakehouse, "run"))

    rows = lakehouse.read("images").collect()
    failed = {row["text"]: (row["error_class"], row["error_message"]) for row in rows if row["status"] == "error"}
    assert failed == dict.fromkeys(("a circle 17", "a circle 62"), ("ZeroDivisionError", "of this text"))
    pictures = [row["image"] for row in rows if row["status"] == "ok"]
    assert (len(rows), len(pictures)) == (100, 98)
    assert all(Image.open(io.BytesIO(picture)).size == (64, 64) for picture in pictures)
