"""The span of time that a client asks for: `from` and `to`, as instants or as days of the account's own calendar."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from core.api.times import parse_instant
from core.days import parse_day
from core.errors import InvalidInput
from core.zones import midnight

_DAY = timedelta(days=1)
_HAS_TIME = re.compile("[Tt ]")
"""Between a day and its time. Without one, another way to write a day would be read as midnight of UTC, not of the account."""


@dataclass(frozen=True)
class Bounds:
    """From `since` on and before `until`; None is without end."""

    since: datetime | None
    until: datetime | None


def read_bounds(query: Mapping[str, str], *, zone: str) -> Bounds:
    """
    `from` and `to` of a query. An instant is taken as it is, and `to` is exclusive; a bare date is a whole day in
    `zone`, so that from=2026-01-01&to=2026-01-31 is all of January.

    Raises InvalidInput, naming the parameter, for what is neither, and for a `from` that is after `to`.
    """
    bounds = Bounds(_edge(query, "from", zone, timedelta(0)), _edge(query, "to", zone, _DAY))
    if bounds.since is not None and bounds.until is not None and bounds.since > bounds.until:
        raise InvalidInput("`from` is after `to`; swap them.", code="invalid_range", field="from")
    return bounds


def _edge(query: Mapping[str, str], name: str, zone: str, after_day: timedelta) -> datetime | None:
    text = query.get(name)
    if not text:
        return None
    day = parse_day(text)
    if day is None and not _HAS_TIME.search(text):
        raise InvalidInput("Give a day as YYYY-MM-DD, or an instant in ISO 8601.", code="invalid_datetime", field=name)
    if day is None:
        return parse_instant(text, field=name)
    try:
        return midnight(zone, day + after_day)
    except OverflowError:
        # The first and the last day of the calendar have no midnight in every zone: nothing is beyond them.
        return datetime(day.year, day.month, day.day, tzinfo=UTC)
