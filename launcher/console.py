"""What the launcher says to a person: steps with their seconds; failures that name part, reason and mend."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

TAIL_LINES = 15
TICK_SECONDS = 10


class Failure(Exception):
    """Something a person has to mend: which part, why, and what to do. `log` is shown by its last lines."""

    def __init__(self, part: str, reason: str, mend: str, log: Path | None = None) -> None:
        super().__init__(reason)
        self.part = part
        self.reason = reason
        self.mend = mend
        self.log = log


def say(part: str, text: str) -> None:
    """One line: the part of the system, and what it did."""
    sys.stdout.write(f"{part:>11}  {text}\n")
    sys.stdout.flush()


def report(failure: Failure) -> None:
    """Print a failure to stderr, with the last lines of its log."""
    lines = ["", f"FAILED: {failure.part}", f"  reason: {failure.reason}", f"  mend:   {failure.mend}"]
    if failure.log is not None:
        lines += [f"  last lines of {failure.log}:", *(f"    | {line}" for line in tail(failure.log))]
    sys.stderr.write("\n".join(lines) + "\n")
    sys.stderr.flush()


def tail(log: Path) -> list[str]:
    """The last lines of a log, or a line that says it is empty."""
    if not log.exists():
        return ["(there is no such file)"]
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return lines[-TAIL_LINES:] or ["(nothing was written)"]


@dataclass
class Step:
    """A piece of work under way; `done` is what its last line says."""

    part: str
    text: str
    done: str = ""
    began: float = field(default_factory=time.monotonic)

    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.monotonic() - self.began


@contextmanager
def step(part: str, text: str) -> Iterator[Step]:
    """Announce work, show the elapsed seconds while it lasts, and say how long it took."""
    under_way = Step(part, text, done=text)
    stopped = threading.Event()
    ticker = threading.Thread(target=_tick, args=(under_way, stopped), daemon=True)
    ticker.start()
    try:
        yield under_way
    finally:
        stopped.set()
        ticker.join()
        _erase()
    say(part, f"{under_way.done} ({under_way.seconds():.1f} s)")


def _tick(under_way: Step, stopped: threading.Event) -> None:
    """On a terminal one line that counts the seconds; in a log a line now and then."""
    on_terminal = sys.stdout.isatty()
    while not stopped.wait(1 if on_terminal else TICK_SECONDS):
        line = f"{under_way.part:>11}  {under_way.text} ... {under_way.seconds():.0f} s"
        sys.stdout.write(f"\r\x1b[2K{line[:118]}" if on_terminal else f"{line}\n")
        sys.stdout.flush()


def _erase() -> None:
    if sys.stdout.isatty():
        sys.stdout.write("\r\x1b[2K")
