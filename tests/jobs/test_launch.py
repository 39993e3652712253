"""Mistakes stop before Spark does any work, each with one sentence; an interrupted run says how to go on."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
import yaml

from conf.loading import RecipeError
from conf.recipe import Recipe, load_recipe
from jobs import endings, launch
from schemas.delta import Lakehouse
from schemas.tables import SCHEMA_VERSION

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def recipe_file(tmp_path: Path) -> Path:
    content = yaml.safe_load((ROOT / "conf" / "demo.yaml").read_text())
    content["lakehouse"] = str(tmp_path / "lakehouse")
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def a_table(recipe: Recipe, name: str, properties: dict[str, str]) -> None:
    """The first commit of an empty Delta table with these properties, as Spark writes it."""
    log = Path(recipe.lakehouse) / name / "_delta_log"
    log.mkdir(parents=True)
    column = {"name": "image_id", "type": "string", "nullable": True, "metadata": {}}
    metadata = {
        "id": "00000000-0000-0000-0000-000000000000",
        "format": {"provider": "parquet", "options": {}},
        "schemaString": json.dumps({"type": "struct", "fields": [column]}),
        "partitionColumns": [],
        "configuration": properties,
    }
    actions = [{"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}, {"metaData": metadata}]
    (log / f"{0:020}.json").write_text("\n".join(json.dumps(action) for action in actions))


def test_a_lakehouse_of_another_recipe_is_refused(recipe_file: Path) -> None:
    recipe = load_recipe(recipe_file)
    a_table(recipe, "images", {"goldpan.recipe": "theirs", "goldpan.schema_version": SCHEMA_VERSION})
    with pytest.raises(
        RecipeError,
        match=r"mine\.yaml: lakehouse: .* belongs to the recipe 'theirs', this one is 'demo'.*folder of its own",
    ):
        launch.check_owner(recipe)


def test_a_table_of_another_schema_version_is_refused(recipe_file: Path) -> None:
    recipe = load_recipe(recipe_file)
    a_table(recipe, "images", {"goldpan.recipe": "demo", "goldpan.schema_version": "99"})
    with pytest.raises(
        RecipeError,
        match=rf"the table images in .* has schema version 99, this Goldpan writes version {SCHEMA_VERSION}",
    ):
        launch.check_owner(recipe)


def test_a_lakehouse_that_only_spark_sees_is_refused_too(lakehouse: Lakehouse, recipe_file: Path) -> None:
    """A file's address stands for an object store's: no folder of this name is on this machine."""
    recipe = load_recipe(recipe_file).model_copy(update={"lakehouse": f"file://{lakehouse.root}"})
    recipe._path = recipe_file
    with pytest.raises(RecipeError, match="belongs to the recipe 'test', this one is 'demo'"):
        launch.open_context(recipe)


def test_an_empty_folder_and_an_own_lakehouse_are_fine(recipe_file: Path) -> None:
    recipe = load_recipe(recipe_file)
    launch.check_owner(recipe)
    (Path(recipe.lakehouse) / "prompts" / "_delta_log").mkdir(parents=True)  # a run was killed while it made the table
    launch.check_owner(recipe)
    a_table(recipe, "images", {"goldpan.recipe": "demo", "goldpan.schema_version": SCHEMA_VERSION})
    launch.check_owner(recipe)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"sede": 3}, "sede: this key is not known. Allowed: .* Did you mean 'seed'"),
        ({"policy": "dmo"}, "'dmo' is not known. Allowed: demo"),
        ({"scorers": [{"name": "technicl"}]}, "'technicl' is not known. Allowed: .*Did you mean 'technical'"),
    ],
)
def test_a_mistake_in_the_recipe_ends_the_job_with_a_sentence_and_status_2(
    recipe_file: Path, change: dict[str, object], sentence: str
) -> None:
    content = yaml.safe_load(recipe_file.read_text()) | change
    recipe_file.write_text(yaml.safe_dump(content))
    job = [sys.executable, str(ROOT / "jobs" / "generate_images.py"), "--config", str(recipe_file)]
    ended = subprocess.run(job, capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr

    assert re.search(sentence, ended.stderr), ended.stderr


def test_ctrl_c_says_how_to_go_on(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys, "argv", ["jobs/generate_images.py", "--config", "conf/demo.yaml"])
    assert endings.guarded(interrupted) == 130
    assert "spark-submit jobs/generate_images.py --config conf/demo.yaml" in capsys.readouterr().err


def test_a_full_disk_is_a_sentence_whoever_found_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> None:
        raise RuntimeError("org.apache.spark.SparkException: Job aborted\n\tat x\nCaused by: No space left on device")

    monkeypatch.setattr(sys, "argv", [str(ROOT / "jobs" / "run_recipe.py"), "--config", "conf/demo.yaml"])
    monkeypatch.chdir(ROOT)
    assert endings.guarded(full) == 1
    said = capsys.readouterr().err
    assert said.startswith("No space left on device: the disk of the lakehouse")
    assert "What was committed stays; then go on with: " in said
    assert said.endswith("spark-submit jobs/run_recipe.py --config conf/demo.yaml\n")


def test_an_error_that_nobody_foresaw_is_not_hidden() -> None:
    def broken() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        endings.guarded(broken)


TRACE = """An exception was thrown from the Python worker: Traceback (most recent call last):
  File "udfs/device.py", line 40, in device
    raise NoDeviceError(sentence)
{line}

\tat org.apache.spark.api.python.BasePythonRunner$ReaderIterator.handlePythonException"""


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("udfs.device.NoDeviceError: no GPU is free. Wait for one.", "no GPU is free. Wait for one."),
        ("udfs.harness.NotFiniteError: the scores are NaN", None),
        ("udfs.device.NoSuchError: what", None),
        (
            "[USER_RAISED_EXCEPTION] prompt 1 could not be screened: x SQLSTATE: P0001",
            "prompt 1 could not be screened: x",
        ),
    ],
)
def test_what_a_worker_says_to_people_is_said_alone(line: str, said: str | None) -> None:
    assert endings.explained(RuntimeError(TRACE.format(line=line))) == said


@pytest.mark.parametrize(("path", "config"), [("conf/demo.yaml", ""), ("mine/r.yaml", " CONFIG=mine/r.yaml")])
def test_a_question_is_asked_of_its_own_recipe(path: str, config: str) -> None:
    recipe = load_recipe(ROOT / "conf" / "demo.yaml")
    recipe._path = Path(path)
    context = launch.Context(None, recipe, None, "run")  # type: ignore[arg-type]
    assert context.sql_command("select 1") == f'make sql{config} QUERY="select 1"'
    remote = recipe.model_copy(update={"lakehouse": "s3://bucket/lakehouse"})
    asked = launch.Context(None, remote, None, "run").sql_command("select 1")  # type: ignore[arg-type]
    assert asked == "in a notebook or SQL editor: select 1"


@pytest.mark.parametrize(
    ("lakehouse", "folder", "refused"),
    [
        ("s3://bucket/house", "/Volumes/main/goldpan/shards", None),
        ("lakehouse/mine", "/Volumes/main/goldpan/shards", "lakehouse: lakehouse/mine is a folder of one machine"),
        ("s3://bucket/house", "shards/mine", "release: folder: shards/mine is a folder of one machine"),
    ],
)
def test_folders_that_a_cluster_does_not_share_are_refused_there(
    lakehouse: str, folder: str, refused: str | None
) -> None:
    recipe = load_recipe(ROOT / "conf" / "demo.yaml")
    release = recipe.release.model_copy(update={"folder": folder})
    recipe = recipe.model_copy(update={"lakehouse": lakehouse, "release": release})
    with pytest.raises(RecipeError, match=refused) if refused else nullcontext():
        launch.check_shared(recipe)


@pytest.mark.parametrize("flags", [["--sample", "0"], ["--sample", "-1"], ["--plan", "--sample", "8"]])
def test_flags_that_would_do_something_else_than_they_say_are_refused(
    flags: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["jobs/x.py", "--config", "conf/demo.yaml", *flags])
    with pytest.raises(SystemExit) as ended:
        launch.main(lambda context: None, plan=True, sample=True)
    assert ended.value.code == 2
    assert "--sample" in capsys.readouterr().err


MASTER_OF_TWO_GPUS = """
from jobs import session
session.accelerators = lambda: 2
if __name__ == "__main__":
    print("master", session.start_spark("t").sparkContext.master)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "master"), [((), "local[2,3]"), (("--master", "local[5]"), "local[5]")], ids=["default", "given"]
)
def test_a_machine_runs_no_more_tasks_than_it_has_accelerators(
    given: tuple[str, ...], master: str, tmp_path: Path
) -> None:
    """Else a worker without one would end the job; a master that somebody names is left alone."""
    script = tmp_path / "two.py"
    script.write_text(MASTER_OF_TWO_GPUS)
    command = [str(Path(sys.executable).with_name("spark-submit")), *given, str(script)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert f"master {master}\n" in ran.stdout, ran.stdout + ran.stderr
