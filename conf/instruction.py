"""The instruction that language models write prompts by, and the words that vary it: conf/instructions/<name>.yaml."""

from __future__ import annotations

from pathlib import Path
from string import Formatter

from pydantic import Field, model_validator

from conf.loading import CONF, Frozen, load, unknown

_FIELDS = {"persona", "category", "style", "subject", "place", "setting", "form"}
_STATED = {"subject", "place", "style"}  # the atoms of a prompt say them: so must the text


class Instruction(Frozen):
    """system, request: the two messages of every request; request has fields in braces, system is sent as it is.

    {persona}, {setting}: drawn from the lists here. {subject}, {place}: drawn from the taxonomy. {category}, {style}: of
    the cell. {form}: what its template is called in forms, else the template's display name.
    """

    system: str
    request: str
    personas: tuple[str, ...] = Field(min_length=1)
    settings: tuple[str, ...] = Field(min_length=1)
    forms: dict[str, str] = Field(default={}, description="slug of a template -> what a prompt of it is like")

    @model_validator(mode="after")
    def _known_fields(self) -> Instruction:
        try:
            fields = [field for field in Formatter().parse(self.request) if field[1] is not None]
        except ValueError as error:
            raise ValueError(
                f"request cannot be filled in ({error}); write a brace that is meant as one twice"
            ) from None
        found = {f"{name}:{spec}" if spec else f"{name}!{way}" if way else str(name) for _, name, spec, way in fields}
        if not found <= _FIELDS:
            raise ValueError(
                f"request uses {sorted(found - _FIELDS)}; allowed: {sorted(_FIELDS)}, each in braces; write a brace that is meant as one twice"
            )
        if not found >= _STATED:
            raise ValueError(f"request lacks {sorted(_STATED - found)}; a prompt must state what its atoms say")
        return self


def load_instruction(name: str) -> Instruction:
    """The instruction conf/instructions/<name>.yaml, or the one at a path that ends in .yaml."""
    folder = CONF / "instructions"
    path = Path(name) if name.endswith(".yaml") else folder / f"{name}.yaml"
    if not path.is_file() and not name.endswith(".yaml"):
        known = [p.stem for p in folder.glob("*.yaml")]
        raise unknown(folder, "instruction", name, known, "Name one of these, or the path of a YAML file.")
    return load(Instruction, path)
