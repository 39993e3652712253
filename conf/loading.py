"""Read a YAML file into a frozen pydantic model; every mistake becomes one sentence that names file, key, allowed
values and remedy.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

try:
    from yaml import CSafeLoader as SafeLoader  # libyaml's parser takes a tenth of the time
except ImportError:
    from yaml import SafeLoader  # type: ignore[assignment]

CONF = Path(__file__).resolve().parent


class RecipeError(ValueError):
    """A file in conf/ that cannot be used; the message is meant for the person who wrote the file."""


class Frozen(BaseModel):
    """Base of everything in conf/: unknown keys are errors, values cannot be changed after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


Model = TypeVar("Model", bound=Frozen)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file. RecipeError if the file is missing, is not UTF-8, is not YAML, or holds something
    else than a mapping.
    """
    if not path.is_file():
        siblings = sorted(p.name for p in path.parent.glob("*.yaml")) if path.parent.is_dir() else []
        known = f"; {path.parent} holds: {', '.join(siblings)}" if siblings else ""
        raise RecipeError(f"{path}: there is no such file{known}. Give the path of a YAML file.")
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeyLoader)
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: this is not UTF-8 (byte {error.start}). Save the file as UTF-8.") from None
    except yaml.YAMLError as error:
        raise RecipeError(f"{path}: this is not valid YAML ({' '.join(str(error).split())}). Mend that line.") from None
    if not isinstance(data, dict):
        raise RecipeError(f"{path}: a mapping (key: value) is expected, found {type(data).__name__}.")
    return data


def load(model: type[Model], path: Path) -> Model:
    """A frozen `model` from the YAML file at `path`; RecipeError names the file and the key of every mistake in it."""
    return check(model, read_yaml(path), path)


def check(model: type[Model], data: dict[str, Any], path: Path) -> Model:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        lines = [f"{path}: {_sentence(item, model)}" for item in error.errors()]
        raise RecipeError("\n".join(lines)) from None


def unknown(path: Path | str, key: str, value: str, allowed: list[str], remedy: str) -> RecipeError:
    """The error for a name that is not in a list of known names, with the nearest known one. path: empty where
    pydantic puts it in front.
    """
    near = difflib.get_close_matches(value, allowed, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    where = f"{path}: {key}" if path else key
    return RecipeError(f"{where}: {value!r} is not known. Allowed: {', '.join(sorted(allowed))}.{hint} {remedy}")


class _UniqueKeyLoader(SafeLoader):
    """YAML silently keeps the last of two equal keys; a recipe with one written twice is a mistake."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=deep)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is written twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def _sentence(item: Any, model: type[BaseModel]) -> str:
    where = ".".join(str(part) for part in item["loc"]) or "(the file)"
    if item["type"] == "extra_forbidden":
        allowed = sorted(_fields_at(model, item["loc"][:-1]))
        near = difflib.get_close_matches(str(item["loc"][-1]), allowed, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        known = f" Allowed: {', '.join(allowed)}." if allowed else ""
        return f"{where}: this key is not known.{known}{hint} Rename or remove it."
    if item["type"] == "missing":
        return f"{where}: this key is missing. Add it."
    message = item["msg"].removeprefix("Value error, ")
    return f"{where}: {message} (found {item['input']!r})" if item["type"] != "value_error" else f"{where}: {message}"


def _fields_at(model: type[BaseModel], loc: tuple[Any, ...]) -> list[str]:
    """The field names of the nested model that a pydantic location points into; empty where it cannot be told."""
    current: Any = model
    for part in loc:
        if isinstance(part, int) or not isinstance(current, type) or not issubclass(current, BaseModel):
            continue
        field = current.model_fields.get(part)
        current = _model_in(field.annotation) if field else None
    return list(current.model_fields) if isinstance(current, type) and issubclass(current, BaseModel) else []


def _model_in(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = [_model_in(arg) for arg in getattr(annotation, "__args__", ())]
    return next((model for model in found if model is not None), None)
