"""Booking on house accounts. They have locks of its own, and are never part of a customer's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db import transaction

from core.errors import InvariantViolation
from core.locks import lock_one
from credits.errors import SourceKeyReused
from credits.models import House, HouseAccount, HouseEntry

__all__ = ("House", "HouseItem", "book_house", "booked_through", "close_days")


@dataclass(frozen=True, slots=True)
class HouseItem:
    """
    What is to be booked: signed nanos (positive: the house bears it), and the key that names it for ever.

    `account_id`: whose act it was, if one account's. `occurred_on`: its UTC day.
    """

    amount_nanos: int
    source_key: str
    occurred_on: date
    account_id: int | None = None


def book_house(*, house: House, items: Sequence[HouseItem], now: datetime) -> int:
    """
    Book these on one house account, in their order; what is known by its key is left alone. Returns how many are new.

    A transaction of its own: RuntimeError inside another one. Raises SourceKeyReused (a known key with another amount or account):
    nothing is booked then.
    """
    with transaction.atomic(durable=True):
        book = _lock(house, now)
        fresh = _fresh(house, items)
        at, rows = max(now, book.clock_at), []
        for seq, item in enumerate(fresh, start=book.next_seq):
            book.balance_nanos += item.amount_nanos
            rows.append(_entry(book, seq, item, at))
        HouseEntry.objects.bulk_create(rows)
        book.next_seq, book.clock_at = book.next_seq + len(rows), at
        book.save()
    return len(rows)


def booked_through(house: House) -> date | None:
    """The last UTC day that is booked whole; None where none was."""
    return HouseAccount.objects.filter(pk=house).values_list("through_on", flat=True).first()


def close_days(*, house: House, through: date, now: datetime) -> None:
    """Every day until this one is booked whole. Never goes back."""
    with transaction.atomic(durable=True):
        book = _lock(house, now)
        if book.through_on is None or book.through_on < through:
            book.through_on = through
            book.save()


def _lock(house: House, now: datetime) -> HouseAccount:
    HouseAccount.objects.bulk_create([HouseAccount(house=house, clock_at=now)], ignore_conflicts=True)
    book = lock_one(HouseAccount.objects.filter(pk=house))
    if book is None:
        raise InvariantViolation(f"The house account {house} is gone.")
    return book


def _fresh(house: House, items: Sequence[HouseItem]) -> list[HouseItem]:
    wanted = {item.source_key: item for item in items}
    for entry in HouseEntry.objects.filter(house=house, source_key__in=wanted):
        known = wanted.pop(entry.source_key)
        if (entry.amount_nanos, entry.account_id) != (known.amount_nanos, known.account_id):
            raise SourceKeyReused(f"{entry} has booked another amount under this key.")
    return list(wanted.values())


def _entry(book: HouseAccount, seq: int, item: HouseItem, at: datetime) -> HouseEntry:
    return HouseEntry(
        house=book.house,
        seq=seq,
        amount_nanos=item.amount_nanos,
        balance_after_nanos=book.balance_nanos,
        source_key=item.source_key,
        account_id=item.account_id,
        occurred_on=item.occurred_on,
        created_at=at,
    )
