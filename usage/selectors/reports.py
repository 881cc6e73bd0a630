"""
Reports: sums of roll-ups, each one range of their key. The size of the history does not matter, nor does any of it price anything.

Days are those of the zone the account had when a call was booked; hours and quarters are of any zone. Costs are net of refunds.
What each number means: docs/reports.md.
"""

from bisect import bisect_right
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final

from django.db import connection
from django.db.models import QuerySet, Sum

from core.api.times import iso_z
from core.zones import midnight
from usage.models import EventStatus, UsageDay, UsageQuarter
from usage.selectors.coverage import Coverage, hours_of

_DAYS_SQL: Final = (Path(__file__).resolve().parents[1] / "sql" / "report_days.sql").read_text()
_DAY: Final = timedelta(days=1)

ENDPOINTS_MAX: Final = 100
"""So many endpoints are told by name, the busiest first: a sender that names each call differently makes no endless answer."""
NO_ENDPOINT: Final = "not given"
OTHER_ENDPOINTS: Final = "all others"
"""Names with a space: no endpoint has one."""


@dataclass(frozen=True)
class Sums:
    """Counts of some calls. `input_tokens` and `output_tokens` are two of the five disjoint classes that make `total_tokens`."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    cost_nanos: int = 0

    def __add__(self, other: "Sums") -> "Sums":
        """The counts of both."""
        return Sums(
            self.requests + other.requests,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.total_tokens + other.total_tokens,
            self.cost_nanos + other.cost_nanos,
        )


@dataclass(frozen=True)
class DayLine:
    """What was used on one local day."""

    date: date
    sums: Sums


@dataclass(frozen=True)
class ModelLine:
    """What was used of one model."""

    model_id: str
    model_name: str
    sums: Sums


@dataclass(frozen=True)
class DaysReport:
    """Every day from `first` to `last`, those without usage too, and the models by cost. Both add up to `total`."""

    first: date
    last: date
    total: Sums
    daily: list[DayLine]
    models: list[ModelLine]


@dataclass(frozen=True)
class CallStats:
    """
    How the calls of some time ended. `successful` + `failed` = `total`: a call that was refunded whole counts as successful, since
    roll-ups do not tell how it had ended.
    """

    coverage: Coverage
    total: int
    successful: int
    failed: int
    cost_nanos: int
    by_endpoint: dict[str, int]


@dataclass(frozen=True)
class Window:
    """What was spent in one window of a history; its id is the same whenever it is asked for."""

    id: str
    start: datetime
    end: datetime
    cost_nanos: int


def read_days(*, account_id: int, first: date, last: date) -> DaysReport:
    """The account's usage on the local days `first` to `last`, both included, by day and by model."""
    with connection.cursor() as cursor:
        cursor.execute(_DAYS_SQL, {"account": account_id, "first": first, "last": last})
        rows = cursor.fetchall()
    used = {day: Sums(*sums) for day, _, _, *sums in rows if day is not None}
    models = [ModelLine(code, name, Sums(*sums)) for day, code, name, *sums in rows if day is None]
    days = [first + number * _DAY for number in range((last - first).days + 1)]
    return DaysReport(first, last, sum(used.values(), Sums()), [DayLine(day, used.get(day, Sums())) for day in days], models)


def read_call_stats(*, account_id: int, coverage: Coverage) -> CallStats:
    """How the account's calls of that time ended, and where they went: by days where it is made of whole ones, else by quarters."""
    rollup = _days(account_id, coverage.days) if coverage.days is not None else _quarters(account_id, coverage)
    # Ordered by nothing: what a default order names would be grouped by.
    rows = [
        (endpoint, status, int(events), int(cost))
        for endpoint, status, events, cost in rollup.order_by().values_list("endpoint", "status").annotate(Sum("events"), Sum("cost_nanos"))
    ]
    total = sum(events for _, _, events, _ in rows)
    failed = sum(events for _, status, events, _ in rows if status == EventStatus.FAILED)
    counts: dict[str, int] = {}
    for endpoint, _, events, _ in rows:
        counts[endpoint] = counts.get(endpoint, 0) + events
    return CallStats(coverage, total, total - failed, failed, sum(cost for *_, cost in rows), _busiest(counts))


def read_windows(*, account_id: int, zone: str, coverage: Coverage) -> list[Window]:
    """
    What the account spent, by local day where the time is made of days, else by hour of its clock; the oldest first.

    Windows without a call are left out.
    """
    return _day_windows(account_id, zone, coverage.days) if coverage.days is not None else _hour_windows(account_id, zone, coverage)


def _day_windows(account_id: int, zone: str, days: tuple[date, date]) -> list[Window]:
    spent = _days(account_id, days).order_by("day").values_list("day").annotate(Sum("cost_nanos"))
    return [Window(f"day-{day}", midnight(zone, day), midnight(zone, day + _DAY), int(cost)) for day, cost in spent]


def _hour_windows(account_id: int, zone: str, coverage: Coverage) -> list[Window]:
    hours = list(hours_of(zone, coverage))
    starts = [start for start, _ in hours]
    spent: dict[int, int] = {}
    for starts_at, cost in _quarters(account_id, coverage).order_by("starts_at").values_list("starts_at").annotate(Sum("cost_nanos")):
        place = bisect_right(starts, starts_at) - 1
        spent[place] = spent.get(place, 0) + int(cost)
    return [Window(f"hour-{iso_z(hours[place][0])}", *hours[place], cost) for place, cost in spent.items()]


def _days(account_id: int, days: tuple[date, date]) -> QuerySet[UsageDay]:
    first, last = days
    return UsageDay.objects.filter(account_id=account_id, day__gte=first, day__lte=last)


def _quarters(account_id: int, coverage: Coverage) -> QuerySet[UsageQuarter]:
    return UsageQuarter.objects.filter(account_id=account_id, starts_at__gte=coverage.since, starts_at__lt=coverage.until)


def _busiest(counts: dict[str, int]) -> dict[str, int]:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    told = {endpoint or NO_ENDPOINT: events for endpoint, events in ordered[:ENDPOINTS_MAX]}
    rest = sum(events for _, events in ordered[ENDPOINTS_MAX:])
    return told | ({OTHER_ENDPOINTS: rest} if rest else {})
