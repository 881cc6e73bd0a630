"""
Which time a report covers: what was asked for, widened to whole days, hours or quarter-hours, since roll-ups know nothing finer. Pure.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from core.days import UNIX_EPOCH
from core.errors import InvalidInput
from core.zones import local_date, midnight

DAYS_MAX: Final = 366
"""So many days a report covers at most: a year, whichever."""
HOURS_MAX_DAYS: Final = 32
"""So many days a report by the hour covers at most: a month, whichever."""

QUARTER: Final = timedelta(minutes=15)
_TICK: Final = timedelta(microseconds=1)
_DAY: Final = timedelta(days=1)
_YEARS: Final = range(2000, 9999)
"""Since then every zone is whole quarter-hours from UTC."""


class Period(StrEnum):
    """Which calendar unit of the account's zone a report begins with, where it is not told."""

    DAILY = "daily"
    MONTHLY = "monthly"
    YEARLY = "yearly"


class Grouping(StrEnum):
    """How long the windows of a history are: a local day, or an hour of the account's clock."""

    DAY = "day"
    HOUR = "hour"


@dataclass(frozen=True)
class Coverage:
    """
    From `since` on and before `until`. `days`: the first and the last local day, where it is made of whole ones.

    One that is open at its end (up to now) counts as made of whole days: nothing lies between now and midnight.
    """

    since: datetime
    until: datetime
    days: tuple[date, date] | None


def days_coverage(*, first: date | None, last: date | None, today: date) -> tuple[date, date]:
    """
    The first and the last local day of a report: up to today, and from the first of the last day's month, unless said otherwise.

    Raises InvalidInput: `invalid_range`, `out_of_range`.
    """
    last = last or today
    first = first or last.replace(day=1)
    if first > last:
        raise InvalidInput("`start_date` is after `end_date`; swap them.", code="invalid_range", field="start_date")
    if (last - first).days >= DAYS_MAX:
        raise InvalidInput(f"That is more than {DAYS_MAX} days; ask for them in parts.", code="out_of_range", field="start_date")
    return first, last


def stats_coverage(*, zone: str, period: Period, since: datetime | None, until: datetime | None, now: datetime) -> Coverage:
    """
    What statistics cover: from the beginning of the day, month or year in `zone` up to now, unless said otherwise.

    Edges that are no local midnights are moved outwards to quarter-hours. Raises InvalidInput: `invalid_range`, `out_of_range`.
    """
    begin = since if since is not None else _start_of(period, zone, now)
    end = until if until is not None else now
    _check(zone, begin, end, days_max=DAYS_MAX, names=("from", "to"))
    days = None
    if _is_midnight(zone, begin) and (until is None or _is_midnight(zone, end)):
        days = local_date(zone, begin), local_date(zone, end - _TICK)
    return Coverage(_quarter_before(begin), _quarter_after(end), days)


def history_coverage(*, zone: str, grouping: Grouping, since: datetime | None, until: datetime | None, now: datetime) -> Coverage:
    """
    What a history covers: this month of `zone` up to now, unless said otherwise, widened to whole windows.

    Raises InvalidInput: `invalid_range`, `out_of_range`.
    """
    begin = since if since is not None else _start_of(Period.MONTHLY, zone, now)
    end = until if until is not None else now
    _check(zone, begin, end, days_max=DAYS_MAX if grouping is Grouping.DAY else HOURS_MAX_DAYS, names=("start_time", "end_time"))
    if grouping is Grouping.HOUR:
        return Coverage(_hour_before(zone, begin), _hour_after(zone, end), None)
    first, last = local_date(zone, begin), local_date(zone, end - _TICK)
    return Coverage(midnight(zone, first), midnight(zone, last + _DAY), (first, last))


def hours_of(zone: str, coverage: Coverage) -> Iterator[tuple[datetime, datetime]]:
    """
    The hours of the account's clock in that time, each from one full hour to the next.

    One that a change of the clock cuts by half an hour is told with the hour beside it, and lasts an hour and a half.
    """
    start = coverage.since
    while start < coverage.until:
        end = _hour_after(zone, start + _TICK)
        yield start, end
        start = end


def _start_of(period: Period, zone: str, now: datetime) -> datetime:
    today = local_date(zone, now)
    first = {Period.DAILY: today, Period.MONTHLY: today.replace(day=1), Period.YEARLY: today.replace(month=1, day=1)}
    return midnight(zone, first[period])


def _check(zone: str, begin: datetime, end: datetime, *, days_max: int, names: tuple[str, str]) -> None:
    for instant, name in zip((begin, end), names, strict=True):
        if instant.year not in _YEARS:
            raise InvalidInput("Reports cover the years from 2000 to 9998.", code="out_of_range", field=name)
    if begin > end:
        raise InvalidInput(f"`{names[0]}` is after `{names[1]}`; give both, the earlier one first.", code="invalid_range", field=names[0])
    if (local_date(zone, end) - local_date(zone, begin)).days > days_max:
        raise InvalidInput(f"That is more than {days_max} days; ask for them in parts.", code="out_of_range", field=names[0])


def _is_midnight(zone: str, instant: datetime) -> bool:
    return midnight(zone, local_date(zone, instant)) == instant


def _quarter_before(instant: datetime) -> datetime:
    return instant - (instant - UNIX_EPOCH) % QUARTER


def _quarter_after(instant: datetime) -> datetime:
    return instant + (UNIX_EPOCH - instant) % QUARTER


def _hour_before(zone: str, instant: datetime) -> datetime:
    return _full_hour(zone, _quarter_before(instant), -QUARTER)


def _hour_after(zone: str, instant: datetime) -> datetime:
    return _full_hour(zone, _quarter_after(instant), QUARTER)


def _full_hour(zone: str, quarter: datetime, step: timedelta) -> datetime:
    """The nearest quarter-hour in that direction at which the clock of `zone` shows a full hour."""
    while quarter.astimezone(ZoneInfo(zone)).minute != 0:
        quarter += step
    return quarter
