"""Metering's invariants: events against entries, prices and roll-ups. Rating is recomputed in Python, the one place that prices."""

from collections.abc import Iterator
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Final

from core.verification import Check, sql_checks
from usage.errors import CostOutOfRange
from usage.models import EventStatus, PriceMultiplier, PriceVersion, UsageEvent
from usage.rating import BASIS_POINTS, FailedPolicy, Prices, Quantities, rate_call
from usage.rollups import DAYS, LIFETIMES, QUARTERS, find_differences

_CHUNK: Final = 5_000
_QUANTITIES: Final = tuple(field.name for field in fields(Quantities))


def find_misrated(low: int, high: int) -> Iterator[tuple[int, str]]:
    """
    Events whose cost is not what `rate()` says by the version they name; their senders priced those without one. Streams: memory does
    not grow with the history.
    """
    versions = {version.pk: (version.rates, FailedPolicy(version.failed_policy)) for version in PriceVersion.objects.all()}
    multipliers = dict(PriceMultiplier.objects.values_list("pk", "multiplier_bp"))
    events = UsageEvent.objects.filter(account_id__gte=low, account_id__lte=high, price_version_id__isnull=False)
    # Plain rows: an object of the model for each of a million events costs six times what rating it does.
    rows = events.values_list("account_id", "event_id", "price_version_id", "multiplier_id", "status", "cost_nanos", *_QUANTITIES)
    for account_id, event_id, version_id, multiplier_id, status, cost, *quantities in rows.iterator(chunk_size=_CHUNK):
        priced = versions.get(version_id)
        bp = BASIS_POINTS if multiplier_id is None else multipliers.get(multiplier_id)
        if priced is None or bp is None or _rating(priced, Quantities(*quantities), status, bp) != cost:
            yield account_id, f"event {event_id} cost {cost}, which is not its rating"


def _rating(priced: tuple[Prices, FailedPolicy], used: Quantities, status: str, multiplier_bp: int) -> int | None:
    prices, policy = priced
    try:
        return rate_call(prices, used, failed=status == EventStatus.FAILED, policy=policy, multiplier_bp=multiplier_bp)
    except CostOutOfRange:
        return None


CHECKS: Final[tuple[Check, ...]] = (
    *sql_checks(Path(__file__).resolve().parent / "sql" / "checks"),
    Check(7, "events cost what rating says", find_misrated),
    Check(12, "days recount", partial(find_differences, DAYS)),
    Check(12, "quarters recount", partial(find_differences, QUARTERS)),
    Check(12, "lifetimes recount", partial(find_differences, LIFETIMES)),
)
