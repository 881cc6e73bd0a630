"""
The only place in Python that takes locks in the database.

Everywhere in the same order (ARCHITECTURE.md "Lock order"): inbox row, order, attempt, review, usage-event keys, wallets by account id.
Identity has its own: account, invite, user; never beside those of money.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from django.db import connection
from django.db.models import Model, QuerySet

Row = TypeVar("Row", bound=Model)


def locked(rows: QuerySet[Row]) -> QuerySet[Row]:
    """These rows, locked until the transaction ends, in the order of their keys: two callers never wait for each other crosswise."""
    return rows.select_for_update(of=("self",), no_key=True).order_by("pk")


def lock_one(rows: QuerySet[Row]) -> Row | None:
    """The first of these rows, locked until the transaction ends, or None."""
    return locked(rows).first()


@contextmanager
def single_flight(name: str) -> Iterator[bool]:
    """
    Whether nobody else is inside at this moment, on any host; if so, nobody else comes in until the end.

    A lock of the session, with no transaction open, so that jobs may ask the network meanwhile. It ends with the connection.
    """
    key = advisory_key(name)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [key])
        (is_mine,) = cursor.fetchone()
    try:
        yield bool(is_mine)
    finally:
        if is_mine:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [key])


def try_claim(name: str) -> bool:
    """Claim a name until the present transaction ends, without waiting; False where somebody else has it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [advisory_key(name)])
        (is_mine,) = cursor.fetchone()
    return bool(is_mine)


def claim(name: str) -> None:
    """Likewise, but wait until nobody else has it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [advisory_key(name)])


def advisory_key(name: str) -> int:
    """The first 8 bytes of the name's SHA-256, as PostgreSQL's signed bigint."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
