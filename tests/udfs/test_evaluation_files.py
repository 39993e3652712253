"""Files of evaluation prompts as the benchmarks publish them; every mistake is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from udfs.evaluation_files import EvaluationFileError, evaluation_texts


def file(tmp_path: Path, name: str, content: str) -> Path:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    return path


def test_geneval_is_json_lines_with_prompt(tmp_path: Path) -> None:
    path = file(
        tmp_path,
        "evaluation_metadata.jsonl",
        '{"tag": "counting", "include": [{"class": "clock", "count": 2}], "prompt": "a photo of two clocks"}\n\n'
        '{"tag": "single_object", "include": [], "prompt": "a photo of a bench"}\n',
    )
    assert evaluation_texts(path) == ["a photo of two clocks", "a photo of a bench"]


def test_dpg_bench_is_a_folder_of_texts(tmp_path: Path) -> None:
    folder = tmp_path / "prompts"
    folder.mkdir()
    file(folder, "partiprompts97.txt", "A car\nin the rain. ")
    file(folder, "0.txt", "\ufeffA dog.")
    file(folder, "notes.md", "no prompt")
    assert evaluation_texts(folder) == ["A dog.", "A car in the rain."]


def test_partiprompts_is_a_tsv_with_prompt(tmp_path: Path) -> None:
    path = file(
        tmp_path,
        "PartiPrompts.tsv",
        'Prompt\tCategory\tChallenge\tNote\na bench, wet\tArtifacts\tBasic\t\na sign that says "Diffusion"\tArts\tWriting\t\n',
    )
    assert evaluation_texts(path) == ["a bench, wet", 'a sign that says "Diffusion"']


def test_a_quote_that_begins_a_cell_of_a_tsv_swallows_no_lines(tmp_path: Path) -> None:
    content = 'Prompt\tCategory\n"Fly" on a brick wall\tArts\na bench\tArts\n"a cat" and a dog\tArts\n"open\tArts\na cow\tArts\n'
    assert evaluation_texts(file(tmp_path, "PartiPrompts.tsv", content)) == [
        '"Fly" on a brick wall',
        "a bench",
        '"a cat" and a dog',
        '"open',
        "a cow",
    ]


def test_drawbench_is_a_csv_with_prompts(tmp_path: Path) -> None:
    path = file(
        tmp_path, "drawbench.csv", 'Prompts,Category\nA red colored car.,Colors\n"A cat, and a dog.",Counting\n'
    )
    assert evaluation_texts(path) == ["A red colored car.", "A cat, and a dog."]


def test_anything_else_is_a_prompt_a_line(tmp_path: Path) -> None:
    assert evaluation_texts(file(tmp_path, "mine.txt", "one\n\n two \n")) == ["one", "two"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", '{"prompt": "x"}\n{"promt": "y"}\n', "line 2 has no key prompt or prompts or text; it has: promt"),
        ("a.jsonl", "{", "line 1 is no JSON"),
        ("a.jsonl", "[1]", "line 1 is no JSON object"),
        ("a.csv", "Text\tPrompt\nx\ty\n", "the header has no column prompt or prompts or text"),
        ("a.tsv", "", "the header has no column"),
        ("a.txt", "\n \n", "it holds no prompt"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, name: str, content: str, message: str) -> None:
    with pytest.raises(EvaluationFileError, match=message):
        evaluation_texts(file(tmp_path, name, content))


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(EvaluationFileError, match=r"no prompt \(no .txt file with text in it\)"):
        evaluation_texts(tmp_path)
