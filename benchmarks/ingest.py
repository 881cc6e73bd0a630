"""
Ingest. Floor: two clients COPY one event row and one entry row each, a thousand of both a transaction, into tables with the product's
columns, indexes and constraints. Product: the same number of events over HTTP, a thousand a request, by two clients, and what counts
them into roll-ups beside it.
"""

import http.client
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from typing import Final

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

from benchmarks.sample import Sample, watched
from benchmarks.servers import Servers, Web
from benchmarks.world import FLOOR_TABLES, World

BATCH: Final = 1_000
CLIENTS: Final = 2


def floor(accounts: int, world: World, _servers: Servers, seconds: float) -> Sample:
    """COPY into emptied tables."""
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {', '.join(FLOOR_TABLES)}")
    batches = _floor_batches(world, accounts, _most(seconds, per_second=80))
    with _sessions(CLIENTS) as sessions:
        return _sample([_copier(session, mine) for session, mine in zip(sessions, batches, strict=True)], seconds, None)


@contextmanager
def _sessions(many: int) -> Iterator[list[BaseDatabaseWrapper]]:
    """Connections of the clients' own. They are there before the clock starts, and still there when their CPU is read."""
    sessions = [connection.copy() for _ in range(many)]
    for session in sessions:
        session.inc_thread_sharing()
        session.ensure_connection()
    try:
        yield sessions
    finally:
        for session in sessions:
            session.close()


@lru_cache(maxsize=1)
def _floor_batches(world: World, accounts: int, most: int) -> list[list[tuple[str, str]]]:
    """By client; the same ones in every run of a row, since the tables are emptied before. To make them takes longer than a run."""
    return [[world.floor_batch(accounts, BATCH) for _ in range(most)] for _ in range(CLIENTS)]


def product(accounts: int, world: World, servers: Servers, seconds: float) -> Sample:
    """POST /v1/usage/events."""
    return product_of(servers.product, accounts, world, seconds)


def product_of(web: Web, accounts: int, world: World, seconds: float) -> Sample:
    """Likewise, of this server."""
    bodies = [[world.body(world.accounts[:accounts], BATCH) for _ in range(_most(seconds, per_second=40))] for _ in range(CLIENTS)]
    return _sample([_poster(web.port, world.platform_key, mine) for mine in bodies], seconds, web)


def _most(seconds: float, *, per_second: int) -> int:
    """Enough batches that no client runs dry; they are made before the clock starts."""
    return int(seconds * per_second)


def _copier(session: BaseDatabaseWrapper, batches: list[tuple[str, str]]) -> Callable[[], bool]:
    """One more batch at each call; False when there is none left."""
    left = iter(batches)

    def copy_next() -> bool:
        events, entries = next(left, ("", ""))
        if not events:
            return False
        with session.cursor() as cursor:
            cursor.execute("BEGIN")
            for table, lines in zip(FLOOR_TABLES, (events, entries), strict=True):
                with cursor.copy(f"COPY {table} FROM STDIN") as copy:
                    copy.write(lines)
            cursor.execute("COMMIT")
        return True

    return copy_next


def _poster(port: int, key: str, bodies: list[bytes]) -> Callable[[], bool]:
    """One more request at each call; False when there is none left."""
    left = iter(bodies)
    web = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
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


def _sample(clients: list[Callable[[], bool]], seconds: float, web: Web | None) -> Sample:
    """Events a second of all clients together, each until the time is over."""
    with watched(web) as seen, ThreadPoolExecutor(len(clients)) as pool:
        started = time.monotonic()

        def work(client: Callable[[], bool]) -> int:
            done = 0
            while time.monotonic() - started < seconds and client():
                done += BATCH
            return done

        done = sum(pool.map(work, clients))
        lasted = time.monotonic() - started
    return seen.sample(done, lasted, done // BATCH)
