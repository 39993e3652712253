"""The layer contract of the design: what each folder may import at the top of a file, and what no code may do to tables
with pictures.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

from jobs.run_recipe import JOBS

ROOT = Path(__file__).parent.parent
STANDARD = set(sys.stdlib_module_names)
MAY_IMPORT = {
    "conf": STANDARD | {"conf", "yaml", "pydantic"},
    "schemas": STANDARD | {"schemas", "pyspark", "delta"},
    "udfs": STANDARD | {"udfs", "pyarrow", "numpy", "PIL"},
}


def sources(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def imports_when_loaded(path: Path) -> set[str]:
    """Modules that importing the file imports: not those inside functions, nor those for the type checker only."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            return
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text(encoding="utf-8")))
    return found


@pytest.mark.parametrize(
    "path", [p for folder in MAY_IMPORT for p in sources(folder)], ids=lambda p: str(p.relative_to(ROOT))
)
def test_a_layer_imports_only_what_it_may(path: Path) -> None:
    layer = path.relative_to(ROOT).parts[0]
    roots = {name.split(".")[0] for name in imports_when_loaded(path)}
    assert roots <= MAY_IMPORT[layer], f"{layer}/ may not import {sorted(roots - MAY_IMPORT[layer])} when it is loaded"


@pytest.mark.parametrize("path", sources("jobs"), ids=lambda p: p.name)
def test_a_job_imports_no_torch_when_it_is_loaded(path: Path) -> None:
    heavy = {"torch", "diffusers", "transformers", "open_clip", "onnxruntime", "rapidocr", "mlflow"}
    assert not {name.split(".")[0] for name in imports_when_loaded(path)} & heavy


@pytest.mark.parametrize("name", JOBS)
def test_a_job_imports_no_other_job(name: str) -> None:
    """A job shares only what is no job: launch, waves and the like. Tools, which are none, import what they show."""
    others = {f"jobs.{other}" for other in JOBS} - {f"jobs.{name}"}
    assert not imports_when_loaded(ROOT / "jobs" / f"{name}.py") & others


@pytest.mark.parametrize(
    "path", [*sources("jobs"), *sources("schemas"), *sources("udfs")], ids=lambda p: str(p.relative_to(ROOT))
)
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
