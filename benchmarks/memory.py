"""Memory of the web server's workers while they ingest: what each has at minute 1, and what it has at the end."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.cpu import children

BAR: Final = 1.2
AIM: Final = 1.05
_EVERY_SECONDS: Final = 2.0


@dataclass
class Growth:
    """Resident memory of each worker over time: (seconds since the start, MiB)."""

    samples: dict[int, list[tuple[float, float]]] = field(default_factory=dict)

    def at(self, pid: int, seconds: float) -> float:
        """The last sample up to then."""
        return [size for when, size in self.samples[pid] if when <= seconds][-1]

    def ratios(self, first: float) -> list[tuple[int, float, float]]:
        """By worker: its MiB after `first` seconds, and at the end."""
        lived = [pid for pid, samples in self.samples.items() if samples[0][0] <= first < samples[-1][0]]
        return [(pid, self.at(pid, first), self.samples[pid][-1][1]) for pid in sorted(lived)]


@contextmanager
def watched_workers(web: int) -> Iterator[Growth]:
    """Sample the children of the web server with this pid for as long as the block lasts. Linux only."""
    growth, over, started = Growth(), threading.Event(), time.monotonic()

    def watch() -> None:
        while True:
            for pid in children(web):
                growth.samples.setdefault(pid, []).append((time.monotonic() - started, _resident_mib(pid)))
            if over.wait(_EVERY_SECONDS):
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield growth
    finally:
        over.set()
        watcher.join()


def print_memory(web: int, minutes: float, work: Callable[[float], None]) -> None:
    """`work` ingests for so many seconds. With less than two minutes, the first mark is at half of the time."""
    seconds = minutes * 60
    first = min(60.0, seconds / 2)
    with watched_workers(web) as growth:
        work(seconds)
    ratios = growth.ratios(first)
    for pid, early, late in ratios:
        print(f"    worker {pid}: {early:.1f} MiB after {first:.0f} s, {late:.1f} MiB after {seconds:.0f} s, ratio {late / early:.3f}")
    if not ratios:
        raise SystemExit("no worker lived from the first mark to the end")
    worst = max(late / early for _, early, late in ratios)
    print(
        f"memory of a worker, {minutes:g} minutes of ingest: ratio {worst:.2f}  bar {BAR:.2f}  aim {AIM:.2f}{_rest(ratios, first, seconds)}"
    )


def _rest(ratios: list[tuple[int, float, float]], first: float, seconds: float) -> str:
    """What the same growth would come to after ten minutes, where the run was shorter; a straight line is the worst case."""
    whole, least = 600.0, 60.0
    if not least <= seconds < whole:
        return "" if seconds >= whole else "; too short to say more"
    ahead = max((early + (late - early) / (seconds - first) * (whole - 60.0)) / early for _, early, late in ratios)
    return f"; extrapolated in a straight line to ten minutes: {ahead:.2f}"


def _resident_mib(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:")), 0.0)
