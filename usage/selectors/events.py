"""Single reads: the newest events, one event, lifetime counts, prices in force."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import DateTimeField, F, Field, Func, Value
from django.db.models.functions import Collate
from django.db.models.lookups import Exact, In, LessThan

from core.errors import NotFound
from usage.models import PriceVersion, UsageEvent, UsageLifetime, in_force

__all__ = (
    "EVENT_ID_COLLATION",
    "ListedPrices",
    "Position",
    "PriceVersion",
    "RecentEvents",
    "UsageEvent",
    "find_lifetime",
    "get_event",
    "list_prices",
    "list_recent_events",
    "model_codes_of_events",
)

EVENT_ID_COLLATION: Final = "C"
"""How the unique index on (account, event_id) compares: a look-up that says otherwise reads the whole history."""


@dataclass(frozen=True)
class Position:
    """A place in the list of an account's events, newest first: that of the last event seen."""

    created_at: datetime
    id: int


@dataclass(frozen=True)
class RecentEvents:
    """Some events with their model and key loaded, newest first, and where to go on; None at the end."""

    items: list[UsageEvent]
    next: Position | None


def list_recent_events(*, account_id: int, before: Position | None, limit: int) -> RecentEvents:
    """
    The account's newest events, or those after a position in that order: one range of the primary key, read backwards.

    Stable while rows arrive: a walk shows each event that was there at its start exactly once. Events that are being
    booked while it is read may be missed.
    """
    events = UsageEvent.objects.filter(account_id=account_id).select_related("model", "api_key").order_by("-created_at", "-id")
    if before is not None:
        seen = _row(Value(before.created_at, DateTimeField()), Value(before.id))
        events = events.filter(LessThan(_row(F("created_at"), F("id")), seen))
    found = list(events[: limit + 1])
    items = found[:limit]
    last = items[-1] if len(found) > limit else None
    return RecentEvents(items, None if last is None else Position(last.created_at, last.id))


def get_event(*, account_id: int, event_id: str) -> UsageEvent:
    """One event with its model, key and price version. Raises NotFound."""
    events = UsageEvent.objects.filter(Exact(_event_id(), event_id), account_id=account_id)
    event = events.select_related("account", "model", "api_key").first() if "\0" not in event_id else None
    if event is None:
        raise NotFound("There is no such usage event in this account.")
    return event


def model_codes_of_events(*, account_id: int, event_ids: Collection[str]) -> dict[str, str]:
    """Which model each of these events of one account used: event id → model code, in one query."""
    if not event_ids:
        return {}
    events = UsageEvent.objects.filter(In(_event_id(), list(event_ids)), account_id=account_id)
    return dict(events.values_list("event_id", "model__code"))


def find_lifetime(account_id: int) -> UsageLifetime | None:
    """The counts of all the account ever used, or None before its first event."""
    return UsageLifetime.objects.filter(account_id=account_id).first()


@dataclass(frozen=True)
class ListedPrices:
    """Some prices with their models, by the model's code, and the last code of them; empty at the end."""

    items: list[PriceVersion]
    next: str


def list_prices(*, at: datetime, limit: int, after: str = "", code: str = "") -> ListedPrices:
    """
    The prices in force at an instant of models that are shown, by code: after a code, or of one model. Models without one are left out.
    """
    prices = PriceVersion.objects.filter(in_force(at), model__is_listed=True, model__code__gt=after)
    if code:
        prices = prices.filter(model__code=code) if "\0" not in code else prices.none()
    found = list(prices.select_related("model").order_by("model__code")[: limit + 1])
    items = found[:limit]
    return ListedPrices(items, items[-1].model.code if len(found) > limit else "")


def _row(*parts: F | Value) -> Func:
    """A row value: PostgreSQL compares it part by part, and so reads one range of the index, which `OR`s would not."""
    return Func(*parts, function="ROW", output_field=Field())


def _event_id() -> Collate:
    return Collate(F("event_id"), EVENT_ID_COLLATION)
