"""What one run comes to, and how it is watched."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from benchmarks.counter import Counted
from benchmarks.cpu import worked
from benchmarks.servers import Web


@dataclass(frozen=True)
class Sample:
    """
    So many events or requests a second.

    Where each request was timed: `latency`, its median and 99th percentile in milliseconds, by name; `cpu`, milliseconds of CPU a request
    (ingest: a thousand events), by who used them. `counted`, where a counter ran beside it; `counted_rate` is then what is left of the
    rate when the seconds in which the rest was counted are added to the run's.
    """

    rate: float
    latency: dict[str, tuple[float, float]] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)
    counted: Counted | None = None
    counted_rate: float = 0.0


@dataclass
class Watched:
    """Seconds of CPU, by who used them, and what was counted; known when the run is over."""

    cpu: dict[str, float] = field(default_factory=dict)
    counted: Counted | None = None

    def sample(self, done: int, lasted: float, requests: int, latency: dict[str, tuple[float, float]] | None = None) -> Sample:
        """So much was done in so many seconds, by that many requests."""
        cpu = {who: 1000 * used / max(requests, 1) for who, used in self.cpu.items()}
        rest = self.counted.after_seconds if self.counted else 0.0
        return Sample(done / lasted, latency or {}, cpu, self.counted, done / (lasted + rest))


@contextmanager
def watched(web: Web | None) -> Iterator[Watched]:
    """Read CPU before and after the block; where that server has a counter, it counts meanwhile, and the rest after it."""
    seen, counter = Watched(), web.counter if web else None
    pid, but = (web.pid if web else None), (counter.session if counter else 0)
    before = worked(pid, but=but)
    if counter:
        counter.begin()
    yield seen
    seen.cpu = worked(pid, but=but).since(before)
    if counter:
        seen.counted, used = counter.end()
        seen.cpu |= used
