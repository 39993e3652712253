"""What a scorer is: a frozen spec that travels, and what it loads on the worker."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Protocol

from udfs.atomic_files import file_sha256
from udfs.scorers.picture import Picture

Answers = dict[str, float | str]  # score -> its value, or the reason why there is none
Parts = dict[Any, Any]  # what scorers of one set share: encoder spec -> loaded encoder


class LoadedScorer(Protocol):
    """prepare runs on several threads, score on the model's. An exception costs the picture this scorer's scores, not its
    row."""

    def prepare(self, picture: Picture) -> None:
        """CPU work on one picture; its result goes into picture.memo."""

    def score(self, pictures: list[Picture]) -> list[Answers]:
        """One answer a picture, in order, with every score of the spec."""


@dataclass(frozen=True)
class Source:
    """A model: the recipe's name for it, the resolved file, folder or hub id, and its revision (a digest, a commit
    or a tag)."""

    name: str
    location: str
    revision: str


@dataclass(frozen=True)
class ScorerSpec:
    """name: the scorer's, in the registry. source: its model, encoder: the model that its model looks through; None
    where it has none.

    options: canonical JSON of what the recipe sets; `defaults` lists what may be set. Everything that moves a score
    is part of `revision`. Raises ValueError for an unknown option or a value
    that it cannot have, and for a model that is missing or not taken.
    """

    name: str
    source: Source | None = None
    encoder: Source | None = None
    options: str = "{}"

    defaults: ClassVar[Mapping[str, Any]] = {}
    allowed: ClassVar[Mapping[str, tuple[str, ...]]] = {}  # option -> its values, where they are few
    needs: ClassVar[tuple[str, ...]] = ()  # what it looks at besides the pixels: text, atoms
    takes_model: ClassVar[bool] = (
        False  # whether the recipe names its model; else the weights come with a package, or there are none
    )
    default_encoder: ClassVar[tuple[str, str | None] | None] = (
        None  # (model, revision); the options encoder, encoder_revision name another
    )
    needs_device: ClassVar[bool] = True  # False: it computes on the CPU, one picture at a time, all of it in prepare
    licence: ClassVar[str] = ""

    def __post_init__(self) -> None:
        unknown = sorted(set(json.loads(self.options)) - set(self.defaults))
        if unknown:
            allowed = (
                ", ".join(sorted(self.defaults) + (["encoder", "encoder_revision"] if self.default_encoder else []))
                or "none"
            )
            raise ValueError(
                f"scorer {self.name}: option {unknown[0]!r} is not known; allowed: {allowed}. Rename or remove it"
            )
        for option, values in self.allowed.items():
            if self.settings[option] not in values:
                raise ValueError(
                    f"scorer {self.name}: option {option} is {self.settings[option]!r}; allowed: {', '.join(values)}."
                    " Write one of these"
                )
        if self.takes_model and not self.source:
            raise ValueError(
                f"scorer {self.name} has no model; give it the folder, file or hub id (with a revision) of one"
            )
        if self.source and not self.takes_model:
            raise ValueError(f"scorer {self.name} brings its own weights and takes no model; leave model out")

    @property
    def settings(self) -> dict[str, Any]:
        return {**self.defaults, **json.loads(self.options)}

    @property
    def scores(self) -> tuple[str, ...]:
        """The scores that it fills."""
        return (self.name,)

    @property
    def revision(self) -> str:
        """Weights, and after a dash everything of the preprocessing that moves the score."""
        raise NotImplementedError

    @property
    def model(self) -> str:
        return f"{self.name}@{self.revision}"

    def load(self, device: str, parts: Parts) -> LoadedScorer:
        raise NotImplementedError

    @staticmethod
    def must(source: Source | None) -> Source:
        """`source`, which a spec of this class has been checked to have."""
        if source is None:
            raise ValueError("this scorer's model was not resolved")
        return source


@functools.cache
def file_digest(path: Path) -> str:
    """12 hex digits of the file's SHA-256."""
    return file_sha256(path)[:12]


def packaged_file(package: str, inside: str) -> Path:
    """A file that an installed package ships; the package is not imported. ModuleNotFoundError where it is not
    installed."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(
            f"the package {package} is not installed; install it, or take its scorer out of the recipe"
        )
    return Path(next(iter(spec.submodule_search_locations))) / inside


def weights_file(source: Source, name: str) -> Path:
    """The file of a model's weights: the location itself, `name` in that folder, or `name` of the hub's repository
    at that commit."""
    path = Path(source.location)
    if path.is_file():
        return path
    if path.is_dir():
        return path / name
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download(source.location, name, revision=source.revision))


def state_of(path: Path) -> dict[str, Any]:
    """The tensors of a .safetensors file, or of a PyTorch file that holds nothing but tensors (pickled code is
    refused)."""
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    import torch

    return torch.load(path, map_location="cpu", weights_only=True)
