"""What a night can bring: a job is disturbed once and run again. Afterwards no row is lost, no ok id is there twice, all
rows say what they say in an undisturbed run, and the shards are the same, byte for byte. Real processes, real signals.

A job starts on a copy of the undisturbed lakehouse without the tables that it writes; one test disturbs run_recipe
itself, from nothing. The jobs that work on prompts have a lakehouse of more prompts: ten are one wave.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from deltalake import DeltaTable

ROOT = Path(__file__).parents[1]
MASTER = "local[2,3]"
WRITES = {
    "generate_prompts": ("prompts",),
    "deduplicate_prompts": ("prompt_embeddings", "prompt_duplicates"),
    "screen_prompts": ("prompt_scores",),
    "enhance_prompts": ("enhanced_prompts",),
    "generate_images": ("images",),
    "score_images": ("raw_scores", "scores"),
    "judge_images": ("judgements",),
    "export_webdataset": ("release_samples", "releases"),
}
FACTS = {
    "prompts": "prompt_id",
    "prompt_embeddings": "prompt_id",
    "prompt_duplicates": "prompt_id",
    "prompt_scores": "prompt_id",
    "enhanced_prompts": "prompt_id",
    "images": "image_id",
    "photos": "image_id",
    "raw_scores": "image_id",
    "scores": "image_id",
    "image_duplicates": "image_id",
    "judgements": "image_id",
    "release_samples": "image_id",
}
NOTE = 64  # bytes of a note of udfs/crashes.py; a free place is zeros
# What another run may say otherwise, and the bytes, for which their hash stands.
OF_THE_RUN = {"run_id", "created_at", "seconds", "seconds_by_scorer", "wave", "image"}
# In a batch of another size a sentence's vector has other last bits; what is decided by it is rounded.
LAST_BITS = {"prompt_embeddings": {"embedding"}, "prompt_duplicates": {"embedding"}}

MANY_PROMPTS = {"written": 120, "files": [{"path": "demo/prompts.csv", "source": "written by hand for the demo"}]}

# A worker that Spark forks while the session ends already finds its socket closed; PySpark's daemon prints that itself.
DAEMON = re.compile(r"Traceback .*\n(?: +File .*pyspark/daemon\.py.*\n)+ConnectionResetError.*\n")

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1800)]


class Run:
    """One job in a session of its own, so that everything it starts can be found and stopped. Two tasks at once on every
    machine: with more of them a first wave would be all there is to do. What udfs/crashes.py notes stays with the recipe,
    since tests share their pictures' ids.
    """

    def __init__(self, recipe: Path, job: str, submitted: bool = False, script: Path | None = None):
        starter = (
            [Path(sys.executable).with_name("spark-submit"), "--master", MASTER] if submitted else [sys.executable]
        )
        command = [*starter, str(script or ROOT / "jobs" / f"{job}.py"), "--config", str(recipe)]
        (temporary := recipe.parent / "temporary").mkdir(exist_ok=True)
        options = {"PYSPARK_SUBMIT_ARGS": f"--master {MASTER} pyspark-shell", "TMPDIR": str(temporary)}
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | options,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines: list[str] = []
        self._said = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._said:
                self.lines.append(line.rstrip())
                self._said.notify_all()
        with self._said:
            self._said.notify_all()

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def wait_for(self, pattern: str) -> None:
        """Until the run has said it; a failure if it ends without."""
        with self._said:
            while not re.search(pattern, self.output, re.MULTILINE):
                assert self._reader.is_alive(), f"ended without saying {pattern!r}:\n{self.output}"
                self._said.wait(1)

    def send(self, number: int) -> None:
        os.killpg(self.process.pid, number)

    def end(self) -> int:
        """The exit status, when all that it said is read."""
        status = self.process.wait()
        self._reader.join()
        return status

    def members(self) -> list[tuple[int, str]]:
        """(pid, command line) of every living process that the run has started."""
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError):
                session = int((entry / "stat").read_text().rpartition(")")[2].split()[3])
                if entry.name.isdigit() and session == self.process.pid:
                    found.append((int(entry.name), (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()))
        return found

    def kill(self) -> None:
        """SIGKILL to the job and its JVM, as the kernel does it when memory is short; wait until both are gone."""
        self.send(signal.SIGKILL)
        self.end()
        for pid, _ in self.members():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def small_recipe(folder: Path, prompts: dict[str, Any] | None = None) -> Path:
    """The demo's recipe with ten prompts or those given, light scorers, short waves and small shards; all it writes lies in `folder`."""
    recipe: dict[str, Any] = yaml.safe_load((ROOT / "conf" / "demo.yaml").read_text())
    recipe |= {"name": "faults", "lakehouse": str(folder / "lakehouse"), "run": {"wave_seconds": 4}}
    recipe["prompts"] = prompts or {"written": 10}
    recipe["generation"] |= {"candidates": 6, "regimes": {"square": ["64x64"]}}
    light = {"technical", "clip_scenes", "scene_detector"}
    recipe["scorers"] = [scorer for scorer in recipe["scorers"] if scorer["name"] in light]
    recipe["policy"] = str(folder / "policy.yaml")
    recipe["release"] = {"name": "faults", "folder": str(folder / "shards"), "samples_per_shard": 5}
    policy: dict[str, Any] = yaml.safe_load((ROOT / "conf" / "policies" / "demo.yaml").read_text())
    kept = [row for row in policy["thresholds"] if row["kind"] == "prompt"]
    kept += [{"gate": "blur", "kind": kind, "maximum": 0.6} for kind in ("generated", "photograph")]
    policy |= {"name": "faults", "thresholds": [*kept, {"gate": "judge", "kind": "generated", "minimum": 0.2}]}
    for name, content in (("recipe", recipe), ("policy", policy)):
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(content))
    return folder / "recipe.yaml"


def facts(folder: Path, tables: Iterable[str]) -> dict[str, Counter[str]]:
    """table -> how often each row is there; a row is all that it says but OF_THE_RUN and LAST_BITS."""
    found = {}
    for table in tables:
        delta = DeltaTable(folder / "lakehouse" / table)
        columns = sorted({field.name for field in delta.schema().fields} - OF_THE_RUN - LAST_BITS.get(table, set()))
        found[table] = Counter(repr(row) for row in delta.to_pyarrow_table(columns=columns).to_pylist())
    return found


def by_run(folder: Path, tables: Iterable[str]) -> dict[str, Counter[str]]:
    """table -> how many rows each run has written."""
    counted = {}
    for table in tables:
        rows = DeltaTable(folder / "lakehouse" / table).to_pyarrow_table(columns=["run_id"])
        counted[table] = Counter(rows["run_id"].to_pylist())
    return counted


def vectors(folder: Path) -> list[list[float]]:
    """The embeddings of the prompts, in the order of their ids."""
    rows = DeltaTable(folder / "lakehouse" / "prompt_embeddings").to_pyarrow_table().to_pylist()
    return [row["embedding"] for row in sorted(rows, key=lambda row: str(row["prompt_id"]))]


def ids(folder: Path, table: str) -> Counter[tuple[str, ...]]:
    """How often each ok id (of judgements: each question) is there."""
    delta = DeltaTable(folder / "lakehouse" / table)
    names = {field.name for field in delta.schema().fields}
    rows = delta.to_pyarrow_table(columns=sorted({FACTS[table], "question", "pass", "status"} & names)).to_pylist()
    return Counter(tuple(map(str, row.values())) for row in rows if row.get("status", "ok") == "ok")


def shards(folder: Path) -> dict[str, str]:
    """file -> SHA-256 of all that lies in the folders of a release's subsets; what lies above holds table versions."""
    root = folder / "shards"
    files = sorted(root.glob("*/*/*"))
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    run = Run(small_recipe(folder), "run_recipe")
    assert run.end() == 0, run.output
    assert any(name.endswith(".tar") for name in shards(folder)), "the small recipe keeps something"
    return folder


# publish_views and the jobs that work on prompts
ON_PROMPTS = """
from jobs.launch import main
from jobs.run_recipe import JOBS, job

main(lambda context: [job(name)(context) for name in JOBS[:JOBS.index("generate_images")]])
"""


@pytest.fixture(scope="module")
def undisturbed_prompts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed_prompts")
    (script := folder / "on_prompts.py").write_text(ON_PROMPTS)
    run = Run(small_recipe(folder, MANY_PROMPTS), "on_prompts", script=script)
    assert run.end() == 0, run.output
    return folder


@pytest.fixture
def started(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[..., Run]]:
    """Starts a job on the recipe in the test's folder; no run outlives the test. Where the test has put none there, the
    recipe is the small one, and the lakehouse the undisturbed one without what the job writes; of run_recipe there is none.
    """
    runs: list[Run] = []

    def start(job: str, **how: Any) -> Run:
        recipe = tmp_path / "recipe.yaml"
        if not recipe.exists():
            small_recipe(tmp_path)
        if job != "run_recipe" and not (tmp_path / "lakehouse" / "policies").exists():
            copy_without(request.getfixturevalue("undisturbed"), tmp_path, job)
        runs.append(Run(recipe, job, **how))
        return runs[-1]

    yield start
    for run in runs:
        with contextlib.suppress(ProcessLookupError):
            run.kill()


def copy_without(undisturbed: Path, folder: Path, job: str) -> None:
    left = shutil.ignore_patterns(*WRITES[job], "runs", "_locks")
    shutil.copytree(undisturbed / "lakehouse", folder / "lakehouse", ignore=left, dirs_exist_ok=True)


def goes_on(start: Callable[..., Run], job: str, folder: Path, undisturbed: Path) -> None:
    """A new run ends well, and all is what it would have been."""
    again = start(job)
    assert again.end() == 0, again.output
    is_as_undisturbed(job, folder, undisturbed)


def compared(job: str) -> list[str]:
    """The tables of facts that the job writes."""
    return [table for table in FACTS if job == "run_recipe" or table in WRITES[job]]


def is_as_undisturbed(job: str, folder: Path, undisturbed: Path) -> None:
    tables = compared(job)
    assert facts(folder, tables) == facts(undisturbed, tables)
    assert all(max(ids(folder, table).values()) == 1 for table in tables)
    if job in ("export_webdataset", "run_recipe"):
        assert shards(folder) == shards(undisturbed)
    assert not [*folder.rglob("*.tmp*")], "nothing half written is left"


@dataclass(frozen=True)
class Point:
    """Where a job is killed: after this line. Of the tables of `begun` a part is there then, of those of `lacking` nothing;
    the others are whole.
    """

    job: str
    line: str
    begun: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()


# In the middle of each long job, and around the MERGE.
POINTS = {
    "rendering": Point("generate_images", r"^  images: \d+ of", begun=("images",)),
    "scoring": Point("score_images", r"^  raw_scores: \d+ of", begun=("raw_scores",), lacking=("scores",)),
    "before the merge": Point("score_images", r"^raw_scores: \d+ pictures ok", lacking=("scores",)),
    "after the merge": Point("score_images", r"^scores: \d+ pictures merged"),
    "judging": Point("judge_images", r"^  judgements: \d+ of", begun=("judgements",)),
    "the whole": Point(
        "run_recipe",
        r"^  images: \d+ of",
        begun=("images",),
        lacking=("photos", "raw_scores", "scores", "image_duplicates", "judgements", "release_samples"),
    ),
}
POINTS_ON_PROMPTS = {
    "writing": Point("generate_prompts", r"^  prompts: \d+ of", begun=("prompts",)),
    "embedding": Point(
        "deduplicate_prompts",
        r"^  prompt_embeddings: \d+ of",
        begun=("prompt_embeddings",),
        lacking=("prompt_duplicates",),
    ),
    "comparing": Point("deduplicate_prompts", r"^prompt_embeddings: \d+ prompts ok", lacking=("prompt_duplicates",)),
    "screening": Point("screen_prompts", r"^  prompt_scores: \d+ of", begun=("prompt_scores",)),
    "enhancing": Point("enhance_prompts", r"^  enhanced_prompts: \d+ of", begun=("enhanced_prompts",)),
}


@pytest.mark.parametrize("point", POINTS)
def test_a_killed_run_goes_on(point: str, started: Callable[..., Run], tmp_path: Path, undisturbed: Path) -> None:
    goes_on_where_it_was_killed(POINTS[point], started, tmp_path, undisturbed)


@pytest.mark.parametrize("point", POINTS_ON_PROMPTS)
def test_killed_work_on_prompts_goes_on(
    point: str, started: Callable[..., Run], tmp_path: Path, undisturbed_prompts: Path
) -> None:
    small_recipe(tmp_path, MANY_PROMPTS)
    copy_without(undisturbed_prompts, tmp_path, POINTS_ON_PROMPTS[point].job)
    goes_on_where_it_was_killed(POINTS_ON_PROMPTS[point], started, tmp_path, undisturbed_prompts)
    np.testing.assert_allclose(vectors(tmp_path), vectors(undisturbed_prompts), rtol=0, atol=1e-6)


def goes_on_where_it_was_killed(point: Point, start: Callable[..., Run], folder: Path, undisturbed: Path) -> None:
    """What was committed stays as it was, and the next run does the rest and no row more."""
    run = start(point.job)
    run.wait_for(point.line)
    run.kill()
    tables = compared(point.job)
    before, wanted, first = facts(folder, tables), facts(undisturbed, tables), by_run(folder, tables)
    for table in tables:
        done, all_of_it = before[table].total(), wanted[table].total()
        if table in point.begun:
            assert 0 < done < all_of_it, f"{table}: the kill came too late, or too early"
        else:
            assert done == (0 if table in point.lacking else all_of_it), table
    goes_on(start, point.job, folder, undisturbed)
    after, both = facts(folder, tables), by_run(folder, tables)
    for table in tables:
        assert before[table] <= after[table], "what was committed stays"
        left = wanted[table].total() - before[table].total()
        assert [*(both[table] - first[table]).values()] == ([left] if left else []), "and is not done again"


def test_a_killed_export_keeps_its_whole_shards(started: Callable[..., Run], tmp_path: Path, undisturbed: Path) -> None:
    run = started("export_webdataset")
    release = tmp_path / "shards" / "faults-001"
    while not [*release.glob("*/*_stats.json")]:  # of a shard's files the last
        assert run.process.poll() is None, run.output
        time.sleep(0.002)
    run.kill()
    whole = [
        file
        for stats in release.glob("*/*_stats.json")
        for file in stats.parent.glob(stats.name.replace("_stats.json", "*"))
    ]
    written = {file: file.stat().st_mtime_ns for file in whole}
    assert 0 < len([*release.glob("*/*.tar")]) < len([*(undisturbed / "shards").glob("*/*/*.tar")])
    assert not (release / "manifest.json").exists()
    goes_on(started, "export_webdataset", tmp_path, undisturbed)
    assert {file: file.stat().st_mtime_ns for file in whole} == written, "a whole shard is not written again"


def test_a_driver_killed_between_write_and_commit(
    started: Callable[..., Run], tmp_path: Path, undisturbed: Path
) -> None:
    run = started("generate_images")
    images = tmp_path / "lakehouse" / "images"
    while not [*images.rglob("*.parquet")]:
        time.sleep(0.002)
    run.kill()
    assert [path.name for path in (images / "_delta_log").glob("*.json")] == [f"{0:020}.json"], "not committed yet"
    goes_on(started, "generate_images", tmp_path, undisturbed)


def rows_in_hand(worker: int) -> int:
    """Rows that a worker process is at work on, by its open notes (udfs/crashes.py); one that idles has none."""
    notes = b""
    with contextlib.suppress(OSError):  # it, or a file of its, has gone meanwhile
        for file in Path(f"/proc/{worker}/fd").iterdir():
            if "/goldpan-rows-" in os.readlink(file):
                notes += file.read_bytes()
    return sum(any(notes[at : at + NOTE]) for at in range(0, len(notes), NOTE))


def kill_a_worker(run: Run) -> None:
    """SIGKILL to a worker that has rows in hand. It is stopped first: so it still has them when it dies."""
    while True:
        assert run.process.poll() is None, run.output
        for pid, command in run.members():
            if "pyspark.daemon" not in command or not rows_in_hand(pid):
                continue
            os.kill(pid, signal.SIGSTOP)
            busy = rows_in_hand(pid)
            os.kill(pid, signal.SIGKILL if busy else signal.SIGCONT)
            if busy:
                return
        time.sleep(0.01)


def test_a_killed_worker_costs_nothing(started: Callable[..., Run], tmp_path: Path, undisturbed: Path) -> None:
    run = started("generate_images")
    run.wait_for(r"^  images: \d+ of")
    (jvm,) = (pid for pid, command in run.members() if "org.apache.spark.deploy.SparkSubmit" in command)
    kill_a_worker(run)
    assert run.end() == 0, run.output
    lost = rf" {jvm} WARN TaskSetManager: Lost task .*Python worker exited unexpectedly"
    logs = "".join(path.read_text(errors="replace") for path in (ROOT / "logs").glob("goldpan*.log"))
    assert re.search(lost, logs), "a task failed, and was tried again"
    is_as_undisturbed("generate_images", tmp_path, undisturbed)


# generate_images with a pipeline in which one picture ends the process, as a fault in C code does
DEADLY = """
import os, signal
from jobs import generate_images
from jobs.launch import main
from udfs.generators import DiffusersGenerator

class Deadly(DiffusersGenerator):
    def load(self, device):
        model = DiffusersGenerator.load(self, device)
        run = model.run
        def deadly(batch):
            if any(row["image_id"] == {image_id!r} for row in batch):
                os.kill(os.getpid(), signal.SIGKILL)
            return run(batch)
        model.run = deadly
        return model

whole = generate_images.generator_spec
generate_images.generator_spec = lambda *entry: Deadly(**vars(whole(*entry)))
main(generate_images.run)
"""


def test_a_picture_that_kills_its_worker_costs_itself_only(
    started: Callable[..., Run], tmp_path: Path, undisturbed: Path
) -> None:
    killer = sorted(ids(undisturbed, "images"))[7][0]
    script = tmp_path / "deadly.py"
    script.write_text(DEADLY.format(image_id=killer))
    run = started("generate_images", script=script)
    assert run.end() == 0, run.output
    got, expected = facts(tmp_path, ["images"])["images"], facts(undisturbed, ["images"])["images"]
    (lost,), (instead,) = (expected - got), (got - expected)
    assert killer in lost
    assert killer in instead
    assert "WorkerDiedError" in instead


@pytest.mark.parametrize(
    ("submitted", "number"), [(False, signal.SIGINT), (True, signal.SIGINT), (True, signal.SIGTERM)]
)
def test_a_run_that_is_stopped_says_how_to_go_on(
    submitted: bool, number: int, started: Callable[..., Run], tmp_path: Path, undisturbed: Path
) -> None:
    """Ctrl-C, and the SIGTERM of a service manager, reach every process of a run."""
    run = started("generate_images", submitted=submitted)
    run.wait_for(r"^  images: \d+ of")
    run.send(number)
    assert run.end() != 0, run.output
    assert re.search(
        "Stopped. What was committed stays; go on with: .*spark-submit jobs/generate_images.py", run.output
    )
    assert "Traceback" not in run.output, run.output
    goes_on(started, "generate_images", tmp_path, undisturbed)


def test_a_jvm_that_is_killed_is_said(started: Callable[..., Run], tmp_path: Path, undisturbed: Path) -> None:
    """As the kernel does it when memory is short."""
    run = started("generate_images")
    run.wait_for(r"^  images: \d+ of")
    for pid, command in run.members():
        if "org.apache.spark.deploy.SparkSubmit" in command:
            os.kill(pid, signal.SIGKILL)
    assert run.end() == 1, run.output
    assert "Spark's JVM has ended" in run.output, run.output
    assert "Traceback" not in run.output, run.output
    goes_on(started, "generate_images", tmp_path, undisturbed)


def test_a_second_driver_is_refused(started: Callable[..., Run], tmp_path: Path, undisturbed: Path) -> None:
    first = started("generate_images")
    first.wait_for(r"^  images: \d+ of")
    first.send(signal.SIGSTOP)
    second = started("generate_images")
    assert second.end() == 1, second.output
    assert "images is being written by another run" in second.output
    first.send(signal.SIGCONT)
    assert first.end() == 0, first.output
    is_as_undisturbed("generate_images", tmp_path, undisturbed)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str, int], Callable[[int], None]]]:
    """Puts a folder of the test on a disk of that many bytes; the answer makes it larger."""
    mounted: list[Path] = []

    def mount(name: str, size: int) -> Callable[[int], None]:
        folder = tmp_path / name
        folder.mkdir()
        made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True)
        if made.returncode:
            pytest.skip("a small disk needs the right to mount")
        mounted.append(folder)

        def resize(size: int) -> None:
            subprocess.run(["mount", "-o", f"remount,size={size}", folder], check=True)

        return resize

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.parametrize(("name", "job"), [("shards", "export_webdataset"), ("lakehouse", "generate_images")])
def test_a_full_disk_is_said_and_leaves_nothing_that_looks_whole(
    name: str,
    job: str,
    small_disk: Callable[[str, int], Callable[[int], None]],
    started: Callable[..., Run],
    tmp_path: Path,
    undisturbed: Path,
) -> None:
    room = 1 << 30
    resize = small_disk(name, room)
    if name == "lakehouse":
        copy_without(undisturbed, tmp_path, job)
    written = undisturbed / ("shards" if name == "shards" else "lakehouse/images")
    needed = sum(path.stat().st_size for path in written.rglob("*") if path.is_file())
    resize(shutil.disk_usage(tmp_path / name).used + int(0.4 * needed))
    run = started(job)
    assert run.end() == 1, run.output
    assert "No space left on device" in run.output
    assert "Traceback" not in DAEMON.sub("", run.output), run.output
    if name == "shards":
        tars = {file: digest for file, digest in shards(tmp_path).items() if file.endswith(".tar")}
        assert tars.items() <= shards(undisturbed).items()
    resize(room)
    goes_on(started, job, tmp_path, undisturbed)
