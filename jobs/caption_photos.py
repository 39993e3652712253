"""photos -> captions: one row per (photograph, captioner), with a short and a long caption."""

from __future__ import annotations

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.launch import Context, main
from jobs.waves import answered, run_waves, work_left
from udfs.captioners import COLUMNS, SourceTextCaptioner
from udfs.harness import Stage
from udfs.versions import library_versions

KEEP = (("image_id", pa.string()), ("licence", pa.string()))


def run(context: Context) -> None:
    captioner = SourceTextCaptioner()
    photos = context.lakehouse.read("photos").where("status = 'ok'")
    wanted = photos.select("image_id", "licence", "source_caption", "source_long_caption")
    own = F.col("model") == captioner.model
    done = context.lakehouse.read("captions").where(own).select("image_id", "status")
    run_waves(
        context,
        "captions",
        work_left(wanted, done, ["image_id"], context.retry),
        lambda wave: captioned(wave, captioner),
        order=("image_id",),
        noun="photographs",
        alike=own,
    )


def captioned(wave: DataFrame, captioner: SourceTextCaptioner) -> DataFrame:
    """photographs' rows -> rows of captions. licence: the source's text comes under the photograph's own."""
    stage = Stage(captioner, keep=KEEP, columns=COLUMNS)
    constants: dict[str, Column] = {
        "model": F.lit(captioner.model),
        "parameters": F.lit("{}"),
        "library_versions": F.lit(library_versions()),
    }
    return answered(wave, stage).withColumns(constants)


if __name__ == "__main__":
    main(run, plan=True, retry=("errors",))
