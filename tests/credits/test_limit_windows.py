"""Windows of spending limits: calendar days, weeks and months of many zones, and windows that slide."""

from datetime import UTC, date, datetime, timedelta
from typing import Final

import pytest
from django.db import connection

from core.zones import local_date, midnight, zone_names

pytestmark = pytest.mark.django_db

ZONES: Final = (
    "UTC",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "America/New_York",
    "America/Havana",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Pacific/Apia",
    "Pacific/Kiritimati",
    "Africa/Cairo",
    "Asia/Beirut",
    "CET",
    "WET",
)
# Strategy, duration, zone, instant → where its window begins, and where the next one does.
WINDOWS: Final = (
    ("daily", "UTC", "2026-03-01T00:00Z", "2026-03-01T00:00Z", "2026-03-02T00:00Z"),
    ("daily", "UTC", "2026-03-01T23:59:59.999999Z", "2026-03-01T00:00Z", "2026-03-02T00:00Z"),
    ("daily", "Asia/Kolkata", "2026-03-01T18:29:59Z", "2026-02-28T18:30Z", "2026-03-01T18:30Z"),
    ("daily", "Asia/Kolkata", "2026-03-01T18:30Z", "2026-03-01T18:30Z", "2026-03-02T18:30Z"),
    ("daily", "America/New_York", "2026-03-08T12:00Z", "2026-03-08T05:00Z", "2026-03-09T04:00Z"),
    ("daily", "America/New_York", "2026-11-01T12:00Z", "2026-11-01T04:00Z", "2026-11-02T05:00Z"),
    ("daily", "Australia/Lord_Howe", "2026-04-05T00:00Z", "2026-04-04T13:00Z", "2026-04-05T13:30Z"),
    # Havana's clock goes back from 01:00 to 00:00: that day has two midnights and 25 hours.
    ("daily", "America/Havana", "2025-11-02T04:00Z", "2025-11-02T04:00Z", "2025-11-03T05:00Z"),
    ("daily", "America/Havana", "2025-11-02T05:00Z", "2025-11-02T04:00Z", "2025-11-03T05:00Z"),
    ("daily", "America/Havana", "2025-11-02T03:59:59Z", "2025-11-01T04:00Z", "2025-11-02T04:00Z"),
    # Sao Paulo skipped the midnight of 4 November 2018.
    ("daily", "America/Sao_Paulo", "2018-11-04T02:59:59Z", "2018-11-03T03:00Z", "2018-11-04T03:00Z"),
    ("daily", "America/Sao_Paulo", "2018-11-04T03:00Z", "2018-11-04T03:00Z", "2018-11-05T02:00Z"),
    # Apia skipped all of 30 December 2011.
    ("daily", "Pacific/Apia", "2011-12-30T09:59:59Z", "2011-12-29T10:00Z", "2011-12-30T10:00Z"),
    ("daily", "Pacific/Apia", "2011-12-30T10:00Z", "2011-12-30T10:00Z", "2011-12-31T10:00Z"),
    ("weekly", "Pacific/Apia", "2011-12-31T12:00Z", "2011-12-26T10:00Z", "2012-01-01T10:00Z"),
    # St. John's went back at 00:01, so its calendar showed the day before once more: the new day had begun all the same.
    ("daily", "America/St_Johns", "2010-11-07T02:45Z", "2010-11-07T02:30Z", "2010-11-08T03:30Z"),
    # Toronto once went from 23:30 to 00:30: the new day is shown from then on, and begins where its midnight would have been.
    ("daily", "America/Toronto", "1919-03-31T04:40Z", "1919-03-30T05:00Z", "1919-03-31T05:00Z"),
    # PostgreSQL would read this name as an abbreviation without summer time.
    ("daily", "CET", "2026-07-01T12:00Z", "2026-06-30T22:00Z", "2026-07-01T22:00Z"),
    ("weekly", "UTC", "2026-03-01T12:00Z", "2026-02-23T00:00Z", "2026-03-02T00:00Z"),
    ("weekly", "UTC", "2026-03-02T00:00Z", "2026-03-02T00:00Z", "2026-03-09T00:00Z"),
    ("weekly", "UTC", "2027-01-03T12:00Z", "2026-12-28T00:00Z", "2027-01-04T00:00Z"),
    ("weekly", "America/New_York", "2026-03-08T12:00Z", "2026-03-02T05:00Z", "2026-03-09T04:00Z"),
    ("weekly", "Pacific/Kiritimati", "2026-03-01T10:00Z", "2026-03-01T10:00Z", "2026-03-08T10:00Z"),
    ("monthly", "UTC", "2028-02-29T23:59Z", "2028-02-01T00:00Z", "2028-03-01T00:00Z"),
    ("monthly", "UTC", "2026-01-31T12:00Z", "2026-01-01T00:00Z", "2026-02-01T00:00Z"),
    ("monthly", "UTC", "2026-12-31T23:59Z", "2026-12-01T00:00Z", "2027-01-01T00:00Z"),
    ("monthly", "Pacific/Kiritimati", "2026-01-31T10:00Z", "2026-01-31T10:00Z", "2026-02-28T10:00Z"),
    ("monthly", "America/Havana", "2020-11-15T12:00Z", "2020-11-01T04:00Z", "2020-12-01T05:00Z"),
    ("monthly", "Asia/Kolkata", "2028-02-29T18:30Z", "2028-02-29T18:30Z", "2028-03-31T18:30Z"),
)
# Duration, instant → its bucket, the oldest bucket that counts, and when that one leaves.
SLIDING: Final = (
    ("daily", "2026-03-08T07:04:59Z", ("2026-03-08T07:00Z", "2026-03-07T07:00Z", "2026-03-08T07:05Z")),
    ("daily", "2026-03-08T07:05Z", ("2026-03-08T07:05Z", "2026-03-07T07:05Z", "2026-03-08T07:10Z")),
    ("weekly", "2026-03-08T07:59Z", ("2026-03-08T07:00Z", "2026-03-01T07:00Z", "2026-03-08T08:00Z")),
    ("monthly", "2026-03-31T11:00Z", ("2026-03-31T06:00Z", "2026-03-01T06:00Z", "2026-03-31T12:00Z")),
)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def ask(function: str, *arguments: str | date | datetime) -> datetime:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}({', '.join(['%s'] * len(arguments))})", arguments)
        answer: datetime = cursor.fetchone()[0]
    return answer


@pytest.mark.parametrize(("duration", "zone", "at", "start", "end"), WINDOWS)
def test_a_fixed_window_begins_and_ends_with_the_local_calendar(duration: str, zone: str, at: str, start: str, end: str) -> None:
    limit = ("fixed", duration, zone, instant(at))

    assert ask("limit_bucket_start", *limit) == instant(start)
    assert ask("limit_counts_since", *limit) == instant(start)
    assert ask("limit_resets_at", *limit) == instant(end)


@pytest.mark.parametrize("zone", ["UTC", "America/Havana", "Asia/Kolkata"])
@pytest.mark.parametrize(("duration", "at", "told"), SLIDING)
def test_a_sliding_window_is_the_same_in_every_zone(zone: str, duration: str, at: str, told: tuple[str, str, str]) -> None:
    bucket, oldest, leaves = told
    limit = ("sliding", duration, zone, instant(at))

    assert ask("limit_bucket_start", *limit) == instant(bucket)
    assert ask("limit_counts_since", *limit) == instant(oldest)
    assert ask("limit_resets_at", *limit) == instant(leaves)


@pytest.mark.parametrize("zone", ZONES)
def test_a_local_day_begins_where_the_roll_ups_begin_it(zone: str) -> None:
    days = [date(2006, 1, 1) + timedelta(days=number) for number in range(366 * 20)]
    with connection.cursor() as cursor:
        cursor.execute("SELECT array_agg(limit_midnight(%s, day) ORDER BY day) FROM unnest(%s::date[]) AS day", [zone, days])
        told = cursor.fetchone()[0]

    assert [(day, at) for day, at in zip(days, told, strict=True) if at != midnight(zone, day)] == []


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("duration", ["daily", "weekly", "monthly"])
def test_windows_follow_each_other_without_gap_or_overlap(zone: str, duration: str) -> None:
    years = [instant("2010-10-01T00:00Z"), instant("2011-12-20T00:00Z"), instant("2018-10-25T00:00Z"), instant("2025-10-25T00:00Z")]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT at, start, ends FROM unnest(%(years)s::timestamptz[]) AS year, generate_series(0, 14 * 48) AS half,
                LATERAL (SELECT year + half * interval '30 minutes' AS at) a,
                LATERAL (SELECT limit_bucket_start('fixed', %(duration)s, %(zone)s, at) AS start) b,
                LATERAL (SELECT limit_resets_at('fixed', %(duration)s, %(zone)s, at) AS ends) c
            WHERE NOT (start <= at AND at < ends) OR limit_bucket_start('fixed', %(duration)s, %(zone)s, ends) <> ends
            """,
            {"years": years, "duration": duration, "zone": zone},
        )
        assert cursor.fetchall() == []


def test_every_zone_that_an_account_may_have_is_known_to_the_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM pg_timezone_names")
        assert zone_names() - {name for (name,) in cursor.fetchall()} == set()
        cursor.execute("SELECT lower(abbrev) FROM pg_timezone_abbrevs")
        abbreviations = {name for (name,) in cursor.fetchall()}
        summers = [datetime(2025, month, 1, 12, tzinfo=UTC) for month in range(1, 13)]
        for zone in sorted(name for name in zone_names() if name.lower() in abbreviations):
            for at in summers:
                assert ask("limit_local_day", zone, at) == local_date(zone, at), zone
                assert ask("limit_midnight", zone, at.date()) == midnight(zone, at.date()), zone
