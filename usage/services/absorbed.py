"""What the operator bears of customers' usage, as the house bears it."""

from datetime import date, datetime
from typing import Final

from django.db.models import QuerySet

from core.clock import HasTime
from credits.services.house import House
from credits.services.house_days import Daily, book_days, day_behind
from usage.models import UsageEvent


def _absorbed() -> QuerySet[UsageEvent]:
    return UsageEvent.objects.filter(absorbed_nanos__gt=0)


ABSORBED: Final = Daily(House.ABSORBED, "absorbed_nanos", _absorbed)


def book_absorbed_days(*, now: datetime, has_time: HasTime) -> int:
    """Book what events of finished UTC days have absorbed: see `book_days`."""
    return book_days(ABSORBED, now=now, has_time=has_time)


def absorbed_behind(*, now: datetime) -> date | None:
    """The first day whose absorbed usage the house should have booked long ago."""
    return day_behind(ABSORBED, now=now)
