"""Metering's invariants: events against entries, prices and roll-ups. Rating is recomputed in Python, the one place that prices."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from core.verification import Check, sql_checks
from usage.errors import CostOutOfRange
from usage.models import PriceVersion, UsageEvent
from usage.rating import Prices, rate

_CHUNK: Final = 5_000


def find_misrated(low: int, high: int) -> Iterator[tuple[int, str]]:
    """
    Events whose cost is not what `rate()` says by the version they name; their senders priced those without one. Streams: memory does
    not grow with the history.
    """
    versions = {version.pk: version.rates for version in PriceVersion.objects.all()}
    events = UsageEvent.objects.filter(account_id__gte=low, account_id__lte=high, price_version_id__isnull=False)
    for event in events.iterator(chunk_size=_CHUNK):
        prices = versions.get(event.price_version_id or 0)
        if prices is None or not _is_rated(event, prices):
            yield event.account_id, f"event {event.event_id} cost {event.cost_nanos}, which is not its rating"


def _is_rated(event: UsageEvent, prices: Prices) -> bool:
    try:
        return rate(prices, event) == event.cost_nanos
    except CostOutOfRange:
        return False


CHECKS: Final[tuple[Check, ...]] = (
    *sql_checks(Path(__file__).resolve().parent / "sql" / "checks"),
    Check(7, "events cost what rating says", find_misrated),
)
