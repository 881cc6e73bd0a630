"""
The only place that takes row locks and advisory locks.

Everywhere in the same order (ARCHITECTURE.md "Lock order"): inbox row, order, attempt / refund / dispute, top-up config, coupon,
subscription, usage-event keys, wallets by account id, check-in budget. Identity has its own: account, invite, user; never beside
those of money.
"""

import hashlib
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


def advisory_key(scope: str, key: str) -> int:
    """The 64-bit number that stands for a text: the first eight bytes of its SHA-256, signed as PostgreSQL wants it."""
    digest = hashlib.sha256(f"{scope}\x1f{key}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def try_advisory_lock(scope: str, key: str) -> bool:
    """Take the lock of a text until the transaction ends; False when another transaction has it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [advisory_key(scope, key)])
        return bool(cursor.fetchone()[0])
