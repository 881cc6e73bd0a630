"""Metering's invariants: events against entries, prices and roll-ups. Rating is recomputed in Python, the one place that prices."""

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Final

from core.verification import Check, sql_checks
from usage.errors import CostOutOfRange
from usage.models import PriceVersion, UsageEvent
from usage.rating import Prices, Quantities, rate

_CHUNK: Final = 5_000
_QUANTITIES: Final = tuple(field.name for field in fields(Quantities))


def find_misrated(low: int, high: int) -> Iterator[tuple[int, str]]:
    """
    Events whose cost is not what `rate()` says by the version they name; their senders priced those without one. Streams: memory does
    not grow with the history.
    """
    versions = {version.pk: version.rates for version in PriceVersion.objects.all()}
    events = UsageEvent.objects.filter(account_id__gte=low, account_id__lte=high, price_version_id__isnull=False)
    # Plain rows: an object of the model for each of a million events costs six times what rating it does.
    rows = events.values_list("account_id", "event_id", "price_version_id", "cost_nanos", *_QUANTITIES)
    for account_id, event_id, version_id, cost, *quantities in rows.iterator(chunk_size=_CHUNK):
        prices = versions.get(version_id)
        if prices is None or not _is_rated(cost, Quantities(*quantities), prices):
            yield account_id, f"event {event_id} cost {cost}, which is not its rating"


def _is_rated(cost: int, used: Quantities, prices: Prices) -> bool:
    try:
        return rate(prices, used) == cost
    except CostOutOfRange:
        return False


CHECKS: Final[tuple[Check, ...]] = (
    *sql_checks(Path(__file__).resolve().parent / "sql" / "checks"),
    Check(7, "events cost what rating says", find_misrated),
)
