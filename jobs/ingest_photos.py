"""a folder and its metadata file -> photos: one row per photograph, or the error that reading it gave."""

from __future__ import annotations

from collections import Counter
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
_DELETED = 1000  # photographs named in a statement
# a column of photos -> the metadata file's; the others make the id, and another id is another photograph
_DESCRIBED = {
    "source_url": "source_url", "author": "author", "licence": "licence", "source_caption": "caption",
    "source_long_caption": "long_caption",
}  # fmt: skip
_OF_THE_CAPTION = ("raw_scores", "scores", "judgements")  # what was measured against the old one


def run(context: Context) -> None:
    photos = context.recipe.photos
    if photos is None:
        context.say("ingest_photos: the recipe brings no photographs; nothing to do")
        return
    rows = located(photos)
    for line in remarks(photos, rows):
        context.say(f"ingest_photos: {line}")
    wanted = context.spark.createDataFrame(pa.Table.from_pylist(rows, schema=_LOCATED))
    for line in corrections(context, photos, wanted):
        context.say(line)
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


def corrections(context: Context, photos: Photos, wanted: DataFrame) -> list[str]:
    """What the metadata file says otherwise than the rows that were ingested, which never change, and the SQL that
    takes these out, with what was made of them, so that the next run reads them anew. No line where all is equal."""
    there = context.lakehouse.read("photos").where("status = 'ok'")
    there = there.select("image_id", *[F.col(column).alias(f"old_{column}") for column in _DESCRIBED])
    differing = [
        F.when(~F.col(column).eqNullSafe(F.col(f"old_{column}")), F.lit(name)) for column, name in _DESCRIBED.items()
    ]
    compared = wanted.join(there, "image_id").select("image_id", F.array_compact(F.array(*differing)).alias("columns"))
    rows = compared.where(F.size("columns") > 0).orderBy("image_id").collect()
    if not rows:
        return []
    counts = Counter(name for row in rows for name in row["columns"])
    some = rows[:_DELETED]
    first = f" the first {_DELETED:,} of" if len(rows) > _DELETED else ""
    lines = [
        f"ingest_photos: {len(rows):,} rows of {photos.metadata} differ from what was ingested"
        f" ({', '.join(f'{name}: {count:,}' for name, count in counts.items())}). Ingested rows stay as they are."
        f" To take over the file's values, delete{first} them in Spark SQL, then run every job again:"
    ]
    recaptioned = [row for row in some if "caption" in row["columns"]]
    for tables, gone in ((("photos", "captions"), some), (_OF_THE_CAPTION, recaptioned)):
        ids = ", ".join(f"'{row['image_id']}'" for row in gone)
        lines += [f"  delete from {_sql_name(context, table)} where image_id in ({ids});" for table in tables if gone]
    return lines


def _sql_name(context: Context, table: str) -> str:
    house = context.lakehouse
    return f"{house.catalog_schema}.{table}" if house.catalog_schema else f"delta.`{house.path(table)}`"


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
