"""Local days: which zone is in force, when its next day begins, which date an instant has there. Pure."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones


@cache
def zone_names() -> frozenset[str]:
    """Every IANA zone this machine knows; an empty file name or a path is none of them, nor what each machine calls its own."""
    return frozenset(available_timezones()) - {"localtime"}


def local_date(zone: str, instant: datetime) -> date:
    """The date that a calendar in `zone` shows at `instant`."""
    return instant.astimezone(ZoneInfo(zone)).date()


@dataclass(frozen=True, slots=True)
class LocalDay:
    """A date in some zone, from one instant to the next day's."""

    date: date
    begins_at: datetime
    ends_at: datetime


def day_of(zone: str, instant: datetime) -> LocalDay:
    """The day that a calendar in `zone` shows at `instant`, with its ends. A day in which the clock skips over midnight ends there."""
    day = local_date(zone, instant)
    return LocalDay(day, midnight(zone, day), midnight(zone, day + timedelta(days=1)))


def midnight(zone: str, day: date) -> datetime:
    """The instant, in UTC, at which `day` begins in `zone`. Where the clock skips midnight, it is the instant of the skip."""
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def utc_midnight(instant: datetime) -> datetime:
    """The beginning of the UTC day that `instant` is in."""
    return midnight("UTC", local_date("UTC", instant))


def next_midnight(zone: str, instant: datetime) -> datetime:
    """The instant, in UTC, at which the day after `instant`'s begins in `zone`: a day may have 23 or 25 hours."""
    return midnight(zone, local_date(zone, instant) + timedelta(days=1))


def zone_in_force(zone: str, next_zone: str, next_zone_at: datetime | None, instant: datetime) -> str:
    """A zone with a change announced: the new one from its instant on."""
    return next_zone if next_zone_at is not None and instant >= next_zone_at else zone
