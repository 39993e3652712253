"""A folder and a metadata file given -> rows of photos expected, or the sentence that says what is wrong with them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pyspark.sql import SparkSession

from conf.loading import RecipeError
from conf.photo_metadata import read_metadata
from conf.recipe import Photos, Run
from jobs import caption_photos, ingest_photos
from jobs.launch import Context
from schemas.delta import Lakehouse
from tests.recipes import small_recipe
from udfs.ids import photo_id

HEADER = "file,source,source_id,source_url,author,licence,caption,long_caption"


def metadata(folder: Path, *lines: str, header: str = HEADER) -> Path:
    path = folder / "photos.csv"
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def made(spark: SparkSession, lakehouse: Lakehouse, folder: Path, run: str, **flags: Any) -> Context:
    photos = Photos(folder=str(folder), metadata=str(folder / "photos.csv"))
    recipe = small_recipe(lakehouse, photos=photos, run=Run(max_error_fraction=1))
    return Context(spark, recipe, lakehouse, run, **flags)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    noise = Image.effect_noise((60, 40), 40)
    noise.convert("RGB").save(folder / "good.jpg")
    noise.convert("RGBA").save(folder / "deep" / "clear.png")
    noise.convert("RGB").save(folder / "nobody.jpg")
    (folder / "cut.jpg").write_bytes((folder / "good.jpg").read_bytes()[:900])
    metadata(
        folder,
        "good.jpg,hand,one,http://page,me,CC0-1.0,a grey noise,a long text about grey noise",
        'deep/clear.png,hand,,,,CC-BY-4.0,"noise, again",',
        "cut.jpg,hand,,,,CC0-1.0,a cut file,",
        "later.jpg,hand,,,,CC0-1.0,not there yet,",
        "package:sklearn/datasets/images/china.jpg,scikit-learn,china.jpg,,somebody,CC-BY-2.0,a pagoda,",
    )
    return folder


def test_a_folder_is_read_its_bad_files_are_errors_and_a_second_run_changes_nothing(
    spark: SparkSession, lakehouse: Lakehouse, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ingest_photos.run(made(spark, lakehouse, folder, "run1"))
    rows = {row["source_id"]: row for row in lakehouse.read("photos").collect()}
    said = capsys.readouterr().out

    assert {key: (row["status"], row["error_class"]) for key, row in rows.items()} == {
        "one": ("ok", None),
        "deep/clear.png": ("ok", None),
        "cut.jpg": ("error", "OSError"),
        "later.jpg": ("error", "FileNotFoundError"),
        "china.jpg": ("ok", None),
    }
    good = rows["one"]
    assert (good["image_id"], good["width"], good["height"]) == (photo_id("hand", "one"), 60, 40)
    assert (good["source_url"], good["author"], good["licence"]) == ("http://page", "me", "CC0-1.0")
    assert (good["source_caption"], good["source_long_caption"]) == ("a grey noise", "a long text about grey noise")
    assert (good["task"], good["category"], good["style"], good["converted"]) == ("none", "none", "none", False)
    assert rows["deep/clear.png"]["converted"]
    assert rows["deep/clear.png"]["author"] is None
    assert "1 rows of" in said
    assert "have no file (later.jpg)" in said
    assert "1 pictures in" in said
    assert "left out (nobody.jpg)" in said

    version = lakehouse.version("photos")
    ingest_photos.run(made(spark, lakehouse, folder, "run2"))
    assert "photos: nothing to do" in capsys.readouterr().out
    assert lakehouse.version("photos") == version

    Image.new("RGB", (20, 10), "red").save(folder / "later.jpg")
    ingest_photos.run(made(spark, lakehouse, folder, "run3", retry="errors"))
    again = [(row["source_id"], row["status"]) for row in lakehouse.read("photos").where("run_id = 'run3'").collect()]
    assert sorted(again) == [("cut.jpg", "error"), ("later.jpg", "ok")]


@pytest.mark.slow
def test_what_the_metadata_file_says_otherwise_is_counted_and_can_be_taken_over(
    spark: SparkSession, lakehouse: Lakehouse, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    metadata(
        folder, "good.jpg,hand,one,,me,CC0-1.0,,", "deep/clear.png,hand,,,,CC0-1.0,b,", "nobody.jpg,hand,,,,CC0-1.0,c,"
    )
    ingest_photos.run(made(spark, lakehouse, folder, "run1"))
    caption_photos.run(made(spark, lakehouse, folder, "run1"))
    assert "differ" not in capsys.readouterr().out
    assert lakehouse.read("captions").where("error_class = 'NoCaptionError'").count() == 1

    metadata(
        folder, "good.jpg,hand,one,,you,CC0-1.0,a,", "deep/clear.png,hand,,,,MIT,b,", "nobody.jpg,hand,,,,CC0-1.0,c,"
    )
    ingest_photos.run(made(spark, lakehouse, folder, "run2"))
    said = capsys.readouterr().out
    assert "2 rows of" in said
    assert "differ from what was ingested (" in said
    assert all(f"{name}: 1" in said for name in ("author", "caption", "licence"))
    assert "photos: nothing to do" in said
    statements = re.findall(r"^  (delete from .+);$", said, re.MULTILINE)
    one, other = photo_id("hand", "one"), photo_id("hand", "deep/clear.png")
    named = {re.findall(r"/(\w+)`", line)[0]: set(re.findall(r"'(\w+)'", line)) for line in statements}
    measured = {table: {one} for table in ("raw_scores", "scores", "judgements")}
    assert named == {"photos": {one, other}, "captions": {one, other}} | measured

    for statement in statements:
        spark.sql(statement)
    ingest_photos.run(made(spark, lakehouse, folder, "run3"))
    caption_photos.run(made(spark, lakehouse, folder, "run3"))
    assert "differ" not in capsys.readouterr().out
    photos = {row["image_id"]: (row["author"], row["licence"]) for row in lakehouse.read("photos").collect()}
    assert (photos[one], photos[other], len(photos)) == (("you", "CC0-1.0"), (None, "MIT"), 3)
    captions = {row["image_id"]: (row["short_caption"], row["run_id"]) for row in lakehouse.read("captions").collect()}
    assert captions == {one: ("a", "run3"), other: ("b", "run3"), photo_id("hand", "nobody.jpg"): ("c", "run1")}


def test_json_lines_say_the_same(tmp_path: Path) -> None:
    rows = [{"file": "a.jpg", "source": "s", "author": None, "licence": "CC0-1.0", "caption": "x, y", "camera": "none"}]
    path = tmp_path / "photos.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n\n", encoding="utf-8")
    [row] = read_metadata(path)
    assert (row["file"], row["source_id"], row["author"], row["caption"], row["line"]) == (
        "a.jpg",
        "a.jpg",
        None,
        "x, y",
        1,
    )


@pytest.mark.parametrize(
    ("lines", "header", "said"),
    [
        (["a.jpg,s,me,a caption"], "file,source,author,caption", "the header lacks licence"),
        ([",s,,,,CC0-1.0,x,"], HEADER, "line 2: file is empty"),
        (["a.jpg,s,,,,,x,"], HEADER, "line 2: licence is empty"),
        (["a.jpg,s,1,,,CC0-1.0,x,", "b.jpg,s,1,,,CC0-1.0,x,"], HEADER, "lines 2 and 3 both describe '1' of 's'"),
        (["a.jpg,s,,,,CC0-1.0,x, y, z,"], HEADER, "line 2: the row does not have the header's 8 columns"),
        (["/etc/a.jpg,s,,,,CC0-1.0,x,"], HEADER, "lies outside the folder"),
        (["../a.jpg,s,,,,CC0-1.0,x,"], HEADER, "lies outside the folder"),
        (['a.jpg,s,,,,CC0-1.0,"x,'], HEADER, "this is not valid CSV"),
    ],
)
def test_a_wrong_metadata_file_is_one_sentence(tmp_path: Path, lines: list[str], header: str, said: str) -> None:
    path = metadata(tmp_path, *lines, header=header)
    with pytest.raises(RecipeError, match=said) as error:
        read_metadata(path)
    assert str(path) in str(error.value)


def test_another_encoding_and_a_missing_file_are_said(tmp_path: Path) -> None:
    (tmp_path / "photos.csv").write_bytes((HEADER + "\na.jpg,s,,,,CC0-1.0,caf\xe9,\n").encode("latin-1"))
    with pytest.raises(RecipeError, match="is not UTF-8"):
        read_metadata(tmp_path / "photos.csv")
    with pytest.raises(RecipeError, match="there is no such file"):
        read_metadata(tmp_path / "none.csv")
    (tmp_path / "photos.jsonl").write_text('{"file": "a.jpg"}\n[1]\n')
    with pytest.raises(RecipeError, match="line 1: the column source is missing"):
        read_metadata(tmp_path / "photos.jsonl")


def test_the_demos_photographs_are_there() -> None:
    photos = Photos(folder="demo", metadata="demo/photos.csv")
    rows = ingest_photos.located(photos)
    assert [Path(row["location"]).name for row in rows] == ["china.jpg", "flower.jpg", "grace_hopper.jpg"]
    assert ingest_photos.remarks(photos, rows) == []
    assert all(
        row["licence"] and row["author"] and row["source_caption"] and row["source_long_caption"] for row in rows
    )


def test_a_recipe_without_photographs_has_nothing_to_do(
    spark: SparkSession, lakehouse: Lakehouse, capsys: pytest.CaptureFixture[str]
) -> None:
    ingest_photos.run(Context(spark, small_recipe(lakehouse), lakehouse, "run1"))
    assert "the recipe brings no photographs; nothing to do" in capsys.readouterr().out
