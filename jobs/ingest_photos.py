"""a folder and its metadata file -> photos: one row per photograph, or the error that reading it gave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from conf.loading import RecipeError
from conf.paths import resolve
from conf.photo_metadata import locations, read_metadata, undescribed, unused_columns
from conf.recipe import Photos
from jobs.launch import Context, main
from jobs.waves import answered, run_waves, work_left
from schemas.tables import STRATUM
from udfs.harness import Stage
from udfs.ids import photo_id
from udfs.photos import COLUMNS, PhotoReader

ROW = (
    ("image_id", pa.string()),
    ("source", pa.string()),
    ("source_id", pa.string()),
    ("source_url", pa.string()),
    ("author", pa.string()),
    ("licence", pa.string()),
    ("source_caption", pa.string()),
    ("source_long_caption", pa.string()),
)
_LOCATED = pa.schema([*ROW, ("location", pa.string())])
_NAMED = 3  # files named in a line; the rest is a number


def run(context: Context) -> None:
    photos = context.recipe.photos
    if photos is None:
        context.say("ingest_photos: the recipe brings no photographs; nothing to do")
        return
    rows = located(photos)
    for line in remarks(photos, rows):
        context.say(f"ingest_photos: {line}")
    wanted = context.spark.createDataFrame(pa.Table.from_pylist(rows, schema=_LOCATED))
    there = context.lakehouse.read("photos").select("image_id", "status")
    todo = work_left(wanted, there, ["image_id"], context.retry)
    run_waves(context, "photos", todo, lambda wave: read(wave, photos.quality), order=("image_id",), noun="photographs")


def located(photos: Photos) -> list[dict[str, Any]]:
    """The metadata file's rows with ids and absolute paths, as the executors need them."""
    folder = resolve(photos.folder)
    if not folder.is_dir():
        raise RecipeError(
            f"{folder}: there is no such folder. Set photos.folder to the folder that holds the photographs."
        )
    rows = read_metadata(resolve(photos.metadata))
    return [
        row
        | {
            "image_id": photo_id(row["source"], row["source_id"]),
            "source_caption": row["caption"],
            "source_long_caption": row["long_caption"],
            "location": location,
        }
        for row, location in zip(rows, locations(rows, folder), strict=True)
    ]


def remarks(photos: Photos, rows: list[dict[str, Any]]) -> list[str]:
    """What a person should know of a folder and a metadata file that do not fit each other."""
    absent = [row["file"] for row in rows if not Path(row["location"]).is_file()]
    extra = undescribed(rows, resolve(photos.folder))
    unused = unused_columns(resolve(photos.metadata))
    lines = []
    if absent:
        lines.append(
            f"{len(absent):,} rows of {photos.metadata} have no file ({_some(absent)}); each becomes an error row"
        )
    if extra:
        lines.append(
            f"{len(extra):,} pictures in {photos.folder} have no row in {photos.metadata}"
            f" and are left out ({_some(extra)})"
        )
    if unused:
        lines.append(f"columns of {photos.metadata} that are not read: {', '.join(unused)}")
    return lines


def read(wave: DataFrame, quality: int) -> DataFrame:
    """located rows -> rows of photos; the files are opened on the executors."""
    stage = Stage(PhotoReader(quality), keep=ROW, columns=COLUMNS)
    unlabeled = {label: F.lit("none") for label in STRATUM}
    own = [name for name, _ in (*ROW, *COLUMNS)]
    return (
        answered(wave, stage).withColumns(unlabeled).select(*own, *unlabeled, "status", "error_class", "error_message")
    )


def _some(names: list[str]) -> str:
    return ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")


if __name__ == "__main__":
    main(run, plan=True, retry=("errors",))
