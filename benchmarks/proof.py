"""
The proof of the books, timed: `python -m benchmarks.proof` runs every check over the whole database and prints what it took, as JSON.

A process of its own, so that its peak of memory is that of the proof.
"""

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

SLOWEST: Final = 5


@dataclass(frozen=True)
class Proof:
    """How many entries were proven; discrepancies (none, or the benchmark is wrong); seconds, by check too; the process's peak."""

    entries: int
    discrepancies: list[str]
    seconds: float
    by_check: dict[str, float]
    start_mib: float
    peak_mib: float

    @property
    def slowest(self) -> list[tuple[str, float]]:
        """The checks that took most."""
        return sorted(self.by_check.items(), key=lambda one: one[1], reverse=True)[:SLOWEST]


def prove() -> Proof:
    """Run it in a process of its own."""
    done = subprocess.run([sys.executable, "-m", "benchmarks.proof"], stdout=subprocess.PIPE, check=True)
    return Proof(**json.loads(done.stdout))


def _run() -> Proof:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billing_platform.settings")
    import django  # noqa: PLC0415 - whoever imports this module has set Django up already, or runs it

    django.setup()
    from billing_platform.verification import Watcher, verify_ledger  # noqa: PLC0415
    from core import clock  # noqa: PLC0415
    from core.verification import Check  # noqa: PLC0415
    from credits.reconciliation import ID_MAX, ID_MIN, count_entries  # noqa: PLC0415

    class StopWatch(Watcher):
        """Seconds by check, over all ranges."""

        def __init__(self) -> None:
            self.by_check: dict[str, float] = {}
            self._check, self._since = "", time.perf_counter()

        def begins(self, check: Check, low: int, high: int) -> None:
            self._end()
            self._check, self._since = check.name, time.perf_counter()

        def covered(self, low: int, high: int, disagreeing: set[int]) -> None:
            self._end()

        def _end(self) -> None:
            self.by_check[self._check] = self.by_check.get(self._check, 0.0) + time.perf_counter() - self._since
            self._since = time.perf_counter()

    watch, start = StopWatch(), _peak_mib()
    started = time.perf_counter()
    result = verify_ledger(now=clock.now(), watcher=watch)
    seconds = time.perf_counter() - started
    return Proof(
        entries=count_entries(ID_MIN, ID_MAX)[1],
        discrepancies=[str(one) for one in result.discrepancies[:SLOWEST]],
        seconds=seconds,
        by_check=watch.by_check,
        start_mib=start,
        peak_mib=_peak_mib(),
    )


def _peak_mib() -> float:
    # Not getrusage's: that one still counts what the process was before it became this program, which is its parent.
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    return int(status["VmHWM"].split()[0]) / 1024


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(_run())))
