"""The two servers everything needs: given by DATABASE_URL and REDIS_URL, or kept by this checkout's keepers."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from launcher import postgres
from launcher.keeper import Lease, lease
from launcher.ports import HOST
from launcher.state import State

STOP_SECONDS: Final = 30


@dataclass(frozen=True)
class Servers:
    """Claims on the servers; None where the environment names one of its own."""

    state: State
    database: Lease | None
    cache: Lease | None

    def database_url(self, name: str) -> str:
        """The database of that name; what DATABASE_URL says, where it is given."""
        if self.database is None:
            return os.environ["DATABASE_URL"]
        return f"postgres://{postgres.USER}:{self.database.password}@{HOST}:{self.database.port}/{name}"

    def redis_url(self, number: int) -> str:
        """The Redis database of that number; what REDIS_URL says, where it is given."""
        if self.cache is None:
            return os.environ["REDIS_URL"]
        return f"redis://:{self.cache.password}@{HOST}:{self.cache.port}/{number}"

    def raise_if_dead(self) -> None:
        """Raise the Failure of a server that has ended."""
        for claim in (self.database, self.cache):
            if claim is not None and not claim.is_kept():
                raise claim.failure()


@contextmanager
def serving(state: State, *, wait_at_end: bool = False) -> Iterator[Servers]:
    """
    Claim both servers for the length of the block.

    `wait_at_end`: see them stopped, the cache before the database, unless another command still uses them.
    """
    claims: list[Lease] = []
    try:
        database = None if os.environ.get("DATABASE_URL") else _claimed(state, "postgres", claims)
        cache = None if os.environ.get("REDIS_URL") else _claimed(state, "valkey", claims)
        yield Servers(state, database, cache)
    finally:
        for claim in reversed(claims):
            claim.release(wait_seconds=STOP_SECONDS if wait_at_end else 0)


def _claimed(state: State, name: str, claims: list[Lease]) -> Lease:
    claims.append(lease(state, name))
    return claims[-1]
