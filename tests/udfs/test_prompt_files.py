"""Prompts that people bring: good files become rows, bad ones a sentence that names the row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conf.taxonomy import load_taxonomy
from udfs.atoms import atom
from udfs.attributes import asks_held
from udfs.held_atoms import lost
from udfs.ids import prompt_id
from udfs.prompt_files import BroughtPrompts, PromptFileError

SCENES = load_taxonomy("scenes")
FACTS = [atom("color", "circle", "red")]


def read(path: Path) -> list[dict[str, Any]]:
    reader = BroughtPrompts(path, path.name, "by hand", SCENES)
    parts = pa.RecordBatch.from_pydict({"id": [*range(reader.parts())]})
    return [row for batch in reader([parts]) for row in batch.to_pylist()]


def csv(tmp_path: Path, content: str | bytes, name: str = "p.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_a_text_alone_is_enough(tmp_path: Path) -> None:
    assert read(csv(tmp_path, "text\na red circle\n")) == [
        {
            "prompt_id": prompt_id("a red circle", "none", "none", "none"),
            "text": "a red circle",
            "task": "none",
            "category": "none",
            "style": "none",
            "template": None,
            "atoms": None,
            "source": "by hand",
            "writer": "p.csv",
        }
    ]


def test_csv_and_parquet_give_the_same_rows(tmp_path: Path) -> None:
    quoted = json.dumps(FACTS).replace('"', '""')
    from_csv = read(csv(tmp_path, f'text,task,style,atoms\n"a circle, red",colors,flat,"{quoted}"\nx,,,\n'))
    table = pa.Table.from_pylist(
        [{"text": "a circle, red", "task": "colors", "style": "flat", "atoms": FACTS}, {"text": "x"}]
    )
    pq.write_table(table, tmp_path / "p.parquet")
    from_parquet = read(tmp_path / "p.parquet")
    assert from_csv[0]["atoms"] == FACTS
    assert [row | {"writer": ""} for row in from_csv] == [row | {"writer": ""} for row in from_parquet]


def test_of_atoms_with_the_same_question_the_first_stays(tmp_path: Path) -> None:
    two, word = atom("count", "circle", "2"), atom("count", "circle", "two")
    flat, again = atom("style", "picture", "flat"), atom("style", "scene", "flat")
    three = atom("count", "circle", "3")
    rows = [{"text": "two circles", "atoms": [two, flat, word, again, three, two]}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "p.parquet")
    assert read(tmp_path / "p.parquet")[0]["atoms"] == [two, flat, three]


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("two", "2"), ("One", "1"), ("twenty-one", "21"), ("a dozen", "12"), ("1,500", "1500"), ("2", "2"),
        ("zero", "zero"), ("two or three", "two or three"), ("many", "many"),
    ],
)  # fmt: skip
def test_a_count_is_kept_in_digits(tmp_path: Path, written: str, kept: str) -> None:
    facts = [atom("count", "cat", written), atom("text", "sign", written)]
    pq.write_table(pa.Table.from_pylist([{"text": "cats", "atoms": facts}]), tmp_path / "p.parquet")
    assert read(tmp_path / "p.parquet")[0]["atoms"] == [atom("count", "cat", kept), atom("text", "sign", written)]


def test_a_count_that_was_brought_as_a_word_is_that_of_its_thing(tmp_path: Path) -> None:
    facts = [atom("count", "cat", "two"), atom("count", "dog", "one")]
    pq.write_table(pa.Table.from_pylist([{"text": "two cats and a dog", "atoms": facts}]), tmp_path / "p.parquet")
    atoms = read(tmp_path / "p.parquet")[0]["atoms"]
    assert lost(atoms, "2 cats and a dog") == []
    assert lost(atoms, "two dogs and one cat") == ["count cat 2", "count dog 1"]
    assert "count" not in asks_held("a dog", atoms[1:])


def test_texts_are_mended(tmp_path: Path) -> None:
    rows = read(csv(tmp_path, "\ufefftext\n  the caf\u00c3\u00a9  at\tnight \ncafe\u0301 noir\n"))
    assert [row["text"] for row in rows] == ["the caf\u00e9 at night", "caf\u00e9 noir"]


def test_atoms_are_mended_as_the_text_is(tmp_path: Path) -> None:
    """Or the judge would look in vain for the letters of a text that was mended."""
    sign = atom("text", "picture", "DON’T  PANIC")
    beside = atom("relation", "caf\u00c3\u00a9", "left of", " cafe\u0301 ")
    rows = [{"text": "a sign that says “DON’T PANIC”, caf\u00e9", "atoms": [sign, beside]}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "p.parquet")
    (row,) = read(tmp_path / "p.parquet")
    cafe = "caf\u00e9"
    assert row["atoms"] == [atom("text", "picture", "DON'T PANIC"), atom("relation", cafe, "left of", cafe)]
    assert lost(row["atoms"][:1], row["text"]) == []


def test_a_parquet_file_that_is_refused_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[pq.ParquetFile] = []

    class Noted(pq.ParquetFile):
        def __init__(self, path: Path) -> None:
            super().__init__(path)
            opened.append(self)

    monkeypatch.setattr("udfs.prompt_files.pq.ParquetFile", Noted)
    pq.write_table(pa.table({"words": ["a"]}), tmp_path / "p.parquet")
    with pytest.raises(PromptFileError, match="unknown column 'words'"):
        read(tmp_path / "p.parquet")
    assert [file.closed for file in opened] == [True]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("style\nflat\n", "p.csv: the column text is missing. Allowed: text, task, category, style, atoms"),
        ("text,colour\na,b\n", "p.csv: unknown column 'colour'. Allowed: text, task"),
        ("text,style\na,flat\n  ,flat\n", "p.csv, row 3: the text is empty"),
        ("text,style\na,flat\nb,round\n", "p.csv, row 3: style 'round' is not known. Allowed: flat, outline, none"),
        ("text,task\na red circle, flat,none\n", "p.csv, row 2: it has more or fewer fields than the header"),
        ("text,task\na\n", "p.csv, row 2: it has more or fewer fields"),
        ('text,atoms\na,"[1"\n', "p.csv, row 2: the atoms cannot be read"),
        ('text,atoms\na,"[{""kind"": ""colour"", ""subject"": ""a"", ""value"": ""b""}]"\n', "'colour' is not known"),
        ('text,atoms\na,"{""kind"": ""color""}"\n', "the atoms cannot be read .it is no list"),
        (b"text\ncaf\xe9\n", "p.csv: this is not UTF-8 .byte"),
        ('text\n"a red circle\n', "p.csv: this is no valid CSV"),
    ],
)  # fmt: skip
def test_a_bad_file_is_one_sentence(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(PromptFileError, match=message):
        read(csv(tmp_path, content))


def test_a_row_number_counts_lines_inside_quotes(tmp_path: Path) -> None:
    with pytest.raises(PromptFileError, match="row 4: the text is empty"):
        read(csv(tmp_path, 'text\n"a\nb"\n""\n'))


def test_row_groups_are_read_apart_and_rows_keep_their_numbers(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a", "b", "c", "d", ""]}), tmp_path / "p.parquet", row_group_size=2)
    reader = BroughtPrompts(tmp_path / "p.parquet", "p.parquet", "by hand", SCENES)
    assert reader.parts() == 3
    assert [[row["text"] for batch in reader.batches(part) for row in batch.to_pylist()] for part in (0, 1)] == [
        ["a", "b"],
        ["c", "d"],
    ]
    with pytest.raises(PromptFileError, match="p.parquet, row 5: the text is empty"):
        list(reader.batches(2))
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "none.parquet")
    assert read(tmp_path / "none.parquet") == []


def test_files_that_are_not_there_or_of_another_kind(tmp_path: Path) -> None:
    with pytest.raises(PromptFileError, match="gone.csv: there is no such file"):
        read(tmp_path / "gone.csv")
    with pytest.raises(PromptFileError, match=r"p.json: a prompt file ends in .csv or .parquet"):
        read(csv(tmp_path, "{}", "p.json"))
    with pytest.raises(PromptFileError, match="p.parquet: this is no Parquet file"):
        read(csv(tmp_path, "text\na\n", "p.parquet"))


def test_the_demos_own_file_is_good() -> None:
    rows = read(Path(__file__).parents[2] / "demo" / "prompts.csv")
    assert len(rows) == 8
    assert {row["source"] for row in rows} == {"by hand"}
