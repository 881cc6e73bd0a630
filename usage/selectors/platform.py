"""Usage of all accounts, or of one, summed from roll-ups of days and hours. No read here touches an event or an entry."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from django.db.models import DateTimeField, F, Q, QuerySet, Sum
from django.db.models.functions import Coalesce, Trunc

from usage.models import AccountDay, EventStatus, PlatformDay, PlatformHour, UsageQuarter

BY: Final = ("time", "model", "account", "key", "status")
_CHUNK: Final = 1_000


class Period(Protocol):
    """UTC days `since` to `until`, both whole; where `hours_since` is told, the hours from then on are meant."""

    @property
    def since(self) -> date:
        """The first day."""

    @property
    def until(self) -> date:
        """The last day."""

    @property
    def hours_since(self) -> datetime | None:
        """The first hour."""


@dataclass(frozen=True, slots=True)
class Used:
    """
    Counts of one group. `charged`: nanos, less refunds. `provider_cost`: what is known of it; `costed`: the charge of those events.
    """

    events: int = 0
    failed: int = 0
    tokens: int = 0
    charged: int = 0
    provider_cost: int = 0
    costed: int = 0

    @property
    def margin(self) -> int:
        """Nanos, of the events whose provider cost is known."""
        return self.costed - self.provider_cost

    def less(self, others: "list[Used]") -> "Used":
        """What is left without those."""
        return Used(**{f.name: getattr(self, f.name) - sum(getattr(other, f.name) for other in others) for f in fields(Used)})


class Group(NamedTuple):
    """A group of a breakdown: its day, instant, id or name, and what it counts. `key` of a key's group: the key's id and its account's."""

    key: Any
    used: Used


def totals(period: Period, account_id: int | None) -> Used:
    """All usage of the period."""
    return _used(_rows("status", period, account_id).aggregate(**_SUMS))


def by_time(period: Period, account_id: int | None) -> dict[date | datetime, Used]:
    """Each UTC day on which something was used; or each hour."""
    rows = _grouped("time", period, account_id).order_by("group")
    return {row["group"]: _used(row) for row in rows}


def top(by: str, period: Period, account_id: int | None, limit: int) -> list[Group]:
    """The groups that were charged most."""
    return [_group(by, row) for row in _ordered(by, period, account_id)[:limit]]


def every(by: str, period: Period, account_id: int | None, limit: int) -> Iterator[Group]:
    """Likewise, for a download: rows come as they are read."""
    for row in _ordered(by, period, account_id)[:limit].iterator(chunk_size=_CHUNK):
        yield _group(by, row)


_TOKENS: Final = F("input_tokens") + F("output_tokens") + F("cache_read_tokens") + F("cache_write_tokens") + F("reasoning_tokens")
_SUMS: Final = {
    "n_events": Coalesce(Sum("events"), 0),
    "n_failed": Coalesce(Sum("events", filter=Q(status=EventStatus.FAILED)), 0),
    "n_tokens": Coalesce(Sum(_TOKENS), 0),
    "n_charged": Coalesce(Sum("cost_nanos"), 0),
    "n_provider_cost": Coalesce(Sum("provider_cost_nanos"), 0),
    "n_costed": Coalesce(Sum("costed_nanos"), 0),
}
_Sums: TypeAlias = "QuerySet[Any, dict[str, Any]]"
_GROUPED_BY: Final = {"model": F("model__code"), "account": F("account_id"), "key": F("api_key_id"), "status": F("status")}


def _rows(by: str, period: Period, account_id: int | None) -> QuerySet[Any]:
    """The smallest roll-up that can answer: one account's own rows, else those of all accounts, by account only where it must be."""
    if period.hours_since is not None and account_id is not None:
        return UsageQuarter.objects.filter(account_id=account_id, starts_at__gte=period.hours_since)
    if period.hours_since is not None and by not in {"account", "key"}:
        return PlatformHour.objects.filter(starts_at__gte=period.hours_since)
    days = {"day__gte": period.since, "day__lte": period.until}
    if account_id is not None:
        return AccountDay.objects.filter(account_id=account_id, **days)
    return AccountDay.objects.filter(**days) if by in {"account", "key"} else PlatformDay.objects.filter(**days)


def _grouped(by: str, period: Period, account_id: int | None) -> _Sums:
    rows = _rows(by, period, account_id)
    if by == "time":
        hours = Trunc("starts_at", "hour", output_field=DateTimeField())
        group = F("day") if period.hours_since is None else hours
        by_instant: _Sums = rows.annotate(group=group).values("group").annotate(**_SUMS)
        return by_instant
    names = ("group", "account_id") if by == "key" else ("group",)
    grouped: _Sums = rows.annotate(group=_GROUPED_BY[by]).values(*names).annotate(**_SUMS)
    return grouped


def _ordered(by: str, period: Period, account_id: int | None) -> _Sums:
    order = ("group", "account_id") if by == "key" else ("group",)
    return _grouped(by, period, account_id).filter(n_events__gt=0).order_by("-n_charged", "-n_events", *order)


def _group(by: str, row: dict[str, Any]) -> Group:
    return Group((row["group"], row["account_id"]) if by == "key" else row["group"], _used(row))


def _used(row: dict[str, Any]) -> Used:
    return Used(**{field.name: int(row[f"n_{field.name}"]) for field in fields(Used)})
