"""The rows of the budget table: what the floor does, what the product does, the ratio they must reach."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from benchmarks import gate, ingest
from benchmarks.sample import Sample
from benchmarks.servers import Servers
from benchmarks.world import ACCOUNTS, World

Run = Callable[[World, Servers, float], Sample]


@dataclass(frozen=True)
class Row:
    """One row: its number, its name, the bar it must reach, the aim (none: to be looked at); how a run of so many seconds is made."""

    number: int
    name: str
    bar: float | None
    aim: float | None
    floor: Run
    product: Run
    per: str = "a request"
    """What CPU is printed for."""


@dataclass(frozen=True)
class Pair:
    """A floor run and the product run after it."""

    floor: Sample
    product: Sample

    @property
    def ratio(self) -> float:
        """What of the floor's rate the product reaches."""
        return self.product.rate / self.floor.rate

    @property
    def counted_ratio(self) -> float:
        """The same, when what still had to be counted is done within the product's time."""
        return self.product.counted_rate / self.floor.rate

    @property
    def cpu_ratio(self) -> float:
        """The floor's CPU beside the product's: the ratio of rates on cores that have nothing else to do."""
        used = sum(self.product.cpu.values())
        return sum(self.floor.cpu.values()) / used if used else 0.0


def _ingest(number: int, name: str, accounts: int, bar: float, aim: float) -> Row:
    name = f"ingest, batch 1,000, {name}, over HTTP"
    return Row(number, name, bar, aim, partial(ingest.floor, accounts), partial(ingest.product, accounts), "1,000 events")


ROWS: Final = (
    _ingest(1, "10,000 accounts", ACCOUNTS, bar=0.35, aim=0.55),
    _ingest(2, "100 accounts", 100, bar=0.60, aim=0.85),
    _ingest(3, "one hot account", 1, bar=0.60, aim=0.85),
    Row(4, "hold, and capture, 32 clients, 10,000 accounts", 0.40, 0.60, gate.floor, partial(gate.product, ACCOUNTS)),
    Row(5, "the same on one hot account", 0.60, 1.0, partial(gate.product, ACCOUNTS), partial(gate.product, 1)),
    Row(8, "one event a request, 32 clients, 10,000 accounts", None, None, gate.floor, partial(gate.single_events, ACCOUNTS)),
    Row(8, "the same on one hot account", None, None, gate.floor, partial(gate.single_events, 1)),
)
PROOF: Final = 6
MEMORY: Final = 7
"""Rows without a floor."""


def measure(row: Row, world: World, servers: Servers, *, pairs: int, seconds: float) -> list[Pair]:
    """Warm up once, then floor and product in turn."""
    row.floor(world, servers, 1.0)
    row.product(world, servers, 1.0)
    return [Pair(row.floor(world, servers, seconds), row.product(world, servers, seconds)) for _ in range(pairs)]
