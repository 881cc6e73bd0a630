"""
Child processes: started in their own session, stopped in order, noticed when they die.

The launcher's own death reaches them as well: on Linux the kernel signals them (PR_SET_PDEATHSIG).
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from launcher.console import Failure
from launcher.state import Servant

PR_SET_PDEATHSIG: Final = 1
POLL_SECONDS: Final = 0.05
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Command:
    """What to start: a name for people, the program, where it writes, how it is asked to stop."""

    name: str
    arguments: Sequence[str]
    log: Path
    environment: Mapping[str, str] | None = None
    servant: Servant | None = None
    folder: str = "/"
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 20


@dataclass(frozen=True)
class Child:
    """A started command."""

    command: Command
    process: subprocess.Popen[bytes]
    log_start: int

    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None

    def written(self) -> str:
        """What it has written to its log since it started."""
        with self.command.log.open("rb") as stream:
            stream.seek(self.log_start)
            return stream.read().decode(errors="replace")

    def stop(self) -> int:
        """Ask it to stop, wait, and end its whole process group if it does not. Returns its exit code."""
        if self.is_alive():
            self.process.send_signal(self.command.stop_signal)
        try:
            self.process.wait(self.command.stop_seconds)
        except subprocess.TimeoutExpired:
            _kill_group(self.process.pid)
        return self.process.wait()


def start(command: Command) -> Child:
    """Start a command in its own session, so that the terminal's Ctrl-C reaches the launcher alone."""
    command.log.parent.mkdir(parents=True, exist_ok=True)
    with command.log.open("ab") as log:
        log_start = log.tell()
        process = subprocess.Popen(
            list(command.arguments),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=command.folder,
            env=None if command.environment is None else dict(command.environment),
            start_new_session=True,
            preexec_fn=dies_with_parent(command.stop_signal),
            **(command.servant.popen_arguments() if command.servant else {}),
        )
    return Child(command, process, log_start)


def dies_with_parent(sent: signal.Signals) -> Callable[[], None] | None:
    """A `preexec_fn` that has the kernel send the signal when the parent dies; None where there is no such call."""
    return None if _LIBC is None else partial(_die_with, _LIBC, sent, os.getpid())


def _die_with(libc: ctypes.CDLL, sent: signal.Signals, parent: int) -> None:
    libc.prctl(PR_SET_PDEATHSIG, int(sent), 0, 0, 0)
    if os.getppid() != parent:  # It died between fork and prctl.
        os.kill(os.getpid(), signal.SIGKILL)


def await_ready(child: Child, is_ready: Callable[[], bool], *, seconds: float, watched: Iterable[Child] = ()) -> None:
    """Wait until it is ready. A death, of this child or of a watched one, ends the wait with a Failure."""
    deadline = time.monotonic() + seconds
    everyone = (child, *watched)
    while not is_ready():
        for one in everyone:
            raise_if_dead(one)
        if time.monotonic() > deadline:
            raise Failure(child.command.name, f"not ready after {seconds:.0f} s", "see its log, then try again", child.command.log)
        time.sleep(POLL_SECONDS)


def raise_if_dead(child: Child) -> None:
    """Raise a Failure that names the child, how it ended and its last lines."""
    if not child.is_alive():
        raise Failure(child.command.name, ending(child.process.returncode), "see its log, then try again", child.command.log)


def ending(code: int) -> str:
    """How a process ended, in words."""
    if code >= 0:
        return f"it ended with exit code {code}"
    try:
        return f"it was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"it was ended by signal {-code}"


def stop_in_reverse(children: Sequence[Child]) -> None:
    """Stop the last started first, each to its end before the next."""
    for child in reversed(children):
        child.stop()


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
