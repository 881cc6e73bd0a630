"""Debt that the operator has written off, as the house bears it."""

from datetime import datetime
from typing import Final

from django.db.models import QuerySet

from core.clock import HasTime
from credits.models import Kind, LedgerEntry
from credits.services.house import House
from credits.services.house_days import Daily, book_days


def _written_off() -> QuerySet[LedgerEntry]:
    return LedgerEntry.objects.filter(kind=Kind.WRITE_OFF)


WRITTEN_OFF: Final = Daily(House.WRITE_OFF, "amount_nanos", _written_off)


def book_written_off_days(*, now: datetime, has_time: HasTime) -> int:
    """Book what entries of finished UTC days have written off: see `book_days`."""
    return book_days(WRITTEN_OFF, now=now, has_time=has_time)
