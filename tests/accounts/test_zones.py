"""Local days: next midnights through the clock's jumps."""

from datetime import UTC, date, datetime

import pytest

from core.zones import local_date, midnight, next_midnight, zone_in_force, zone_names


@pytest.mark.parametrize(
    ("zone", "instant", "midnight"),
    [
        ("UTC", "2026-01-01T00:00", "2026-01-02T00:00"),
        ("UTC", "2026-01-01T23:59", "2026-01-02T00:00"),
        ("Europe/Berlin", "2026-03-28T23:30", "2026-03-29T22:00"),  # The day of the spring jump has 23 hours.
        ("Europe/Berlin", "2026-10-24T22:30", "2026-10-25T23:00"),  # The day of the autumn jump has 25.
        ("Asia/Kolkata", "2026-01-01T18:29", "2026-01-01T18:30"),
        ("Pacific/Kiritimati", "2026-01-01T10:00", "2026-01-02T10:00"),
        ("America/Sao_Paulo", "2018-11-03T12:00", "2018-11-04T03:00"),  # Midnight was skipped: the day began at 01:00.
        ("Africa/Cairo", "2026-04-23T12:00", "2026-04-23T22:00"),  # The same, on a Friday.
        ("America/Havana", "2026-10-31T12:00", "2026-11-01T04:00"),  # Midnight comes twice: the first counts.
        ("Pacific/Apia", "2011-12-29T12:00", "2011-12-30T10:00"),  # The 30th of December 2011 never was.
    ],
)
def test_the_next_midnight_is_where_the_local_date_changes(zone: str, instant: str, midnight: str) -> None:
    now, found = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (instant, midnight))

    assert next_midnight(zone, now) == found
    assert found > now
    assert local_date(zone, found) > local_date(zone, now)


def test_a_day_begins_at_its_midnight() -> None:
    assert midnight("Asia/Tokyo", date(2026, 5, 1)) == datetime(2026, 4, 30, 15, tzinfo=UTC)


def test_an_announced_zone_is_in_force_from_its_instant_on() -> None:
    at = datetime(2026, 5, 1, tzinfo=UTC)

    assert zone_in_force("UTC", "Asia/Tokyo", at, at) == "Asia/Tokyo"
    assert zone_in_force("UTC", "Asia/Tokyo", at, datetime(2026, 4, 30, 23, 59, tzinfo=UTC)) == "UTC"
    assert zone_in_force("UTC", "", None, at) == "UTC"


def test_zones_are_known_by_their_names_only() -> None:
    assert {"UTC", "Europe/Berlin"} <= zone_names()
    assert not {"", "Mars/Base", "../UTC", "/etc/passwd"} & zone_names()
