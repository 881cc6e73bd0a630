"""
Periods of a calendar: days, weeks, months or years counted from an anchor date. Pure.

Each period is counted from the anchor, never from the one before: a month that is too short ends early and the next one returns to
the anchor's day (31 January, 28 February, 31 March).
"""

from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from core.zones import midnight


class Every(StrEnum):
    """How long a period is."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


@dataclass(frozen=True, slots=True)
class Period:
    """One period: the local date it begins on, and its instants, the end not included."""

    number: int
    starts_on: date
    starts_at: datetime
    ends_at: datetime


def period(anchor: date, every: Every, number: int, *, zone: str) -> Period:
    """The period `number` (0 begins on the anchor) in days of `zone`."""
    starts_on, ends_on = (first_day(anchor, every, which) for which in (number, number + 1))
    return Period(number, starts_on, midnight(zone, starts_on), midnight(zone, ends_on))


def begun(anchor: date, every: Every, today: date) -> int:
    """How many periods have begun on that local day."""
    number = max(0, _guess(anchor, every, today))
    while first_day(anchor, every, number) <= today:
        number += 1
    return number


def first_day(anchor: date, every: Every, number: int) -> date:
    """The local date on which the period `number` begins."""
    return _FIRST_DAY[every](anchor, number)


def _guess(anchor: date, every: Every, today: date) -> int:
    """As many as have begun for certain, or one fewer."""
    days = (today - anchor).days
    months = (today.year - anchor.year) * 12 + today.month - anchor.month
    return {Every.DAY: days, Every.WEEK: days // 7, Every.MONTH: months - 1, Every.YEAR: months // 12 - 1}[every]


def _months_later(anchor: date, months: int) -> date:
    year, month = divmod(anchor.year * 12 + anchor.month - 1 + months, 12)
    return date(year, month + 1, min(anchor.day, monthrange(year, month + 1)[1]))


_FIRST_DAY: dict[Every, Callable[[date, int], date]] = {
    Every.DAY: lambda anchor, number: anchor + timedelta(days=number),
    Every.WEEK: lambda anchor, number: anchor + timedelta(weeks=number),
    Every.MONTH: _months_later,
    Every.YEAR: lambda anchor, number: _months_later(anchor, 12 * number),
}
