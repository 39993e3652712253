"""The screens as a recipe asks for them: the same for written and for enhanced prompts."""

from __future__ import annotations

from conf.paths import resolve
from conf.recipe import Recipe
from jobs.launch import JobError
from udfs.embedders import minilm
from udfs.screens import Screens, screens_for
from udfs.text_measures import EvaluationPrompts


def recipe_screens(recipe: Recipe) -> Screens:
    """The screens of a recipe, its files of evaluation prompts read.

    JobError names the file that is not there or not UTF-8.
    """
    prompts: list[str] = []
    for name in recipe.screen.evaluation_prompts:
        try:
            lines = resolve(name).read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise JobError(
                f"screen.evaluation_prompts: {name} cannot be read ({error})."
                " Give a UTF-8 text file with one prompt a line."
            ) from None
        prompts += [line.strip() for line in lines if line.strip()]
    return screens_for(recipe.labels, EvaluationPrompts(tuple(prompts)), minilm())
