"""Pictures and a set of scorers given -> rows expected: one pass, a failing scorer costs only its own scores."""

from __future__ import annotations

import io
import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import imagehash
import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from tests import tiny_scorers
from tests.tiny_scorers import drawn, jpeg
from udfs.harness import Stage
from udfs.scorers import SCORERS
from udfs.scorers.clip import LoadedClip
from udfs.scorers.fused import COLUMNS, ScorerSet
from udfs.scorers.picture import Picture, mean_color, open_picture
from udfs.scorers.spec import Answers, Parts, ScorerSpec, Source


@dataclass(frozen=True)
class Fragile(ScorerSpec):
    """Gives the mean of red; the text of a picture says what goes wrong with it."""

    licence = "none"

    @property
    def revision(self) -> str:
        return "1"

    def load(self, device: str, parts: Parts) -> LoadedFragile:
        return LoadedFragile(self.name)


@dataclass
class LoadedFragile:
    name: str
    batches: list[int] = field(default_factory=list)

    def prepare(self, picture: Picture) -> None:
        if picture.text == "prepare":
            raise ValueError("cannot be prepared")
        if picture.text == "memory":
            raise MemoryError

    def score(self, pictures: list[Picture]) -> list[Answers]:
        self.batches.append(len(pictures))
        texts = [picture.text for picture in pictures]
        if "score" in texts:
            raise RuntimeError("breaks the batch")
        if "forgets" in texts:
            return [{} for _ in pictures]
        reds = [float(np.asarray(picture.full)[:, :, 0].mean()) for picture in pictures]
        return [{self.name: float("nan") if text == "nan" else red} for text, red in zip(texts, reds, strict=True)]


def rows_of(scorers: ScorerSet, rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    stage = Stage(scorers, (("id", pa.string()),), COLUMNS)
    batches = [pa.RecordBatch.from_pylist([{"text": None, "atoms": None, **row} for row in rows])]
    got = [row for batch in stage(batches) for row in batch.to_pylist(maps_as_pydicts="strict")]
    return {row["id"]: row for row in got}


def test_a_failing_scorer_costs_its_scores_on_that_picture_and_nothing_else() -> None:
    scorers = ScorerSet((Fragile("fragile"), SCORERS["technical"]("technical")), 8)
    texts = ["fine", "prepare", "score", "nan", "fine too"]
    got = rows_of(scorers, [{"id": text, "image": jpeg(drawn(x=n)), "text": text} for n, text in enumerate(texts)])
    assert {row["status"] for row in got.values()} == {"ok"}
    assert {text: row["reasons"] for text, row in got.items()} == {
        "fine": {},
        "prepare": {"fragile": "fragile: cannot be prepared"},
        "score": {"fragile": "fragile: breaks the batch"},
        "nan": {"fragile": "not finite"},
        "fine too": {},
    }
    for text, row in got.items():
        assert ("fragile" in row["values"]) == text.startswith("fine")
        assert "blur" in row["values"], "the other scorer is not touched"
        assert row["revisions"] == {"fragile": "fragile@1"} | dict.fromkeys(
            SCORERS["technical"]("technical").scores, "technical@3-full"
        )
        assert set(row["seconds_by_scorer"]) == {"fragile", "technical"}


def test_no_memory_says_nothing_about_the_picture_and_is_an_error_row() -> None:
    scorers = ScorerSet((Fragile("fragile"), SCORERS["technical"]("technical")), 8)
    got = rows_of(scorers, [{"id": text, "image": jpeg(drawn()), "text": text} for text in ("fine", "memory")])
    assert {text: (row["status"], row["error_class"]) for text, row in got.items()} == {
        "fine": ("ok", None),
        "memory": ("error", "MemoryError"),
    }


class OutOfMemoryError(RuntimeError):
    """Named like torch's."""


class Large(Fragile):
    """Has room for two pictures."""

    def load(self, device: str, parts: Parts) -> LoadedFragile:
        return LoadedLarge(self.name)


class LoadedLarge(LoadedFragile):
    def score(self, pictures: list[Picture]) -> list[Answers]:
        if len(pictures) > 2:
            raise OutOfMemoryError("out of memory")
        return super().score(pictures)


def test_a_scorer_that_is_out_of_memory_costs_those_before_it_nothing(tmp_path: Path) -> None:
    clip = Source("clip", str(tiny_scorers.clip(tmp_path)), "abc")
    before = (SCORERS["clip_scenes"]("clip_scenes", clip), SCORERS["technical"]("technical"))
    rows = [{"id": str(n), "image": jpeg(drawn(x=n)), "text": "a red circle"} for n in range(8)]
    got = rows_of(ScorerSet((*before, Large("large")), 8), rows)
    assert {(row["status"], *row["reasons"].items()) for row in got.values()} == {("ok",)}
    alone = rows_of(ScorerSet(before, 8), rows)
    for id_, row in alone.items():
        assert got[id_]["values"] == pytest.approx({**row["values"], "large": got[id_]["values"]["large"]}, abs=1e-5)


def test_a_scorer_gets_its_whole_batch() -> None:
    from udfs import harness

    scorers = ScorerSet((Fragile("fragile"),), 4)
    rows_of(scorers, [{"id": str(n), "image": jpeg(drawn(x=n))} for n in range(8)])
    model: Any = harness._cache[f"{scorers!r} on cpu"]
    (loaded,) = model.scorers.values()
    assert loaded.batches == [4, 4]


def test_bytes_that_are_no_picture_are_an_error_row() -> None:
    truncated = jpeg(drawn())[:400]
    got = rows_of(
        ScorerSet((Fragile("fragile"),), 4), [{"id": "text", "image": b"hello"}, {"id": "cut", "image": truncated}]
    )
    assert {row["status"] for row in got.values()} == {"error"}
    assert got["text"]["error_class"] == "UnidentifiedImageError"
    assert got["cut"]["error_class"] == "OSError"
    assert got["text"]["values"] is None


def test_a_scorer_that_forgets_a_score_is_a_bug_and_raises() -> None:
    got = rows_of(ScorerSet((Fragile("fragile"),), 1), [{"id": "1", "image": jpeg(drawn()), "text": "forgets"}])
    assert "scorer fragile must answer 1 pictures with fragile each" in got["1"]["error_message"]


def test_hash_color_grid_and_embedding(tmp_path: Path) -> None:
    clip = Source("clip", str(tiny_scorers.clip(tmp_path)), "abc")
    specs = (SCORERS["technical"]("technical"), SCORERS["clip_scenes"]("clip_scenes", clip))
    got = rows_of(ScorerSet(specs, 4), [{"id": "1", "image": jpeg(drawn()), "text": "a red circle"}])["1"]
    full = open_picture(jpeg(drawn())).full
    assert got["phash"] == str(imagehash.phash(full))
    cell = np.asarray(full)[16:32, 16:32].reshape(-1, 3).mean(0)  # row 1, column 1 of the 4 x 4 grid
    assert got["mean_color"][15:18] == pytest.approx(cell, abs=0.51)
    assert np.linalg.norm(got["embedding"]) == pytest.approx(1, abs=1e-5)
    without = rows_of(ScorerSet(specs[:1], 4), [{"id": "1", "image": jpeg(drawn())}])["1"]
    assert without["embedding"] is None


def test_a_vector_that_is_not_finite_is_null_and_costs_no_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = LoadedClip.image_vectors

    def broken(clip: LoadedClip, pictures: list[Picture]) -> np.ndarray:
        whole(clip, pictures)
        for picture in pictures:
            if picture.text == "nan":
                picture.memo[clip._vector][0] = np.nan
        return whole(clip, pictures)

    monkeypatch.setattr(LoadedClip, "image_vectors", broken)
    clip = SCORERS["clip_scenes"]("clip_scenes", Source("clip", str(tiny_scorers.clip(tmp_path)), "abc"))
    rows = [{"id": text, "image": jpeg(drawn()), "text": text} for text in ("a red circle", "nan")]
    got = rows_of(ScorerSet((clip, Fragile("fragile")), 4), rows)
    assert {row["status"] for row in got.values()} == {"ok"}
    assert got["nan"]["reasons"] == {"clip_scenes_similarity": "not finite", "fragile": "not finite"}
    assert got["nan"]["embedding"] is None
    assert got["a red circle"]["reasons"] == {}
    assert np.isfinite(got["a red circle"]["embedding"]).all()


def test_a_large_jpeg_is_decoded_at_a_reduced_scale_for_the_learned_scorers_only() -> None:
    large = drawn(size=(1024, 768))
    shown = open_picture(jpeg(large))
    assert (shown.full.size, shown.small.size) == ((1024, 768), (512, 384))
    small = open_picture(jpeg(drawn(size=(500, 600))))
    assert small.small is small.full
    png = io.BytesIO()
    large.save(png, "PNG")
    assert open_picture(png.getvalue()).small.size == (1024, 768)
    assert mean_color(shown.small) == pytest.approx(mean_color(shown.full), abs=2)


def test_the_set_travels_and_names_every_scores_model() -> None:
    scorers = ScorerSet((SCORERS["technical"]("technical"), SCORERS["nsfw_opennsfw"]("nsfw_opennsfw")), 8)
    assert pickle.loads(pickle.dumps(scorers)) == scorers
    assert scorers.revisions["blur"] == "technical@3-full"
    assert scorers.revisions["nsfw_opennsfw"].startswith("nsfw_opennsfw@864bb37bf886")


def test_turned_pictures_are_scored_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    buffer = io.BytesIO()
    drawn(size=(80, 48)).save(buffer, "JPEG", exif=exif)
    assert open_picture(buffer.getvalue()).full.size == (48, 80)
