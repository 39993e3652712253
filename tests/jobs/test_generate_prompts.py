"""taxonomy and files given -> rows of prompts expected."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.errors import PythonException

from conf.recipe import PromptFile, Prompts
from jobs import generate_prompts
from jobs.endings import explained
from jobs.launch import Context
from schemas.delta import Lakehouse
from tests.recipes import small_recipe
from udfs.ids import prompt_id
from udfs.prompt_files import PromptFileError

BROUGHT = "text,task,style\na lonely lighthouse on a cliff,none,none\na red circle on a table,colors,flat\n"


def context(lakehouse: Lakehouse, written: int, *files: Path, run_id: str = "run1") -> Context:
    brought = tuple(PromptFile(path=str(path), source="friends") for path in files)
    recipe = small_recipe(lakehouse, prompts=Prompts(written=written, files=brought))
    return Context(lakehouse.spark, recipe, lakehouse, run_id)


def ids(lakehouse: Lakehouse) -> set[str]:
    rows = [row["prompt_id"] for row in lakehouse.read("prompts").select("prompt_id").collect()]
    assert len(rows) == len(set(rows)), "an id stands there twice"
    return set(rows)


def test_prompts_are_written_and_brought_once(
    lakehouse: Lakehouse, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "p.csv").write_text(BROUGHT)
    generate_prompts.run(context(lakehouse, 90, tmp_path / "p.csv"))
    rows = lakehouse.read("prompts").collect()
    written = [row for row in rows if row["source"] == "grammar"]
    brought = {row["text"]: row for row in rows if row["source"] == "friends"}
    assert (len(rows), len(written)) == (92, 90)
    # flat weighs 1.5 times outline in every task and place
    flat = [row for row in written if row["style"] == "flat"]
    assert abs(len(flat) - 54) <= 4
    assert {row["task"] for row in written} == set(small_recipe(lakehouse).labels.slugs("task"))
    assert all(row["atoms"] and row["template"] and row["writer"] == "grammar@2" for row in written)
    circle = brought["a red circle on a table"]
    assert (circle["task"], circle["category"], circle["style"], circle["template"], circle["atoms"]) == (
        "colors", "none", "flat", None, None,
    )  # fmt: skip
    assert circle["prompt_id"] == prompt_id("a red circle on a table", "colors", "none", "flat")
    assert circle["writer"] == str(tmp_path / "p.csv")

    version, before = lakehouse.version("prompts"), ids(lakehouse)
    capsys.readouterr()
    generate_prompts.run(context(lakehouse, 90, tmp_path / "p.csv", run_id="run2"))
    assert "prompts: nothing to do" in capsys.readouterr().out
    assert lakehouse.version("prompts") == version

    generate_prompts.run(context(lakehouse, 120, tmp_path / "p.csv", run_id="run3"))
    assert before < ids(lakehouse)
    assert len(ids(lakehouse)) == 122


def test_an_exhausted_grammar_says_so_and_is_left_alone(
    lakehouse: Lakehouse, capsys: pytest.CaptureFixture[str]
) -> None:
    """Task none has 5 prompts a place, style and template: five shapes."""
    generate_prompts.run(context(lakehouse, 1800))
    said = capsys.readouterr().out
    assert "the grammar has no more to say in" in said
    assert re.search(r"none / \w+ / \w+ / \w+ 5 of \d+", said)
    count = len(ids(lakehouse))
    assert count < 1800

    generate_prompts.run(context(lakehouse, 1800, run_id="run2"))
    said = capsys.readouterr().out
    assert "prompts: nothing to do" in said
    assert re.search(r"none / \w+ / \w+ / \w+ 5 of \d+", said)
    assert len(ids(lakehouse)) == count


def test_a_prompt_in_two_files_belongs_to_the_first(lakehouse: Lakehouse, tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv"):
        (tmp_path / name).write_text("text\na lonely lighthouse\n a lonely   lighthouse\n")
    generate_prompts.run(context(lakehouse, 0, tmp_path / "b.csv", tmp_path / "a.csv"))
    rows = lakehouse.read("prompts").collect()
    assert [(row["text"], row["writer"]) for row in rows] == [("a lonely lighthouse", str(tmp_path / "b.csv"))]


def test_the_row_groups_of_a_large_file_are_read_by_the_tasks(lakehouse: Lakehouse, tmp_path: Path) -> None:
    texts = ["a lonely lighthouse", "a quiet harbor", "a ferry at dawn"]
    pq.write_table(pa.table({"text": texts}), tmp_path / "p.parquet", row_group_size=2)
    generate_prompts.run(context(lakehouse, 0, tmp_path / "p.parquet"))
    assert sorted(row["text"] for row in lakehouse.read("prompts").collect()) == sorted(texts)
    pq.write_table(pa.table({"text": [*texts, " "]}), tmp_path / "p.parquet", row_group_size=2)
    with pytest.raises(PythonException) as caught:
        generate_prompts.run(context(lakehouse, 0, tmp_path / "p.parquet"))
    name = tmp_path / "p.parquet"
    assert explained(caught.value) == f"{name}, row 4: the text is empty. Give a text, or remove the row."
    assert lakehouse.read("prompts").count() == 3


def test_a_bad_file_stops_the_job_before_anything_is_written(lakehouse: Lakehouse, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("text,style\na,round\n")
    with pytest.raises(
        PromptFileError, match=r"p\.csv, row 2: style 'round' is not known. Allowed: flat, outline, none"
    ):
        generate_prompts.run(context(lakehouse, 5, tmp_path / "p.csv"))
    assert ids(lakehouse) == set()
