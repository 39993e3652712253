"""judge_candidates -> judgements: one row per (picture, judge, question); a question an atom of the picture's
prompt."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from jobs.launch import Context, main
from jobs.published_policy import check_published
from jobs.scoring import with_pictures
from jobs.specs import judge_model, judge_spec
from jobs.waves import STRATUM_ORDER, answered, run_waves, work_left
from schemas.tables import STRATUM
from udfs.atoms import checkable, question
from udfs.harness import Stage
from udfs.ids import canonical
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
    model = judge_model(context.recipe.judge)
    candidates = context.view("judge_candidates").select("image_id", "text", "atoms", *STRATUM)
    own = F.col("model") == model
    done = context.lakehouse.read("judgements").where(own).select("image_id", "question", "status")
    todo = work_left(asked(candidates), done, ["image_id", "question"], context.retry)
    run_waves(
        context,
        "judgements",
        todo,
        lambda wave: judged(
            with_pictures(context.lakehouse, by_picture(wave)), judge, model, context.recipe.judge.licence
        ),
        order=(*STRATUM_ORDER, "question"),
        noun="questions",
        alike=own,
    )


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
    rows = wave.groupBy("image_id", *STRATUM).agg(pairs.alias("pairs"), F.max("tried").alias("tried"))
    questions, kinds = F.col("pairs.question").alias("questions"), F.col("pairs.atom_kind").alias("kinds")
    return rows.select("image_id", *STRATUM, questions, kinds, "tried")


def judged(pictures: DataFrame, judge: TransformersJudge, model: str, licence: str) -> DataFrame:
    """pictures (image, questions, kinds, tried) -> rows of judgements; the model runs here. A picture's error is the error
    of each question."""
    stage = Stage(judge, keep=_KEEP, columns=COLUMNS)
    rows = answered(pictures.select("image_id", "questions", "kinds", "tried", "image"), stage)
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
        F.lit(canonical(judge.parameters)).alias("parameters"),
        F.lit(library_versions("torch", "transformers", "pillow")).alias("library_versions"),
        F.lit(licence).alias("licence"),
        "device",
        (F.col("seconds") / F.size("questions")).alias("seconds"),
    )


if __name__ == "__main__":
    main(run, plan=True, retry=("errors",), check=check_published)
