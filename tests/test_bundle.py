"""databricks.yml, checked offline: the job's fields by Databricks' own classes, its tasks by the recipe's order."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from databricks.bundles.jobs import Job

from jobs.run_recipe import JOBS

ROOT = Path(__file__).parent.parent
JOB_FILE = ROOT / "resources" / "goldpan.job.yml"
KNOWN = {"bundle.name": "goldpan", "workspace.file_path": "/Workspace/goldpan/files"}
# What each job reads was written by these, at least.
READS = {
    "deduplicate_prompts": {"generate_prompts"},
    "screen_prompts": {"generate_prompts", "deduplicate_prompts"},
    "enhance_prompts": {"screen_prompts"},
    "generate_images": {"screen_prompts", "enhance_prompts"},
    "caption_photos": {"ingest_photos"},
    "score_images": {"generate_images", "caption_photos"},
    "find_image_duplicates": {"score_images"},
    "judge_images": {"score_images"},
    "export_webdataset": {"judge_images", "find_image_duplicates", "publish_views"},
}


def resolved(value: Any, variables: dict[str, Any]) -> Any:
    """`value` with every ${name} replaced; a value that is one reference keeps the variable's type, as the CLI does."""
    if isinstance(value, dict):
        return {key: resolved(item, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [resolved(item, variables) for item in value]
    if not isinstance(value, str):
        return value
    whole = re.fullmatch(r"\$\{([^}]+)\}", value)
    if whole:
        return variables[whole[1]]
    return re.sub(r"\$\{([^}]+)\}", lambda found: str(variables[found[1]]), value)


@pytest.fixture(scope="module")
def bundle() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "databricks.yml").read_text())


def job_of(bundle: dict[str, Any], target: str, **given: str) -> Any:
    declared = {name: variable["default"] for name, variable in bundle["variables"].items()}
    declared |= bundle["targets"][target].get("variables", {}) | given
    variables = {**KNOWN, "bundle.target": target, **{f"var.{name}": value for name, value in declared.items()}}
    jobs = yaml.safe_load(JOB_FILE.read_text())["resources"]["jobs"]
    assert list(jobs) == ["goldpan"]
    return resolved(jobs["goldpan"], variables)


@pytest.fixture(params=["dev", "prod"])
def job(bundle: dict[str, Any], request: pytest.FixtureRequest) -> Any:
    return job_of(bundle, request.param)


def test_databricks_accepts_the_job(job: Any) -> None:
    parsed: Any = Job.from_dict(job).as_dict()
    assert [task["task_key"] for task in parsed["tasks"]] == [task["task_key"] for task in job["tasks"]]


@pytest.mark.parametrize(
    ("place", "field", "value"),
    [
        (("tasks", 0), "retries", 1),
        (("tasks", 0, "spark_python_task"), "file", "x.py"),
        (("job_clusters", 1, "new_cluster"), "runtime_engine", "FAST"),
        (("schedule",), "pause_status", "SOMETIMES"),
    ],
)
def test_databricks_refuses_what_it_does_not_know(
    job: Any, place: tuple[str | int, ...], field: str, value: object
) -> None:
    broken = copy.deepcopy(job)
    part: Any = broken
    for step in place:
        part = part[step]
    part[field] = value
    with pytest.raises(ValueError, match=f"{field}|{value}"):
        Job.from_dict(broken)


def test_its_tasks_are_the_recipes_jobs_in_their_order(job: Any) -> None:
    assert tuple(task["task_key"] for task in job["tasks"]) == JOBS


def test_a_task_runs_after_those_whose_rows_it_reads(job: Any) -> None:
    before: dict[str, set[str]] = {}
    for task in job["tasks"]:
        direct = {needed["task_key"] for needed in task.get("depends_on", [])}
        assert direct <= set(before), f"{task['task_key']} depends on a later task"
        before[task["task_key"]] = direct.union(*(before[name] for name in direct))
    for name, read in READS.items():
        assert read <= before[name], f"{name} could start before {sorted(read - before[name])}"


def test_a_task_is_what_spark_submit_runs(job: Any, bundle: dict[str, Any]) -> None:
    for task in job["tasks"]:
        python = task["spark_python_task"]
        script = (JOB_FILE.parent / python["python_file"]).resolve()
        assert script == ROOT / "jobs" / f"{task['task_key']}.py"
        assert script.is_file()
        assert python["parameters"][::2] == ["--config", "--catalog", "--schema"]
        recipe = python["parameters"][1].removeprefix(KNOWN["workspace.file_path"] + "/")
        assert (ROOT / recipe).is_file()
        assert {"whl": "../dist/*.whl"} in task["libraries"]


def test_the_packages_beside_the_wheel_have_the_environments_pins(job: Any) -> None:
    pins = (ROOT / "constraints.txt").read_text().splitlines()
    packages = [library["pypi"]["package"] for library in job["tasks"][0]["libraries"] if "pypi" in library]
    assert packages
    assert set(packages) <= set(pins)


def test_clusters_are_dedicated_without_photon_and_one_task_has_one_gpu(job: Any) -> None:
    clusters = {cluster["job_cluster_key"]: cluster["new_cluster"] for cluster in job["job_clusters"]}
    assert {task["job_cluster_key"] for task in job["tasks"]} == set(clusters)
    for name, cluster in clusters.items():
        assert cluster["data_security_mode"] == "SINGLE_USER"
        assert cluster["runtime_engine"] == "STANDARD"
        assert f"-{name}-ml-" in cluster["spark_version"]
        assert not any("delta" in key for key in cluster["spark_conf"])
    assert clusters["gpu"]["spark_conf"]["spark.task.resource.gpu.amount"] == "1"


def test_every_cluster_gets_the_key_of_an_endpoint_from_a_secret_that_the_user_names(bundle: dict[str, Any]) -> None:
    for given, key in [({}, ""), ({"key": "{{secrets/scope/key}}"}, "{{secrets/scope/key}}")]:
        parsed: Any = Job.from_dict(job_of(bundle, "prod", **given)).as_dict()
        clusters = [cluster["new_cluster"] for cluster in parsed["job_clusters"]]
        assert [cluster["spark_env_vars"] for cluster in clusters] == [{"GOLDPAN_KEY": key}] * 2


def test_schedules_are_paused_in_dev_only(bundle: dict[str, Any]) -> None:
    assert bundle["targets"]["dev"]["mode"] == "development"
    assert job_of(bundle, "dev")["schedule"]["pause_status"] == "PAUSED"
    assert job_of(bundle, "prod")["schedule"]["pause_status"] == "UNPAUSED"


def test_every_variable_is_used(bundle: dict[str, Any]) -> None:
    used = set(re.findall(r"\$\{var\.(\w+)\}", JOB_FILE.read_text()))
    assert used == set(bundle["variables"])
