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
    """One row: its name, the bar it must reach, the aim; and how a run of so many seconds is made."""

    name: str
    bar: float
    aim: float
    floor: Run
    product: Run


@dataclass(frozen=True)
class Pair:
    """A floor run and the product run after it."""

    floor: Sample
    product: Sample

    @property
    def ratio(self) -> float:
        """What of the floor's rate the product reaches."""
        return self.product.rate / self.floor.rate


def _ingest(name: str, accounts: int, bar: float, aim: float) -> Row:
    name = f"ingest, batch 1,000, {name}, over HTTP"
    return Row(name, bar, aim, partial(ingest.floor, accounts), partial(ingest.product, accounts))


ROWS: Final = (
    _ingest("10,000 accounts", ACCOUNTS, bar=0.35, aim=0.55),
    _ingest("100 accounts", 100, bar=0.60, aim=0.85),
    _ingest("one hot account", 1, bar=0.60, aim=0.85),
    Row("hold, and capture, 32 clients, 10,000 accounts", 0.40, 0.60, gate.floor, partial(gate.product, ACCOUNTS)),
    Row("the same on one hot account", 0.60, 1.0, partial(gate.product, ACCOUNTS), partial(gate.product, 1)),
)


def measure(row: Row, world: World, servers: Servers, *, pairs: int, seconds: float) -> list[Pair]:
    """Warm up once, then floor and product in turn."""
    row.floor(world, servers, 1.0)
    row.product(world, servers, 1.0)
    return [Pair(row.floor(world, servers, seconds), row.product(world, servers, seconds)) for _ in range(pairs)]
