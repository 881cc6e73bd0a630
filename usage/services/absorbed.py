"""What the operator bears of customers' usage, booked on the house by account and UTC day."""

from datetime import date, datetime, timedelta
from typing import Final

from django.db.models import QuerySet, Sum

from core.clock import HasTime
from core.zones import local_date, midnight
from credits.services.house import House, HouseItem, book_house, booked_through, close_days
from usage.models import UsageEvent

OVER_AFTER: Final = timedelta(minutes=15)
"""An event is in its day by when it came, and committed within a request's time: after a quarter of an hour a day is whole."""

_AT_ONCE: Final = 1_000


def book_absorbed_days(*, now: datetime, has_time: HasTime) -> int:
    """
    Book what events of every finished UTC day have absorbed and nobody booked yet, however many days that is; returns how many entries.

    One that ends half-way, or has no time left, goes on at the next run: an entry is `absorbed:<account id>:<day>`, once.
    Raises SourceKeyReused where a day has changed since it was booked.
    """
    booked, yesterday = 0, local_date("UTC", now - OVER_AFTER) - timedelta(days=1)
    while (day := _next_day(yesterday)) is not None:
        last = 0
        while sums := _sums(day, after=last):
            if not has_time():
                return booked
            booked += book_house(house=House.ABSORBED, items=[_item(pk, nanos, day) for pk, nanos in sums], now=now)
            last = sums[-1][0]
        close_days(house=House.ABSORBED, through=day, now=now)
    close_days(house=House.ABSORBED, through=yesterday, now=now)
    return booked


def _next_day(until: date) -> date | None:
    """The first day, `until` at the latest, that has absorbed something and is not booked whole."""
    through = booked_through(House.ABSORBED)
    events = _absorbed().filter(created_at__lt=midnight("UTC", until + timedelta(days=1)))
    if through is not None:
        events = events.filter(created_at__gte=midnight("UTC", through + timedelta(days=1)))
    first = events.order_by("created_at").values_list("created_at", flat=True).first()
    return None if first is None else local_date("UTC", first)


def _sums(day: date, *, after: int) -> list[tuple[int, int]]:
    events = _absorbed().filter(created_at__gte=midnight("UTC", day), created_at__lt=midnight("UTC", day + timedelta(days=1)))
    by_account = events.filter(account_id__gt=after).values("account_id").annotate(nanos=Sum("absorbed_nanos")).order_by("account_id")
    return [(row["account_id"], int(row["nanos"])) for row in by_account[:_AT_ONCE]]


def _absorbed() -> QuerySet[UsageEvent]:
    return UsageEvent.objects.filter(absorbed_nanos__gt=0)


def _item(account_id: int, nanos: int, day: date) -> HouseItem:
    return HouseItem(nanos, f"absorbed:{account_id}:{day.isoformat()}", day, account_id)
