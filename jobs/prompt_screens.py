"""The screens as a recipe asks for them: the same for written and for enhanced prompts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from conf.paths import resolve
from conf.recipe import Recipe
from jobs.launch import JobError
from udfs.embedders import minilm
from udfs.evaluation import EvaluationPrompts
from udfs.evaluation_files import EvaluationFileError, evaluation_texts
from udfs.personal_data import Names
from udfs.screens import Screens, screens_for

_FORMATS = (
    "Give a UTF-8 text file with one prompt a line, a .jsonl with the key prompt (GenEval), a .tsv or .csv with the column"
    " Prompt or Prompts (PartiPrompts, DrawBench), or a folder of .txt files (DPG-Bench)."
)


def recipe_screens(recipe: Recipe) -> Screens:
    """The screens of a recipe, its files of evaluation prompts and of names read.

    JobError names the file that is not there, not UTF-8, or of another format than its name says.
    """
    prompts: list[str] = []
    for name in recipe.screen.evaluation_prompts:
        prompts += _read("screen.evaluation_prompts", name, evaluation_texts, _FORMATS)
    names: list[str] = []
    if recipe.screen.names is not None:
        names = _read("screen.names", recipe.screen.names, _lines, "Give a UTF-8 text file with one name a line.")
    evaluation = EvaluationPrompts(tuple(dict.fromkeys(prompts)))
    return screens_for(recipe.labels, minilm(), evaluation, Names(tuple(names)))


def _read(key: str, name: str, reader: Callable[[Path], list[str]], remedy: str) -> list[str]:
    try:
        return reader(resolve(name))
    except (OSError, UnicodeDecodeError, EvaluationFileError) as error:
        raise JobError(f"{key}: {name} cannot be read ({error}). {remedy}") from None


def _lines(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]
