"""photos -> captions: one row per (photograph, captioner), with a short and a long caption."""

from __future__ import annotations

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from jobs.launch import Context, main
from jobs.waves import run_waves
from udfs.captioners import COLUMNS, SourceTextCaptioner
from udfs.harness import Stage
from udfs.versions import library_versions

KEEP = (("image_id", pa.string()), ("licence", pa.string()))


def run(context: Context) -> None:
    captioner = SourceTextCaptioner()
    photos = context.lakehouse.read("photos").where("status = 'ok'")
    wanted = photos.select("image_id", "licence", "source_caption", "source_long_caption")
    todo = _todo(context, wanted, model_name(captioner))
    run_waves(
        context, "captions", todo, lambda wave: captioned(wave, captioner), order=("image_id",), noun="photographs"
    )


def model_name(captioner: SourceTextCaptioner) -> str:
    return f"{captioner.name}@{captioner.revision}"


def captioned(wave: DataFrame, captioner: SourceTextCaptioner) -> DataFrame:
    """photographs' rows -> rows of captions. licence: the source's text comes under the photograph's own."""
    stage = Stage(captioner, keep=KEEP, columns=COLUMNS)
    constants: dict[str, Column] = {
        "model": F.lit(model_name(captioner)),
        "parameters": F.lit("{}"),
        "library_versions": F.lit(library_versions()),
    }
    return wave.mapInArrow(stage, schema=from_arrow_schema(stage.schema)).withColumns(constants)


def _todo(context: Context, wanted: DataFrame, model: str) -> DataFrame:
    done = context.lakehouse.read("captions").where(F.col("model") == model).select("image_id", "status")
    if context.retry == "errors":
        failed = done.where("status = 'error'").join(done.where("status = 'ok'"), "image_id", "left_anti")
        return wanted.join(failed.select("image_id").distinct(), "image_id", "left_semi")
    return context.lakehouse.missing(wanted, "captions", key=["image_id"], done=done)


if __name__ == "__main__":
    main(run, plan=True, retry=("errors",))
