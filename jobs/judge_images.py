"""judge_candidates -> judgements: one row per (picture, judge, question); a question an atom of the picture's
prompt."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from conf.paths import resolve_model
from conf.recipe import Judge
from jobs.launch import Context, main
from jobs.scoring import with_pictures
from jobs.waves import STRATUM_ORDER, run_waves
from schemas.tables import STRATUM
from udfs.atoms import checkable, question
from udfs.harness import Stage
from udfs.judges import COLUMNS, TransformersJudge
from udfs.versions import library_versions

_QUESTIONS = pa.schema(
    [
        ("image_id", pa.string()),
        ("question", pa.string()),
        ("atom_kind", pa.string()),
        *((name, pa.string()) for name in STRATUM),
    ]
)
_KEEP = (("image_id", pa.string()), ("questions", pa.list_(pa.string())), ("kinds", pa.list_(pa.string())))


def run(context: Context) -> None:
    judge = judge_spec(context.recipe.judge)
    model = f"{context.recipe.judge.name}@{judge.revision}"
    candidates = context.view("judge_candidates").select("image_id", "text", "atoms", *STRATUM)
    todo = _todo(context, asked(candidates).withColumn("model", F.lit(model)))
    run_waves(
        context,
        "judgements",
        todo,
        lambda wave: judged(
            with_pictures(context.lakehouse, by_picture(wave)), judge, model, context.recipe.judge.licence
        ),
        order=(*STRATUM_ORDER, "question"),
        noun="questions",
    )


def judge_spec(judge: Judge) -> TransformersJudge:
    location, revision = resolve_model(judge.model, judge.revision)
    return TransformersJudge(judge.model, location, revision, judge.dtype, judge.batch_size)


def asked(candidates: DataFrame) -> DataFrame:
    """candidates (image_id, text, atoms, labels) -> one row a picture and question; equal questions of a picture
    once."""

    def questions(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            out = []
            for row in batch.to_pylist():
                kinds = {question(atom): atom["kind"] for atom in reversed(checkable(row["atoms"], row["text"]))}
                labels = {name: row[name] for name in ("image_id", *STRATUM)}
                out += [labels | {"question": text, "atom_kind": kind} for text, kind in kinds.items()]
            yield pa.RecordBatch.from_pylist(out, schema=_QUESTIONS)

    return candidates.mapInArrow(questions, schema=from_arrow_schema(_QUESTIONS))


def by_picture(wave: DataFrame) -> DataFrame:
    """A wave's questions, one row a picture: its bytes are read and decoded once for all of them."""
    pairs = F.sort_array(F.collect_list(F.struct("question", "atom_kind")))
    rows = wave.groupBy("image_id", *STRATUM).agg(pairs.alias("pairs"))
    return rows.select(
        "image_id", *STRATUM, F.col("pairs.question").alias("questions"), F.col("pairs.atom_kind").alias("kinds")
    )


def judged(pictures: DataFrame, judge: TransformersJudge, model: str, licence: str) -> DataFrame:
    """pictures (image, questions, kinds) -> rows of judgements; the model runs here. A picture's error is the error
    of each question."""
    stage = Stage(judge, keep=_KEEP, columns=COLUMNS)
    rows = pictures.select("image_id", "questions", "kinds", "image").mapInArrow(
        stage, schema=from_arrow_schema(stage.schema)
    )
    each = rows.withColumn("number", F.explode(F.sequence(F.lit(0), F.size("questions") - 1)))
    return each.select(
        "image_id",
        F.col("questions")[F.col("number")].alias("question"),
        F.col("kinds")[F.col("number")].alias("atom_kind"),
        F.col("answers")[F.col("number")].alias("answer"),
        "status",
        "error_class",
        "error_message",
        F.lit(model).alias("model"),
        F.lit(json.dumps(judge.parameters, sort_keys=True)).alias("parameters"),
        F.lit(library_versions("torch", "transformers", "pillow")).alias("library_versions"),
        F.lit(licence).alias("licence"),
        "device",
        (F.col("seconds") / F.size("questions")).alias("seconds"),
    )


def _todo(context: Context, wanted: DataFrame) -> DataFrame:
    key = ["image_id", "model", "question"]
    if context.retry == "errors":
        rows = context.lakehouse.read("judgements").select(*key, "status")
        failed = rows.where("status = 'error'").join(rows.where("status = 'ok'"), key, "left_anti")
        return wanted.join(failed.select(*key).distinct(), key, "left_semi")
    return context.lakehouse.missing(wanted, "judgements", key)


if __name__ == "__main__":
    main(run, plan=True, retry=("errors",))
