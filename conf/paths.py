"""Where a file named in a recipe lies: a path, or `package:<import name>/<path>` for a file that an installed package
ships.
"""

from __future__ import annotations

import functools
import hashlib
from importlib.util import find_spec
from pathlib import Path

from conf.loading import RecipeError

PREFIX = "package:"


def resolve(name: str) -> Path:
    """The path that `name` means; a plain path is relative to the current directory. RecipeError where the package is
    not installed.
    """
    if not name.startswith(PREFIX):
        return Path(name)
    package, _, inside = name.removeprefix(PREFIX).partition("/")
    spec = find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise RecipeError(f"{name}: the package {package!r} is not installed. Install it, or give a path.")
    return Path(next(iter(spec.submodule_search_locations))) / inside


def resolve_model(model: str, revision: str | None) -> tuple[str, str]:
    """(location, revision) of a model: a folder on this machine, or a hub id with the commit that the recipe pins.

    A folder's revision is the digest of its files, so that other weights are another model without anybody remembering
    to say so.
    RecipeError for a hub id without a revision, and for a folder with one that is not its own.
    """
    folder = resolve(model)
    if folder.exists():
        digest = folder_digest(folder)
        if revision not in (None, digest):
            raise RecipeError(
                f"{model}: revision {revision!r} is not what lies there ({digest}). Leave the revision out, or restore that model."
            )
        return str(folder.resolve()), digest
    if revision is None:
        raise RecipeError(
            f"{model}: this is no folder here, and a model of the hub needs a revision. Pin a commit, or give the path of a folder."
        )
    return model, revision


@functools.cache
def folder_digest(path: Path) -> str:
    """12 hex digits over the names and bytes of a model's files (or of the one file); its card and hidden files do not
    count.
    """
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    digest = hashlib.sha256()
    for file in files:
        inside = file.relative_to(path).as_posix()
        if file.suffix == ".md" or any(part.startswith(".") for part in inside.split("/") if part != "."):
            continue
        with file.open("rb") as opened:  # never whole in memory: weights are larger than a driver
            digest.update(inside.encode() + b"\0" + hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()[:12]
