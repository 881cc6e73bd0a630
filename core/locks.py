"""
The only place in Python that takes row locks.

Everywhere in the same order (ARCHITECTURE.md "Lock order"): inbox row, order, attempt / refund / dispute, top-up config, coupon,
subscription, usage-event keys, wallets by account id, check-in budget. Identity has its own: account, invite, user; never beside
those of money.
"""

from typing import TypeVar

from django.db.models import Model, QuerySet

Row = TypeVar("Row", bound=Model)


def locked(rows: QuerySet[Row]) -> QuerySet[Row]:
    """These rows, locked until the transaction ends, in the order of their keys: two callers never wait for each other crosswise."""
    return rows.select_for_update(of=("self",), no_key=True).order_by("pk")


def lock_one(rows: QuerySet[Row]) -> Row | None:
    """The first of these rows, locked until the transaction ends, or None."""
    return locked(rows).first()
