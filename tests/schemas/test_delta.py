"""The Delta writer: what a table refuses, what a second write adds, how scores are merged."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from conf.scores import SCORES
from schemas import delta
from schemas.delta import Lakehouse, with_run
from schemas.folders import has_commits
from schemas.tables import IMAGE_SCORES, PROMPT_SCORES, TABLES


def frame(spark: SparkSession, table: str, rows: list[dict[str, Any]]) -> DataFrame:
    """Rows of a table; what a row leaves out is null."""
    names = TABLES[table].column_names
    return spark.createDataFrame([tuple(row.get(name) for name in names) for row in rows], TABLES[table].ddl)


def score_row(
    image_id: str, revisions: dict[str, str], reasons: dict[str, str] | None = None, **values: float
) -> dict[str, Any]:
    labels = {"task": "none", "category": "none", "style": "none"}
    return {"image_id": image_id, "revisions": revisions, "reasons": reasons or {}, "run_id": "r", **labels, **values}


def merged(spark: SparkSession, lakehouse: Lakehouse, *rows: dict[str, Any]) -> None:
    lakehouse.merge_scores(frame(spark, "scores", list(rows)).withColumn("created_at", F.current_timestamp()))


def test_two_runs_that_begin_at_once_make_the_tables_once(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delta, "TABLES", {name: TABLES[name] for name in ("prompts", "photos")})
    houses = [Lakehouse(spark, str(tmp_path / "lakehouse"), "test") for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(Lakehouse.create, houses))
    assert [houses[0].version(name) for name in ("prompts", "photos")] == [0, 0]


def test_a_run_that_was_killed_while_it_made_a_table_is_no_hindrance(spark: SparkSession, tmp_path: Path) -> None:
    log = tmp_path / "lakehouse" / "prompts" / "_delta_log"
    log.mkdir(parents=True)
    (log / f".{0:020}.json.x.tmp").write_text("half a comm")
    assert not has_commits(log.parent)
    house = Lakehouse(spark, str(tmp_path / "lakehouse"), "test")
    house._create(TABLES["prompts"])
    assert has_commits(log.parent)
    assert house.read("prompts").count() == 0


def test_every_score_of_conf_has_its_column_and_every_column_its_score() -> None:
    columns = {column.name for column in (*IMAGE_SCORES, *PROMPT_SCORES)}
    assert columns == {name for name, score in SCORES.items() if score.scorer != "judge"}


def test_a_new_answer_replaces_the_old_one_and_others_stay(spark: SparkSession, lakehouse: Lakehouse) -> None:
    merged(
        spark,
        lakehouse,
        score_row("a", {"blur": "t@1", "noise": "t@1"}, blur=0.1, noise=3.0),
        score_row("b", {"blur": "t@1"}, blur=0.2),
    )
    merged(spark, lakehouse, score_row("a", {"blur": "t@2", "entropy": "t@2"}, {"entropy": "too small"}, blur=0.3))
    rows = {row["image_id"]: row for row in lakehouse.read("scores").collect()}
    assert (rows["a"]["blur"], rows["a"]["noise"], rows["a"]["entropy"]) == (0.3, 3.0, None)
    assert rows["a"]["revisions"] == {"blur": "t@2", "noise": "t@1", "entropy": "t@2"}
    assert rows["a"]["reasons"] == {"entropy": "too small"}
    assert rows["b"]["blur"] == 0.2


def test_a_null_with_its_reason_replaces_a_value_and_a_value_removes_the_reason(
    spark: SparkSession, lakehouse: Lakehouse
) -> None:
    merged(spark, lakehouse, score_row("a", {"blur": "t@1"}, blur=0.1))
    merged(spark, lakehouse, score_row("a", {"blur": "t@2"}, {"blur": "not finite"}))
    row = lakehouse.read("scores").collect()[0]
    assert (row["blur"], row["reasons"]) == (None, {"blur": "not finite"})
    merged(spark, lakehouse, score_row("a", {"blur": "t@3"}, blur=0.4))
    row = lakehouse.read("scores").collect()[0]
    assert (row["blur"], row["reasons"], row["revisions"]) == (0.4, {}, {"blur": "t@3"})


@pytest.mark.parametrize(
    ("table", "row", "constraint"),
    [
        ("scores", score_row("a", {}, blur=float("nan")), "no_score_is_nan"),
        (
            "judgements",
            {
                "image_id": "a",
                "question": "q",
                "atom_kind": "object",
                "answer": 1.5,
                "status": "ok",
                "model": "j@1",
                "wave": 0,
            },
            "answer_is_a_probability",
        ),
        ("denylist", {"kind": "hash", "value": "x", "reason": "r"}, "kind_known"),
    ],
)
def test_a_row_that_breaks_a_constraint_is_refused(
    spark: SparkSession, lakehouse: Lakehouse, table: str, row: dict[str, Any], constraint: str
) -> None:
    bad = frame(spark, table, [row]).withColumn("created_at", F.current_timestamp())
    bad = bad.withColumn("run_id", F.lit("r")) if "run_id" in TABLES[table].column_names else bad
    with pytest.raises(Exception, match=constraint):
        lakehouse.append(table, bad)
    assert lakehouse.read(table).count() == 0


def test_tables_with_pictures_are_never_replaced(spark: SparkSession, lakehouse: Lakehouse) -> None:
    with pytest.raises(ValueError, match="images holds pictures and is append-only; a take-down is a DELETE by id"):
        lakehouse.replace("images", lakehouse.read("images"))


def test_spark_too_says_whose_a_table_is(lakehouse: Lakehouse) -> None:
    """Of a lakehouse in an object store no file is at hand."""
    assert lakehouse.properties("policies")["goldpan.recipe"] == "test"
    assert Lakehouse(lakehouse.spark, f"{lakehouse.root}/elsewhere", "test").properties("policies") == {}


def test_replacing_one_policy_leaves_the_others(spark: SparkSession, lakehouse: Lakehouse) -> None:
    def quotas(policy: str, at_most: int) -> DataFrame:
        return with_run(
            frame(spark, "quotas", [{"policy": policy, "at_most": at_most}]).drop("run_id", "created_at"), "run1"
        )

    lakehouse.append("quotas", quotas("a", 1).union(quotas("b", 2)))
    lakehouse.replace("quotas", quotas("a", 9), where="policy = 'a'")
    assert sorted((row["policy"], row["at_most"]) for row in lakehouse.read("quotas").collect()) == [("a", 9), ("b", 2)]


def test_readers_without_a_jvm_see_every_table_and_who_owns_it(lakehouse: Lakehouse) -> None:
    for name, table in TABLES.items():
        delta = DeltaTable(lakehouse.path(name))
        properties = delta.metadata().configuration
        assert properties["goldpan.recipe"] == "test"
        assert properties["delta.enableDeletionVectors"] == "false"
        assert delta.metadata().partition_columns == list(table.partitioned_by)
        assert [field.name for field in delta.schema().fields] == table.column_names


def test_creating_again_changes_nothing(lakehouse: Lakehouse) -> None:
    lakehouse.create()
    assert set({name: lakehouse.version(name) for name in TABLES}.values()) == {0}


def test_a_relative_folder_is_below_the_current_directory(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Lakehouse(spark, "lakehouse/mine", "test").path("images") == str(tmp_path / "lakehouse" / "mine" / "images")
    assert Lakehouse(spark, "s3://bucket/mine/", "test").path("images") == "s3://bucket/mine/images"
