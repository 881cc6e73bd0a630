"""
Reports of one account, as of what is booked now: first what was asked for is judged, then what waits is counted, then roll-ups are read.

Nobody else reads an account's roll-ups for an answer, so no answer lacks what was booked before it was asked for. It is one look-up more
where nothing waits.
"""

from dataclasses import dataclass
from datetime import date, datetime

from accounts.selectors import Account, zone_at
from core.zones import local_date
from usage.selectors import (
    CallStats,
    DaysReport,
    Grouping,
    Period,
    Window,
    days_coverage,
    find_lifetime,
    history_coverage,
    read_call_stats,
    read_days,
    read_windows,
    stats_coverage,
)
from usage.services.counting import count_account


@dataclass(frozen=True, slots=True)
class Overview:
    """The calls of this month in the account's zone, and how many there were since it was opened."""

    this_month: CallStats
    calls_ever: int


def report_days(*, account: Account, first: date | None, last: date | None, now: datetime) -> DaysReport:
    """
    Usage on the local days `first` to `last`, both included: up to today, and from the first of the last day's month, where left out.

    Raises InvalidInput: `invalid_range`, `out_of_range` (more than 366 days).
    """
    begin, end = days_coverage(first=first, last=last, today=local_date(zone_at(account, now), now))
    count_account(account.pk)
    return read_days(account_id=account.pk, first=begin, last=end)


def report_calls(*, account: Account, period: Period, since: datetime | None, until: datetime | None, now: datetime) -> CallStats:
    """
    How the calls ended from the beginning of the period up to now, or from `since` on and before `until`.

    Raises InvalidInput: `invalid_range`, `out_of_range` (more than 366 days).
    """
    coverage = stats_coverage(zone=zone_at(account, now), period=period, since=since, until=until, now=now)
    count_account(account.pk)
    return read_call_stats(account_id=account.pk, coverage=coverage)


def report_windows(*, account: Account, grouping: Grouping, since: datetime | None, until: datetime | None, now: datetime) -> list[Window]:
    """
    What was spent by local day or by hour, from `since` on and before `until`, else this month up to now; widened to whole windows.

    Raises InvalidInput: `invalid_range`, `out_of_range` (more than 366 days, or 32 by the hour).
    """
    zone = zone_at(account, now)
    coverage = history_coverage(zone=zone, grouping=grouping, since=since, until=until, now=now)
    count_account(account.pk)
    return read_windows(account_id=account.pk, zone=zone, coverage=coverage)


def report_overview(*, account: Account, now: datetime) -> Overview:
    """The account's usage at a glance."""
    calls = report_calls(account=account, period=Period.MONTHLY, since=None, until=None, now=now)
    lifetime = find_lifetime(account.pk)
    return Overview(calls, 0 if lifetime is None else lifetime.events)
