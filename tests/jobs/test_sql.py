"""The SQL prompt without a JVM: what it opens, what it answers, what it says when a question is wrong."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from conf.loading import RecipeError
from jobs import sql
from jobs.sql_prompt import ask, prompt, sentence, table
from schemas.tables import TABLES
from tests.schemas.world import World


def write(root: Path, world: World) -> None:
    """The world's tables as Delta tables, partitioned as Goldpan's are; tables without a row are empty."""
    connection = world.in_duckdb()
    for name, spec in TABLES.items():
        rows = connection.sql(f"select * from {name}").to_arrow_table()
        write_deltalake(root / name, rows, partition_by=list(spec.partitioned_by) or None)


@pytest.fixture
def lakehouse(tmp_path: Path) -> Path:
    world = World()
    world.gate("scene_detector", minimum=0.5)
    world.prompt("p1", category="snow")
    for n, score in enumerate((0.25, 0.75)):
        world.picture(f"i{n}", category="snow", generator=f"g{n}")
        world.score(f"i{n}", scene_detector=score, labels={"category": "snow"})
    write(tmp_path / "lake", world)
    return tmp_path / "lake"


def rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query).fetchall()


def test_every_table_and_view_is_there_by_its_bare_name(lakehouse: Path) -> None:
    connection = sql.open_lakehouse(str(lakehouse))
    for name in TABLES:
        assert connection.sql(f"select * from {name}").columns == TABLES[name].column_names
    assert rows(connection, "select image_id, category from training_set") == [("i1", "snow")]


def test_an_empty_table_keeps_its_types(lakehouse: Path) -> None:
    connection = sql.open_lakehouse(str(lakehouse))
    types = dict(
        zip(*[getattr(connection.sql("select * from raw_scores"), name) for name in ("columns", "types")], strict=True)
    )
    assert {name: str(types[name]) for name in ("values", "embedding", "seconds", "wave", "created_at", "task")} == {
        "values": "MAP(VARCHAR, DOUBLE)",
        "embedding": "FLOAT[]",
        "seconds": "DOUBLE",
        "wave": "INTEGER",
        "created_at": "TIMESTAMP WITH TIME ZONE",
        "task": "VARCHAR",
    }


def test_a_column_that_the_table_does_not_have_yet_is_null(lakehouse: Path) -> None:
    old = DeltaTable(lakehouse / "scores").to_pyarrow_table().drop_columns(["blur"])
    write_deltalake(
        lakehouse / "scores", old, mode="overwrite", schema_mode="overwrite", partition_by=["task", "category", "style"]
    )
    connection = sql.open_lakehouse(str(lakehouse))
    assert rows(connection, "select distinct blur, typeof(blur) from image_facts") == [(None, "DOUBLE")]


def test_a_column_that_came_later_is_null_in_older_rows(lakehouse: Path) -> None:
    row = DeltaTable(lakehouse / "reviews").to_pyarrow_table().schema
    first = pa.Table.from_pylist([{"image_id": "i0", "verdict": "keep", "reviewer": "ann"}], row)
    write_deltalake(lakehouse / "reviews", first, mode="append")
    later = first.append_column("confidence", pa.array([0.5]))
    write_deltalake(lakehouse / "reviews", later, mode="append", schema_mode="merge")
    connection = sql.open_lakehouse(str(lakehouse))
    assert sorted(rows(connection, "select reviewer, confidence from reviews"), key=str) == [
        ("ann", 0.5),
        ("ann", None),
    ]


def test_a_table_that_is_not_there_yet_is_empty(lakehouse: Path) -> None:
    (lakehouse / "releases" / "_delta_log").rename(lakehouse / "releases" / "elsewhere")
    (lakehouse / "releases" / "_delta_log").mkdir()  # a run was killed while it made the table
    assert rows(sql.open_lakehouse(str(lakehouse)), "select shards from releases") == []


def test_without_a_lakehouse_one_sentence_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"there is no lakehouse yet\. Run `make demo`"):
        sql.open_lakehouse(str(tmp_path / "nothing"))


def test_a_what_if_changes_the_answers_and_nothing_on_disk(lakehouse: Path) -> None:
    versions = {name: DeltaTable(lakehouse / name).version() for name in TABLES}
    connection = sql.open_lakehouse(str(lakehouse))
    assert rows(connection, "select kept from keep_rates") == [(1,)]
    assert ask(connection, "update thresholds set minimum = .2 where gate = 'scene_detector';").ok
    assert rows(connection, "select kept from keep_rates") == [(2,)]
    assert {name: DeltaTable(lakehouse / name).version() for name in TABLES} == versions
    assert rows(sql.open_lakehouse(str(lakehouse)), "select kept from keep_rates") == [(1,)]


def test_facts_cannot_be_changed(lakehouse: Path) -> None:
    answer = ask(sql.open_lakehouse(str(lakehouse)), "delete from images")
    assert (answer.ok, "\n" in answer.text) == (False, False)


def test_an_answer_is_a_table_with_its_count_and_time(lakehouse: Path) -> None:
    answer = ask(
        sql.open_lakehouse(str(lakehouse)), "select image_id, kept, rank_score from image_decisions order by image_id"
    )
    *lines, last = answer.text.splitlines()
    assert lines == [
        "image_id  kept   rank_score",
        "--------  -----  ----------",
        "i0        false        0.25",
        "i1        true         0.75",
    ]
    assert last.startswith("2 rows in ")


def test_sparks_dialect_is_understood_too(lakehouse: Path) -> None:
    answer = ask(
        sql.open_lakehouse(str(lakehouse)), "select image_id from rejected_images where size(reject_reasons) = 1"
    )
    assert "i0" in answer.text


def test_long_texts_are_cut_bytes_counted_and_rows_limited(lakehouse: Path) -> None:
    connection = sql.open_lakehouse(str(lakehouse))
    assert "x..." in ask(connection, "select repeat('x', 1000) as text").text
    assert max(map(len, ask(connection, "select repeat('x', 1000) as text").text.splitlines())) <= 80
    assert "<7 bytes>" in ask(connection, "select image from images").text
    assert "more than 200 rows" in ask(connection, "select * from range(1000)").text


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("select * from imagse", "There is no table or view 'imagse'. Near: images"),
        ("select blurr from image_facts", '"blur"'),
        ("selct 1", "syntax error"),
        ("select 1 +", "syntax error"),
    ],
)
def test_a_wrong_question_gets_one_sentence(lakehouse: Path, question: str, said: str) -> None:
    answer = ask(sql.open_lakehouse(str(lakehouse)), question)
    assert not answer.ok
    assert said in answer.text
    assert "\n" not in answer.text


def test_tables_describe_and_help_explain(lakehouse: Path) -> None:
    connection = sql.open_lakehouse(str(lakehouse))
    listed = ask(connection, "tables").text
    assert all(f"\n{name} " in listed for name in (*TABLES, "funnel", "training_set"))
    assert "content id of the normalised text" in ask(connection, "describe prompts;").text
    assert "grain: (policy, kind, step, gate)" in ask(connection, "describe funnel").text
    assert "update thresholds" in ask(connection, "help").text


def test_the_prompt_reads_questions_over_several_lines(
    lakehouse: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("jobs.sql_prompt._HISTORY", lakehouse / "history")
    monkeypatch.setattr(
        sys, "stdin", io.StringIO("tables\n\nselect image_id\nfrom training_set;\nselct 1;\nselect 2 as two\n")
    )
    prompt(sql.open_lakehouse(str(lakehouse)))
    out = capsys.readouterr().out
    assert out.index("release_samples") < out.index("\ni1") < out.index("syntax error") < out.index("two")


def test_quit_ends_the_prompt(
    lakehouse: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("jobs.sql_prompt._HISTORY", lakehouse / "history")
    monkeypatch.setattr(sys, "stdin", io.StringIO("quit;\nselect 1;\n"))
    prompt(sql.open_lakehouse(str(lakehouse)))
    assert capsys.readouterr().out == ""


def test_the_command_answers_one_query(
    lakehouse: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = lakehouse / "recipe.yaml"
    recipe.write_text(
        Path("conf/demo.yaml").read_text().replace("lakehouse: lakehouse/demo", f"lakehouse: {lakehouse}")
    )
    for query, code in (("select image_id from training_set", 0), ("select nothing", 1)):
        monkeypatch.setattr(sys, "argv", ["sql.py", "--config", str(recipe), "--query", query])
        assert sql.main() == code
    captured = capsys.readouterr()
    assert "i1" in captured.out
    assert '"nothing"' in captured.err


def test_cells_are_aligned_numbers_to_the_right() -> None:
    assert table(["a", "name"], [(1, "x"), (None, "yy")]).splitlines() == [
        "   a  name",
        "----  ----",
        "   1  x",
        "null  yy",
    ]


def test_a_sentence_has_no_line_of_the_query_in_it() -> None:
    error = duckdb.BinderException(
        'Binder Error: no "x"!\nCandidate bindings: "y"\n\nLINE 1: select x\n               ^'
    )
    assert sentence(error) == 'Binder Error: no "x"! Candidate bindings: "y".'
