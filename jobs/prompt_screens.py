"""The screens and the enhancer as a recipe asks for them; the screens are the same for written and for enhanced prompts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from conf.paths import resolve
from conf.recipe import Recipe
from conf.scores import PROMPT_JUDGES
from jobs.endings import JobError
from jobs.specs import chat_spec
from udfs.chat_enhancer import NAMES, ChatEnhancer
from udfs.embedders import minilm
from udfs.enhanced_texts import Enhancer, OfflineEnhancer
from udfs.enhancers import GrammarEnhancer
from udfs.evaluation import EvaluationPrompts
from udfs.evaluation_files import EvaluationFileError, evaluation_texts
from udfs.instructions import Instructions
from udfs.personal_data import Names
from udfs.screens import Screens, about, screens_for
from udfs.text_judges import ATTRIBUTE_NAMES, TextJudge

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
    return screens_for(recipe.labels, minilm(), evaluation, Names(tuple(names)), text_judges(recipe))


def text_judges(recipe: Recipe) -> tuple[TextJudge, ...]:
    """The judges that the recipe names, in the order of their scores."""
    judges = []
    for kind in PROMPT_JUDGES:
        if kind in recipe.screen.judges:
            chat = chat_spec(recipe.language_model(recipe.screen.judges[kind]))
            own = kind == "attributes_judge"
            instructions = read_instructions("screen.instructions", recipe.screen.instructions, ATTRIBUTE_NAMES)
            judges.append(TextJudge(kind, chat, instructions if own else None))
    return tuple(judges)


def enhancer(recipe: Recipe) -> Enhancer:
    """The language model that the recipe names, else the offline grammar."""
    chosen = recipe.enhancement
    if chosen is None:
        return OfflineEnhancer(GrammarEnhancer(recipe.labels))
    entry = recipe.language_model(chosen.language_model)
    instructions = read_instructions("enhancement.instructions", chosen.instructions, NAMES)
    categories, styles = about(recipe.labels.categories), about(recipe.labels.styles)
    return ChatEnhancer(chat_spec(entry), instructions, categories, styles, recipe.labels.language, entry.licence)


def read_instructions(key: str, name: str, allowed: tuple[str, ...]) -> Instructions:
    try:
        return Instructions(resolve(name).read_text(encoding="utf-8"), allowed)
    except (OSError, ValueError) as error:  # UnicodeDecodeError is a ValueError too
        raise JobError(f"{key}: {name} cannot be used ({error}). Give a UTF-8 text file with {{text}} in it.") from None


def _read(key: str, name: str, reader: Callable[[Path], list[str]], remedy: str) -> list[str]:
    try:
        return reader(resolve(name))
    except (OSError, UnicodeDecodeError, EvaluationFileError) as error:
        raise JobError(f"{key}: {name} cannot be read ({error}). {remedy}") from None


def _lines(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]
