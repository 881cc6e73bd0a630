"""
What counts while the product is measured: `python -m benchmarks.counter`, a process beside the web server, as the worker is in production.

Booking leaves marks; this makes roll-ups of them. Told to begin, it counts what is due every INTERVAL seconds; told to end, it
counts what still waits and says how much, and how long that took. It ends with the process that started it, whose pipe is then closed.
"""

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Final

from benchmarks.cpu import gained, seconds_of

INTERVAL: Final = 2.0
"""Seconds. The timetable's is 10; runs are 4 seconds long. What is due is the same: 20,000 events of an account, or five minutes."""
_BEGIN, _END = "begin\n", "end\n"


@dataclass(frozen=True)
class Counted:
    """How many events were counted while the run lasted, how many after it, and the seconds that those took."""

    within: int = 0
    after: int = 0
    after_seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Events a second that were counted after the run, with nothing beside it."""
        return self.after / self.after_seconds if self.after_seconds else 0.0

    @property
    def share(self) -> float:
        """Of all events, those that were counted within the run."""
        return self.within / (self.within + self.after) if self.within else 0.0


class Counter:
    """The process, from outside."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        """It says its database session's pid once it is ready."""
        self._process = process
        self.session = int(self._heard()["session"])
        self._before = (0.0, 0.0)

    def begin(self) -> None:
        """From now on it counts."""
        self._before = self._worked()
        self._tell(_BEGIN)

    def end(self) -> tuple[Counted, dict[str, float]]:
        """It counts the rest, and stops. With it, seconds of CPU of the process and of its session since `begin`, of the rest too."""
        self._tell(_END)
        heard = self._heard()
        counted = Counted(int(heard["within"]), int(heard["after"]), heard["after_seconds"])
        used = [now - before for now, before in zip(self._worked(), self._before, strict=True)]
        return counted, dict(zip(("counter", "counter's database"), used, strict=True))

    def _worked(self) -> tuple[float, float]:
        process, session = (gained({}, seconds_of([pid])) for pid in (self._process.pid, self.session))
        return process, session

    def _tell(self, word: str) -> None:
        if self._process.stdin is None:
            raise RuntimeError("the counter has no pipe")
        self._process.stdin.write(word)
        self._process.stdin.flush()

    def _heard(self) -> dict[str, float]:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise RuntimeError("the counter ended")
        return dict(json.loads(line))


@contextmanager
def running_counter(environment: dict[str, str]) -> Iterator[Counter]:
    """One, for as long as the block lasts; `environment` names its database."""
    command = [sys.executable, "-m", "benchmarks.counter"]
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Counter(process)
        finally:
            process.terminate()


def _run() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billing_platform.settings")
    import django  # noqa: PLC0415 - whoever imports this module has set Django up already, or runs it

    django.setup()
    from django.db import connection  # noqa: PLC0415

    from core import clock  # noqa: PLC0415
    from usage.services.counting import count_due, count_waiting  # noqa: PLC0415

    connection.ensure_connection()
    _say({"session": connection.connection.info.backend_pid})
    while sys.stdin.readline() == _BEGIN:
        within = 0
        while not _is_told(INTERVAL):
            within += count_due(now=clock.now(), has_time=lambda: not _is_told(0))
        sys.stdin.readline()
        started = time.perf_counter()
        after = count_waiting(has_time=clock.forever)
        _say(asdict(Counted(within, after, time.perf_counter() - started)))


def _is_told(seconds: float) -> bool:
    """Whether somebody says something within so many seconds."""
    return bool(select.select([sys.stdin], [], [], seconds)[0])


def _say(words: dict[str, float]) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _run()
