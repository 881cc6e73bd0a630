"""
Makes the environment: `.venv` with exactly what requirements-dev.txt names, each file checked by its hash.

Run by the machine's own Python (>= 3.11) as `python3 -m launcher.bootstrap`; everything else runs by `.venv`'s.
"""

import hashlib
import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
from typing import Final

from launcher.console import Failure, report, say, step
from launcher.state import CHECKOUT

VENV: Final = CHECKOUT / ".venv"
PYTHON: Final = VENV / "bin" / "python"
LOCK: Final = CHECKOUT / "requirements-dev.txt"
STAMP: Final = VENV / "installed-lock.sha256"


def main() -> int:
    """Make or refresh the environment; 0 when it is as the lock says."""
    try:
        if not is_current():
            make()
    except Failure as failure:
        report(failure)
        return 1
    return 0


def is_current() -> bool:
    """Whether the environment runs and holds this lock."""
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    runs = PYTHON.exists() and _run([str(PYTHON), "-c", ""]).returncode == 0
    return runs and STAMP.exists() and STAMP.read_text(encoding="ascii") == wanted


def make() -> None:
    """The environment from nothing or from an older lock: uv where it works, else pip."""
    _refuse_without_venv()
    if not PYTHON.exists() or _run([str(PYTHON), "-m", "pip", "--version"]).returncode != 0:
        with step("environment", "making .venv") as under_way:
            shutil.rmtree(VENV, ignore_errors=True)
            _must([sys.executable, "-m", "venv", str(VENV)], "python -m venv failed")
            under_way.done = f"made .venv with Python {sys.version.split()[0]}"
    with step("environment", "installing the packages of requirements-dev.txt (a minute on a slow line)") as under_way:
        under_way.done = f"packages installed by {_install()}"
    STAMP.write_text(hashlib.sha256(LOCK.read_bytes()).hexdigest(), encoding="ascii")


def uv_requirement(lock: str) -> str:
    """The lines of the lock that pin uv and its hashes."""
    found = re.search(r"^uv==.*?(?=^\S)", lock + "\nend", re.MULTILINE | re.DOTALL)
    if found is None:
        raise Failure("environment", "requirements-dev.txt does not name uv", "`make lock`")
    return found.group()


def _install() -> str:
    """Install with uv, a tenth of pip's time; with pip where uv does not run or cannot reach its index."""
    pip = [
        str(PYTHON),
        "-m",
        "pip",
        "--disable-pip-version-check",
        "install",
        "--quiet",
        "--require-hashes",
        "--no-deps",
    ]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as pinned:
        pinned.write(uv_requirement(LOCK.read_text(encoding="utf-8")))
        pinned.flush()
        got_uv = _run([*pip, "-r", pinned.name]).returncode == 0
    if got_uv:
        sync = [
            str(PYTHON),
            "-m",
            "uv",
            "pip",
            "sync",
            "--quiet",
            "--require-hashes",
            "--python",
            str(PYTHON),
            str(LOCK),
        ]
        # First with the certificates uv brings, then with the machine's: behind a company's proxy only those fit.
        if any(_run([*sync, *certificates]).returncode == 0 for certificates in ([], ["--system-certs"])):
            return "uv"
        say("environment", "uv could not install them; trying pip")
    _must([*pip, "-r", str(LOCK)], "pip could not install the packages")
    return "pip"


def _refuse_without_venv() -> None:
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise Failure("environment", f"{sys.executable} lacks the module venv", f"apt-get install python{version}-venv (as root)")


def _must(command: list[str], reason: str) -> None:
    done = _run(command)
    if done.returncode != 0:
        output = "\n".join([*done.stdout.splitlines(), *done.stderr.splitlines()][-10:])
        raise Failure("environment", f"{reason}:\n{output}", "check the network and the disk, then try again")


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)


if __name__ == "__main__":
    sys.exit(main())
