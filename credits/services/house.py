"""Booking on house accounts. They have locks of their own, and are never part of a customer's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db import transaction

from core.errors import InvariantViolation
from core.locks import lock_one
from credits.errors import AmountOutOfRange, SourceKeyReused
from credits.models import House, HouseAccount, HouseEntry

__all__ = ("House", "HouseItem", "book_house", "booked_through", "close_days")


@dataclass(frozen=True, slots=True)
class HouseItem:
    """
    What is to be booked: signed nanos, not 0 (positive: the house bears it), and the key that names it for ever.

    `account_id`: whose act it was, if one account's. `occurred_on`: its UTC day.
    """

    amount_nanos: int
    source_key: str
    occurred_on: date
    account_id: int | None = None


def book_house(*, house: House, items: Sequence[HouseItem], now: datetime) -> int:
    """
    Book these on one house account, in their order; what is known by its key is left alone. Returns how many are new.

    A transaction of its own: RuntimeError inside another one. Raises AmountOutOfRange (an amount of 0) and SourceKeyReused (a key with
    two amounts or accounts, among these or since it was booked): nothing is booked then.
    """
    wanted = _by_key(items)
    with transaction.atomic(durable=True):
        account = _lock(house, now)
        fresh = _fresh(house, wanted)
        at, rows = max(now, account.clock_at), []
        for seq, item in enumerate(fresh, start=account.next_seq):
            account.balance_nanos += item.amount_nanos
            rows.append(_entry(account, seq, item, at))
        HouseEntry.objects.bulk_create(rows)
        account.next_seq, account.clock_at = account.next_seq + len(rows), at
        account.save()
    return len(rows)


def booked_through(house: House) -> date | None:
    """The last UTC day that is booked whole; None where none was."""
    return HouseAccount.objects.filter(pk=house).values_list("through_on", flat=True).first()


def close_days(*, house: House, through: date, now: datetime) -> None:
    """Every day until this one is booked whole. Never goes back."""
    with transaction.atomic(durable=True):
        account = _lock(house, now)
        if account.through_on is None or account.through_on < through:
            account.through_on = through
            account.save()


def _lock(house: House, now: datetime) -> HouseAccount:
    HouseAccount.objects.bulk_create([HouseAccount(house=house, clock_at=now)], ignore_conflicts=True)
    account = lock_one(HouseAccount.objects.filter(pk=house))
    if account is None:
        raise InvariantViolation(f"The house account {house} is gone.")
    return account


def _by_key(items: Sequence[HouseItem]) -> dict[str, HouseItem]:
    wanted: dict[str, HouseItem] = {}
    for item in items:
        if item.amount_nanos == 0:
            raise AmountOutOfRange("A house entry moves something; leave out what is 0.", field="amount")
        if wanted.setdefault(item.source_key, item) != item:
            raise SourceKeyReused(f"{item.source_key} names two different things of one call.")
    return wanted


def _fresh(house: House, wanted: dict[str, HouseItem]) -> list[HouseItem]:
    for entry in HouseEntry.objects.filter(house=house, source_key__in=list(wanted)):
        known = wanted.pop(entry.source_key)
        if (entry.amount_nanos, entry.account_id) != (known.amount_nanos, known.account_id):
            raise SourceKeyReused(f"{entry} has booked another amount under this key.")
    return list(wanted.values())


def _entry(account: HouseAccount, seq: int, item: HouseItem, at: datetime) -> HouseEntry:
    return HouseEntry(
        house=account.house,
        seq=seq,
        amount_nanos=item.amount_nanos,
        balance_after_nanos=account.balance_nanos,
        source_key=item.source_key,
        account_id=item.account_id,
        occurred_on=item.occurred_on,
        created_at=at,
    )
