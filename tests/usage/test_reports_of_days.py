"""
What a local day of a report holds: exactly the calls of that day in the account's zone, over every change of the clock, whichever
roll-up it is read from.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import pytest

from accounts.models import Account
from core.zones import midnight
from tests import factories
from tests.spending import price, report
from usage.selectors import Coverage, Grouping, Period, history_coverage, read_call_stats, read_days, read_windows, stats_coverage
from usage.services.counting import count_account
from usage.services.rebuilding import check_rollups

COST: Final = 2_500_000
QUARTER: Final = timedelta(minutes=15)
TICK: Final = timedelta(microseconds=1)
DAY: Final = timedelta(days=1)

DAYS: Final = [
    # zone, local day, how many hours it has
    ("America/New_York", date(2026, 3, 8), 23),
    ("America/New_York", date(2026, 11, 1), 25),
    ("America/New_York", date(2026, 7, 4), 24),
    ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
    ("Australia/Lord_Howe", date(2026, 10, 4), 23.5),
    ("Australia/Lord_Howe", date(2026, 1, 1), 24),
    ("Asia/Kolkata", date(2026, 3, 29), 24),
    ("Asia/Kathmandu", date(2026, 3, 29), 24),
    ("Africa/Cairo", date(2026, 4, 24), 23),  # Its clock skips midnight itself.
    ("Pacific/Kiritimati", date(2026, 1, 1), 24),
]


def customer(zone: str, since: datetime) -> Account:
    price(since=since)
    return factories.make_account(zone=zone)


def call(account: Account, *instants: datetime, now: datetime) -> None:
    """One call for each instant, all reported at `now`, and counted as whoever reads a report does."""
    for instant in instants:
        factories.end_of_transaction()
        report(account, f"{instant.isoformat()}", now=now, occurred_at=instant.isoformat())
    count_account(account.pk)


def stats_of(account: Account, zone: str, since: datetime, until: datetime) -> int:
    return read_call_stats(account_id=account.pk, coverage=Coverage(since, until, None)).total


@pytest.mark.django_db
@pytest.mark.parametrize(("zone", "day", "hours"), DAYS)
def test_a_day_has_the_calls_of_that_local_day_and_no_others(zone: str, day: date, hours: float) -> None:
    begin, end = midnight(zone, day), midnight(zone, day + DAY)
    assert end - begin == timedelta(hours=hours)
    account, now = customer(zone, begin - 9 * DAY), end + DAY
    within = [begin + number * QUARTER for number in range(int(hours * 4))]
    call(account, begin - TICK, end, *within, end - TICK, now=now)
    assert all(instant.astimezone(ZoneInfo(zone)).date() == day for instant in within)

    counted = {line.date: line.sums.requests for line in read_days(account_id=account.pk, first=day - DAY, last=day + DAY).daily}
    expected = len(within) + 1
    assert counted == {day - DAY: 1, day: expected, day + DAY: 1}
    assert stats_of(account, zone, begin, end) == expected
    assert check_rollups(now=now).accounts == []


@pytest.mark.django_db
@pytest.mark.parametrize(("zone", "day", "hours"), DAYS)
def test_hours_and_days_of_a_history_add_up_to_the_same(zone: str, day: date, hours: float) -> None:
    begin, end = midnight(zone, day), midnight(zone, day + DAY)
    account, now = customer(zone, begin - 9 * DAY), end + DAY
    call(account, *(begin + number * QUARTER for number in range(int(hours * 4))), now=now)

    by_hour, by_day = (
        read_windows(
            account_id=account.pk,
            zone=zone,
            coverage=history_coverage(zone=zone, grouping=grouping, since=begin, until=end, now=now),
        )
        for grouping in (Grouping.HOUR, Grouping.DAY)
    )

    assert [(window.start, window.end, window.id) for window in by_day] == [(begin, end, f"day-{day}")]
    assert sum(window.cost_nanos for window in by_hour) == by_day[0].cost_nanos == hours * 4 * COST
    assert (by_hour[0].start, by_hour[-1].end) == (begin, end)
    assert [one.end for one in by_hour[:-1]] == [one.start for one in by_hour[1:]]
    lengths = {window.end - window.start for window in by_hour}
    assert lengths == {timedelta(hours=1)} | ({timedelta(minutes=90)} if hours % 1 else set())
    assert all(window.cost_nanos == (window.end - window.start) // QUARTER * COST for window in by_hour)
    assert all(window.start.astimezone(ZoneInfo(zone)).minute == 0 for window in by_hour)
    assert len({window.id for window in by_hour}) == len(by_hour)


@pytest.mark.django_db
def test_a_late_call_counts_on_the_day_it_occurred() -> None:
    now = datetime(2026, 3, 10, 12, tzinfo=UTC)
    account = customer("America/New_York", now - 80 * DAY)
    call(account, now, datetime(2026, 3, 8, 4, 59, tzinfo=UTC), datetime(2026, 3, 8, 5, tzinfo=UTC), now - 70 * DAY, now=now)
    report_ = read_days(account_id=account.pk, first=date(2026, 3, 7), last=date(2026, 3, 10))
    assert [line.sums.requests for line in report_.daily] == [1, 1, 0, 1]
    assert read_days(account_id=account.pk, first=date(2025, 12, 30), last=date(2025, 12, 30)).total.requests == 1


@pytest.mark.django_db
def test_after_a_change_of_zone_booked_days_stay_and_new_ones_follow_the_new_zone() -> None:
    before = datetime(2026, 3, 10, 3, tzinfo=UTC)
    account = customer("UTC", before - 9 * DAY)
    call(account, before, now=before)
    account.zone = "America/New_York"
    account.save(update_fields=["zone"])
    factories.forget_memories()
    after = before + timedelta(days=1)
    call(account, after, now=after)

    daily = read_days(account_id=account.pk, first=date(2026, 3, 9), last=date(2026, 3, 11)).daily
    # 03:00 UTC on the 10th was the 10th; 03:00 UTC on the 11th is 23:00 on the 10th in New York.
    assert [line.sums.requests for line in daily] == [0, 2, 0]
    coverage = stats_coverage(zone="America/New_York", period=Period.MONTHLY, since=None, until=None, now=after)
    stats = read_call_stats(account_id=account.pk, coverage=coverage)
    assert (stats.total, stats.cost_nanos) == (
        2,
        read_days(account_id=account.pk, first=date(2026, 3, 1), last=date(2026, 3, 10)).total.cost_nanos,
    )
    # An instant is an instant, in whichever zone its day was booked.
    assert stats_of(account, "UTC", before, before + QUARTER) == 1


class Asked(NamedTuple):
    """From when to when is asked for, and what is counted: whole days or quarter-hours."""

    zone: str
    period: Period
    since: str | None
    until: str | None
    start: str
    end: str
    whole: bool


SPANS: Final = [
    # zone, period, from, to; what is counted, and whether it is whole days
    Asked("UTC", Period.DAILY, None, None, "2026-03-10T00:00", "2026-03-10T12:15", True),
    Asked("UTC", Period.MONTHLY, None, None, "2026-03-01T00:00", "2026-03-10T12:15", True),
    Asked("UTC", Period.YEARLY, None, None, "2026-01-01T00:00", "2026-03-10T12:15", True),
    Asked("Asia/Kolkata", Period.DAILY, None, None, "2026-03-09T18:30", "2026-03-10T12:15", True),
    Asked("America/New_York", Period.MONTHLY, None, None, "2026-03-01T05:00", "2026-03-10T12:15", True),
    Asked("UTC", Period.DAILY, "2026-03-01T00:00", "2026-03-03T00:00", "2026-03-01T00:00", "2026-03-03T00:00", True),
    Asked("Asia/Kolkata", Period.DAILY, "2026-03-01T00:00", "2026-03-03T00:00", "2026-03-01T00:00", "2026-03-03T00:00", False),
    Asked("UTC", Period.DAILY, "2026-03-01T10:07", "2026-03-01T10:16", "2026-03-01T10:00", "2026-03-01T10:30", False),
    Asked("UTC", Period.DAILY, "2026-03-01T10:15", "2026-03-01T10:30", "2026-03-01T10:15", "2026-03-01T10:30", False),
    Asked("UTC", Period.DAILY, "2026-03-01T10:15", None, "2026-03-01T10:15", "2026-03-10T12:15", False),
    Asked("UTC", Period.DAILY, "2026-03-01T00:00", "2026-03-01T00:00", "2026-03-01T00:00", "2026-03-01T00:00", True),
]


def instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize("asked", SPANS)
def test_statistics_cover_what_was_asked_to_the_quarter_hour(asked: Asked) -> None:
    now = datetime(2026, 3, 10, 12, 0, 0, 1, tzinfo=UTC)
    coverage = stats_coverage(zone=asked.zone, period=asked.period, since=instant(asked.since), until=instant(asked.until), now=now)
    assert (coverage.since, coverage.until, coverage.days is not None) == (instant(asked.start), instant(asked.end), asked.whole)


@pytest.mark.django_db
def test_nothing_is_counted_in_an_empty_span() -> None:
    now = datetime(2026, 3, 10, 12, tzinfo=UTC)
    account = customer("UTC", now - DAY)
    call(account, datetime(2026, 3, 10, tzinfo=UTC), now=now)
    edge = datetime(2026, 3, 10, tzinfo=UTC)
    coverage = stats_coverage(zone="UTC", period=Period.DAILY, since=edge, until=edge, now=now)
    assert read_call_stats(account_id=account.pk, coverage=coverage).total == 0
    for grouping in Grouping:
        empty = history_coverage(zone="UTC", grouping=grouping, since=edge, until=edge, now=now)
        assert read_windows(account_id=account.pk, zone="UTC", coverage=empty) == []
