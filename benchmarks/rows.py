"""
The rows of the budget table: what the floor does, what the product does.

Floor of ingest: two clients COPY one event row and one entry row each, a thousand of both a transaction, into tables with the
product's columns, indexes and constraints. Product: the same number of events over HTTP, a thousand a request, through two web
workers, by two clients on the same machine.
"""

import http.client
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from django.db import connection

from benchmarks.world import FLOOR_TABLES, World

BATCH: Final = 1_000
CLIENTS: Final = 2


@dataclass(frozen=True)
class Row:
    """One row: over how many accounts, the bar it must reach and the aim."""

    name: str
    accounts: int
    bar: float
    aim: float


@dataclass(frozen=True)
class Pair:
    """Events a second of one floor run and of the product run after it."""

    floor: float
    product: float


ROWS: Final = (
    Row("ingest, batch 1,000, 10,000 accounts, over HTTP", 10_000, bar=0.35, aim=0.55),
    Row("ingest, batch 1,000, 100 accounts, over HTTP", 100, bar=0.60, aim=0.85),
    Row("ingest, batch 1,000, one hot account, over HTTP", 1, bar=0.60, aim=0.85),
)


def measure(row: Row, world: World, url: str, *, pairs: int, seconds: float) -> list[Pair]:
    """Warm up once, then floor and product in turn."""
    _product(row, world, url, 1.0)
    return [Pair(_floor(row, world, seconds), _product(row, world, url, seconds)) for _ in range(pairs)]


def _floor(row: Row, world: World, seconds: float) -> float:
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {', '.join(FLOOR_TABLES)}")
    batches = [[world.floor_batch(row.accounts, BATCH) for _ in range(_most(seconds, per_second=90))] for _ in range(CLIENTS)]
    return _rate([_copier(mine) for mine in batches], seconds)


def _product(row: Row, world: World, url: str, seconds: float) -> float:
    bodies = [[world.body(row.accounts, BATCH) for _ in range(_most(seconds, per_second=60))] for _ in range(CLIENTS)]
    return _rate([_poster(url, world.platform_key, mine) for mine in bodies], seconds)


def _most(seconds: float, *, per_second: int) -> int:
    """Enough batches that no client runs dry; they are made before the clock starts."""
    return int(seconds * per_second)


def _copier(batches: list[tuple[str, str]]) -> Callable[[], bool]:
    """One more batch at each call; False when there is none left."""
    left = iter(batches)

    def copy_next() -> bool:
        events, entries = next(left, ("", ""))
        if not events:
            return False
        with connection.cursor() as cursor:
            cursor.execute("BEGIN")
            for table, lines in zip(FLOOR_TABLES, (events, entries), strict=True):
                with cursor.copy(f"COPY {table} FROM STDIN") as copy:
                    copy.write(lines)
            cursor.execute("COMMIT")
        return True

    return copy_next


def _poster(url: str, key: str, bodies: list[bytes]) -> Callable[[], bool]:
    """One more request at each call; False when there is none left."""
    left = iter(bodies)
    web = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def post_next() -> bool:
        body = next(left, None)
        if body is None:
            return False
        web.request("POST", "/v1/usage/events", body, headers)
        answer = web.getresponse().read()
        if not answer.startswith(b'{"accepted":%d,' % BATCH):
            raise RuntimeError(answer[:500].decode(errors="replace"))
        return True

    return post_next


def _rate(clients: list[Callable[[], bool]], seconds: float) -> float:
    """Events a second of all clients together, each until the time is over."""
    started = time.monotonic()

    def work(client: Callable[[], bool]) -> int:
        done = 0
        while time.monotonic() - started < seconds and client():
            done += BATCH
        connection.close()
        return done

    with ThreadPoolExecutor(len(clients)) as pool:
        done = sum(pool.map(work, clients))
    return done / (time.monotonic() - started)
