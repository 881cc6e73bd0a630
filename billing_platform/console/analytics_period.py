"""Which time an operator asks about: the last 24 hours, some UTC days, or nonsense, which is said."""

import re
from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Final
from urllib.parse import urlencode

from core.days import parse_day

DAYS_MAX: Final = 400
GROUPS_DAYS_MAX: Final = 93
"""So many days are summed at most by account or by key: every account has rows of its own for each of them."""
LAST: Final = {"7d": 7, "30d": 30, "90d": 90}
USUAL: Final = "7d"
_HOURS: Final = 24
_DAY: Final = timedelta(days=1)
_MONTH: Final = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True)
class Period:
    """
    UTC days `since` to `until`, both whole; `hours_since` where the last 24 hours are meant, and the days are those that they touch.

    `query` names it in a link; `problem` says why it is not the one that was asked for.
    """

    name: str
    since: date
    until: date
    query: str
    hours_since: datetime | None = None
    problem: str = ""

    @property
    def words(self) -> str:
        """For headings."""
        if self.hours_since is not None:
            return "the last 24 hours"
        return f"{self.since:%Y-%m-%d}" if self.since == self.until else f"{self.since:%Y-%m-%d} to {self.until:%Y-%m-%d}"

    @property
    def days(self) -> list[date]:
        """Each of its days."""
        return [self.since + number * _DAY for number in range((self.until - self.since).days + 1)]

    @property
    def hours(self) -> list[datetime]:
        """Each hour that it touches, where it is hours."""
        return [] if self.hours_since is None else [self.hours_since + timedelta(hours=number) for number in range(_HOURS + 1)]


def narrowed(period: Period) -> Period:
    """The last GROUPS_DAYS_MAX days of a period that is longer, which says so; else the period itself."""
    since = period.until - (GROUPS_DAYS_MAX - 1) * _DAY
    if period.since >= since:
        return period
    problem = f"By account and by key a report covers {GROUPS_DAYS_MAX} days at most."
    return replace(period, since=since, query=_range_query(since, period.until), problem=problem)


def asked_period(said: Mapping[str, str], *, now: datetime) -> Period:
    """The period that a query asks for: `period`, and `month` or `from` and `to` with it. What cannot be had becomes the usual one."""
    name, today = said.get("period", USUAL), now.astimezone(UTC).date()
    if name == "24h":
        hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        since = hour - timedelta(hours=_HOURS)
        return Period(name, since.date(), today, urlencode({"period": name}), hours_since=since)
    if name == "month":
        return _month(said.get("month", ""), today)
    if name == "range":
        return _range(said.get("from", ""), said.get("to", ""), today)
    return _last(name, today) if name in LAST else _last(USUAL, today, "There is no such period.")


def _last(name: str, today: date, problem: str = "") -> Period:
    return Period(name, today - (LAST[name] - 1) * _DAY, today, urlencode({"period": name}), problem=problem)


def _month(text: str, today: date) -> Period:
    found = _MONTH.fullmatch(text)
    if found is None or not int(found[1]):
        return _last(USUAL, today, "A month is written like 2026-03.")
    first = date(int(found[1]), int(found[2]), 1)
    last = first.replace(day=monthrange(first.year, first.month)[1])
    return Period("month", first, last, urlencode({"period": "month", "month": text}))


def _range(begin: str, end: str, today: date) -> Period:
    since, until = parse_day(begin), parse_day(end) or today
    if since is None:
        return _last(USUAL, today, "A day is written like 2026-03-09.")
    if not 0 <= (until - since).days < DAYS_MAX:
        return _last(USUAL, today, f"The last day comes after the first, and a report covers {DAYS_MAX} days at most.")
    return Period("range", since, until, _range_query(since, until))


def _range_query(since: date, until: date) -> str:
    return urlencode({"period": "range", "from": since.isoformat(), "to": until.isoformat()})
