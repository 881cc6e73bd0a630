"""What the house bears by rows of customers, booked by account and UTC day: each finished day once, however late or often."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from django.db.models import QuerySet, Sum

from core.clock import HasTime
from core.zones import local_date, midnight
from credits.services.house import House, HouseItem, book_house, booked_through, close_days

OVER_AFTER: Final = timedelta(minutes=15)
"""A row is in its day by `created_at`, and committed within a request's time: after a quarter of an hour a day is whole."""
BEHIND_AFTER: Final = timedelta(days=2)
"""A day's sums are booked in the night after it: so long after its end the job stands still."""

_AT_ONCE: Final = 1_000
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Daily:
    """What is booked on `house`: of these rows, each with `account_id` and `created_at`, the sums of their column `nanos` (above 0)."""

    house: House
    nanos: str
    rows: Callable[[], QuerySet[Any]]


def book_days(daily: Daily, *, now: datetime, has_time: HasTime) -> int:
    """
    Book the sums of every finished UTC day that nobody booked yet, however many days that is; returns how many entries.

    One that ends half-way, or has no time left, goes on at the next run: an entry is `<house>:<account id>:<day>`, once.
    Raises SourceKeyReused where a day has changed since it was booked.
    """
    booked, yesterday = 0, local_date("UTC", now - OVER_AFTER) - _DAY
    while (day := _next_day(daily, yesterday)) is not None:
        last = 0
        while sums := _sums(daily, day, after=last):
            if not has_time():
                return booked
            booked += book_house(house=daily.house, items=[_item(daily.house, pk, nanos, day) for pk, nanos in sums], now=now)
            last = sums[-1][0]
        close_days(house=daily.house, through=day, now=now)
    close_days(house=daily.house, through=yesterday, now=now)
    return booked


def day_behind(daily: Daily, *, now: datetime) -> date | None:
    """The first day that has something to book, ended two days ago, and is not booked whole; None where the job keeps up."""
    return _next_day(daily, local_date("UTC", now - BEHIND_AFTER) - _DAY)


def _next_day(daily: Daily, until: date) -> date | None:
    """The first day, `until` at the latest, that has something and is not booked whole."""
    through = booked_through(daily.house)
    rows = daily.rows().filter(created_at__lt=midnight("UTC", until + _DAY))
    if through is not None:
        rows = rows.filter(created_at__gte=midnight("UTC", through + _DAY))
    first = rows.order_by("created_at").values_list("created_at", flat=True).first()
    return None if first is None else local_date("UTC", first)


def _sums(daily: Daily, day: date, *, after: int) -> list[tuple[int, int]]:
    rows = daily.rows().filter(created_at__gte=midnight("UTC", day), created_at__lt=midnight("UTC", day + _DAY), account_id__gt=after)
    by_account = rows.order_by("account_id").values("account_id").annotate(nanos=Sum(daily.nanos))
    return [(row["account_id"], int(row["nanos"])) for row in by_account[:_AT_ONCE]]


def _item(house: House, account_id: int, nanos: int, day: date) -> HouseItem:
    return HouseItem(nanos, f"{house.value}:{account_id}:{day.isoformat()}", day, account_id)
