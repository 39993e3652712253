"""The layer contract of the design: what each folder may import, and what no code may do to tables with pictures."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

from jobs.run_recipe import JOBS

ROOT = Path(__file__).parent.parent
STANDARD = set(sys.stdlib_module_names)
OWN = {"conf", "schemas", "udfs", "jobs", "demo", "bench", "tests"}
SPARK = {"pyspark", "py4j", "delta"}
# When a file is loaded. What is heavy (torch, diffusers, ...) is imported where it is used, on a worker.
MAY_IMPORT = {
    "conf": STANDARD | {"conf", "yaml", "pydantic"},
    "schemas": STANDARD | {"schemas", "pyspark", "delta"},
    "udfs": STANDARD | {"udfs", "pyarrow", "numpy", "PIL"},
    "jobs": STANDARD
    | {"jobs", "conf", "schemas", "udfs", "pyspark", "py4j"}
    | {"deltalake", "duckdb", "numpy", "PIL", "pyarrow", "sqlglot"},
}


def sources(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


FILES = [path for folder in MAY_IMPORT for path in sources(folder)]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports(path: Path, in_functions: bool = False) -> set[str]:
    """The modules that a file imports when it is loaded, or ever, and what it takes from them; not for the type checker
    only.
    """
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not in_functions:
            return
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text(encoding="utf-8")))
    return found


def roots(modules: set[str]) -> set[str]:
    return {name.split(".")[0] for name in modules}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_layer_imports_only_what_it_may(path: Path) -> None:
    layer = path.relative_to(ROOT).parts[0]
    others = roots(imports(path)) - MAY_IMPORT[layer]
    assert not others, f"{layer}/ may not import {sorted(others)} when it is loaded"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_function_reaches_into_another_layer(path: Path) -> None:
    layer = path.relative_to(ROOT).parts[0]
    others = (roots(imports(path, in_functions=True)) & (OWN | SPARK)) - MAY_IMPORT[layer]
    assert not others, f"{layer}/ may import {sorted(others)} nowhere"


@pytest.mark.parametrize("name", JOBS)
def test_a_job_imports_no_other_job(name: str) -> None:
    """A job shares only what is no job: launch, waves and the like. Tools, which are none, import what they show."""
    taken = imports(ROOT / "jobs" / f"{name}.py", in_functions=True)
    others = {module for module in taken for other in JOBS if f"{module}.".startswith(f"jobs.{other}.")}
    assert not others


@pytest.mark.parametrize("path", [*sources("jobs"), *sources("schemas"), *sources("udfs")], ids=name_of)
def test_only_the_scores_are_merged_and_nothing_is_updated(path: Path) -> None:
    """No MERGE or UPDATE can touch images or photos: the one merge names scores, and there is no update at all."""
    text = path.read_text(encoding="utf-8")
    merges = len(re.findall(r"\.merge\(|merge\s+into", text, re.IGNORECASE))
    if path == ROOT / "schemas" / "delta.py":
        assert merges == 1
        assert 'DeltaTable.forPath(self.spark, self.path("scores"))' in text
    else:
        assert merges == 0
        assert not re.search(r"from delta[. ]|DeltaTable\.for|format\(.delta.\)\s*\.mode", text), (
            "only schemas/delta.py writes Delta"
        )
    updates = re.findall(
        r"\.update\(\s*(?:condition|set)\s*=|\bupdate\s+delta\.|whenMatchedUpdate(?!\(set=updates\))", text
    )
    assert not updates
