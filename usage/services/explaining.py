"""Why an event costs what it costs: quantities times prices, what of a failed call counts, multipliers, one rounding."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from fractions import Fraction

from django.db.models import Q

from usage.errors import CostOutOfRange
from usage.models import EventStatus, PriceMultiplier, PriceVersion, UsageEvent, covers, in_force
from usage.rating import (
    BASIS_POINTS,
    PER_MILLION,
    PRICE_OF_QUANTITY,
    TOKENS_PER_PRICE,
    FailedPolicy,
    Prices,
    Quantities,
    Used,
    chargeable,
    rate_call,
)
from usage.services.periods import ACTIVATION_LEAD


@dataclass(frozen=True, slots=True)
class Part:
    """
    One class of tokens, or units: how many were reported, how many are charged, and at which price in nanos for so many (`per`).

    `exact_nanos` is charged · price / per, before multipliers and rounding.
    """

    name: str
    reported: int
    charged: int
    price_nanos: int
    per: int

    @property
    def exact_nanos(self) -> Fraction:
        """Charged times its price, in nanos."""
        return Fraction(self.charged * self.price_nanos, self.per)


@dataclass(frozen=True, slots=True)
class Rating:
    """
    How a version of the price book makes an event's cost. `cost_nanos` is what `rate_call` says of it now; None: beyond every bound.

    `was_in_force`: version and multiplier were, for this model and account, when the event occurred.
    """

    version: PriceVersion
    multiplier: PriceMultiplier | None
    multiplier_bp: int
    parts: list[Part]
    is_failed: bool
    cost_nanos: int | None
    was_in_force: bool

    @property
    def sum_nanos(self) -> Fraction:
        """All parts, before multipliers and rounding."""
        return sum((part.exact_nanos for part in self.parts), Fraction(0))

    @property
    def unrounded_nanos(self) -> Fraction:
        """The sum times both multipliers: what is rounded, once, half to even."""
        return self.sum_nanos * self.version.multiplier_bp * self.multiplier_bp / BASIS_POINTS**2


def explain_cost(event: UsageEvent) -> Rating | None:
    """How the price book makes this event's cost. None where its sender named the cost, or the version it names is gone."""
    version = PriceVersion.objects.filter(pk=event.price_version_id or 0).select_related("model").first()
    if version is None:
        return None
    multiplier = PriceMultiplier.objects.filter(pk=event.multiplier_id or 0).first()
    bp = BASIS_POINTS if multiplier is None else multiplier.multiplier_bp
    is_failed = event.status == EventStatus.FAILED
    used = Quantities(**{field.name: getattr(event, field.name) for field in fields(Quantities)})
    counted = chargeable(used, failed=is_failed, policy=FailedPolicy(version.failed_policy))
    return Rating(
        version=version,
        multiplier=multiplier,
        multiplier_bp=bp,
        parts=list(_parts(version.rates, used, counted)),
        is_failed=is_failed,
        cost_nanos=_cost(version, used, is_failed, bp),
        was_in_force=_was_in_force(event, version, multiplier),
    )


def _parts(prices: Prices, used: Used, counted: Used) -> Iterator[Part]:
    for quantity, price in PRICE_OF_QUANTITY.items():
        per = TOKENS_PER_PRICE if price in PER_MILLION else 1
        yield Part(quantity, getattr(used, quantity), getattr(counted, quantity), getattr(prices, price), per)


def _cost(version: PriceVersion, used: Used, is_failed: bool, bp: int) -> int | None:  # noqa: FBT001  What rating takes.
    try:
        return rate_call(version.rates, used, failed=is_failed, policy=FailedPolicy(version.failed_policy), multiplier_bp=bp)
    except CostOutOfRange:
        return None


def _was_in_force(event: UsageEvent, version: PriceVersion, multiplier: PriceMultiplier | None) -> bool:
    at = min(event.occurred_at, event.created_at)
    if version.model_id != event.model_id or not _was_active(version, at):
        return False
    if multiplier is None:
        return event.multiplier_id is None and not _is_left_out(event, None, at)
    is_theirs = multiplier.account_id in (None, event.account_id) and multiplier.model_id in (None, event.model_id)
    return is_theirs and _was_active(multiplier, at) and not _is_left_out(event, multiplier, at)


def _was_active(dated: PriceVersion | PriceMultiplier, at: datetime) -> bool:
    return dated.activated_at is not None and covers(dated, at)


def _is_left_out(event: UsageEvent, used: PriceMultiplier | None, at: datetime) -> bool:
    """
    Whether the account had a multiplier of its own that is more specific than the one used, and that every process knew by then.

    `usage/sql/checks/07_no_multiplier_is_left_out.sql` is the same rule. Of tiers nothing can be said: an account's has no history.
    """
    known = Q(account_id=event.account_id, activated_at__lte=event.created_at - ACTIVATION_LEAD)
    own = PriceMultiplier.objects.filter(in_force(at), known, Q(model=None) | Q(model_id=event.model_id))
    if used is None or used.account_id is None:
        return own.exists()
    return used.model_id is None and own.filter(model_id=event.model_id).exists()
