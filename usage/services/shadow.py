"""
A shadow run's arithmetic: real usage priced anew by another version, and what that would have changed. It only reads.

Source: docs/adr/0024-a-shadow-run-replays-charges-not-the-ledger.md.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from heapq import heappush, heappushpop
from pathlib import Path
from typing import Any, Final, NamedTuple

from django.db import connection

from core.rounding import half_even
from credits.selectors import first_seq_since
from usage.errors import CostOutOfRange
from usage.models import AccountDay, EventStatus, PriceMultiplier, PriceVersion, ProviderCost, UncountedBlock
from usage.rating import BASIS_POINTS, FailedPolicy, Prices, Quantities, Used, rate, rate_call
from usage.services.staging import PAST_TOLERANCE

CHUNK: Final = 2_000
"""So many events of an account are in memory at a time, however many it has."""
NAMED: Final = 20
"""Customers and events that a result names in each list."""

_SQL: Final = Path(__file__).resolve().parents[1] / "sql"
_EVENTS: Final = (_SQL / "shadow_events.sql").read_text()
_NOT_FOLDED: Final = (_SQL / "platform_waiting.sql").read_text()
_DAY: Final = timedelta(days=1)
_QUANTITIES: Final = len(fields(Quantities))


class Event(NamedTuple):
    """An event as it was charged. `balance_after`: what the account had then; None where nothing was charged."""

    event_id: str
    is_of_model: bool
    is_by_sender: bool
    multiplier_id: int | None
    status: str
    charged: int
    absorbed: int
    refunded: int
    provider_cost: int | None
    balance_after: int | None
    used: Used

    @property
    def net(self) -> int:
        """What of it the customer has paid in the end."""
        return self.charged - self.refunded


@dataclass(frozen=True, slots=True)
class Trial:
    """What is tried out: a version's prices, over the usage of its model that was booked at or after `since` and before `until`."""

    model_id: int
    prices: Prices
    failed_policy: FailedPolicy
    provider: Prices | None
    multipliers: dict[int, int]
    since: datetime
    until: datetime

    def cost(self, event: Event) -> int:
        """What the event would have cost, by the multiplier it was rated by. Raises CostOutOfRange."""
        bp = BASIS_POINTS if event.multiplier_id is None else self.multipliers[event.multiplier_id]
        failed = event.status == EventStatus.FAILED
        return rate_call(self.prices, event.used, failed=failed, policy=self.failed_policy, multiplier_bp=bp)

    def provider_cost(self, event: Event) -> int | None:
        """What the call would have cost the operator; as it was where the version does not say."""
        if self.provider is None or event.provider_cost is None:
            return event.provider_cost
        try:
            return rate(self.provider, event.used)
        except CostOutOfRange:
            return event.provider_cost


@dataclass(slots=True)
class Customer:
    """One account's usage of the model, before and after; the lowest balances are over charges of every model."""

    account_id: int
    events: int = 0
    before: int = 0
    after: int = 0
    lowest: int | None = None
    would_be_lowest: int | None = None

    @property
    def change(self) -> int:
        """What it would have paid more."""
        return self.after - self.before

    @property
    def runs_dry(self) -> bool:
        """Whether its balance would have fallen below 0 at a charge, which it never did."""
        return self.lowest is not None and self.lowest >= 0 > (self.would_be_lowest or 0)

    def see_balance(self, balance: int) -> None:
        """What was left after a charge, and what would have been: less by what all replayed events so far would have cost more."""
        self.lowest = balance if self.lowest is None else min(self.lowest, balance)
        would_be = balance - self.change
        self.would_be_lowest = would_be if self.would_be_lowest is None else min(self.would_be_lowest, would_be)


@dataclass(slots=True)
class Tally:
    """
    Sums over all customers. Of each customer one number is kept, of events none: memory does not grow with them.

    `by_sender`: events whose sender named the cost, which no price changes; they are left out.
    """

    events: int = 0
    by_sender: int = 0
    before: int = 0
    after: int = 0
    changes: list[int] = field(default_factory=list)
    most_more: list[tuple[int, int, int, int]] = field(default_factory=list)
    most_less: list[tuple[int, int, int, int]] = field(default_factory=list)
    dry: int = 0
    driest: list[tuple[int, int]] = field(default_factory=list)
    out_of_range: int = 0
    too_dear: list[tuple[int, str]] = field(default_factory=list)
    costed_events: int = 0
    margin_before: int = 0
    margin_after: int = 0

    def take(self, trial: Trial, customer: Customer, event: Event) -> None:
        """Count one event."""
        if event.is_of_model and event.is_by_sender:
            self.by_sender += 1
        elif event.is_of_model:
            self._replay(trial, customer, event)
        if event.balance_after is not None:
            customer.see_balance(event.balance_after)

    def _replay(self, trial: Trial, customer: Customer, event: Event) -> None:
        try:
            after, provider = net_charge(trial.cost(event), event), trial.provider_cost(event)
        except CostOutOfRange:
            after, provider = event.net, event.provider_cost
            self.out_of_range += 1
            if len(self.too_dear) < NAMED:
                self.too_dear.append((customer.account_id, event.event_id))
        customer.events += 1
        customer.before += event.net
        customer.after += after
        if event.provider_cost is not None and provider is not None:
            self.costed_events += 1
            self.margin_before += event.net - event.provider_cost
            self.margin_after += after - provider

    def close(self, customer: Customer) -> None:
        """All of a customer's events were counted."""
        if not customer.events:
            return
        self.events += customer.events
        self.before += customer.before
        self.after += customer.after
        self.changes.append(customer.change)
        row = (customer.account_id, customer.before, customer.after)
        if customer.change > 0:
            _keep(self.most_more, (customer.change, *row))
        elif customer.change < 0:
            _keep(self.most_less, (-customer.change, *row))
        if customer.runs_dry:
            self.dry += 1
            _keep(self.driest, (-(customer.would_be_lowest or 0), customer.account_id))

    def result(self) -> dict[str, Any]:
        """What is kept of the run: plain JSON, whole numbers."""
        changes = sorted(self.changes)
        change = self.after - self.before
        return {
            "events": self.events,
            "customers": len(changes),
            "events_by_sender": self.by_sender,
            "before_nanos": self.before,
            "after_nanos": self.after,
            "change_nanos": change,
            "change_bp": basis_points(change, self.before),
            "p50_nanos": nearest_rank(changes, 50),
            "p95_nanos": nearest_rank(changes, 95),
            "most_more": _named(self.most_more),
            "most_less": _named(self.most_less),
            "dry": {
                "customers": self.dry,
                "driest": [{"account": account, "lowest_nanos": -depth} for depth, account in sorted(self.driest, reverse=True)],
            },
            "out_of_range": {"events": self.out_of_range, "first": [{"account": one, "event_id": name} for one, name in self.too_dear]},
            "margin": {"events": self.costed_events, "before_nanos": self.margin_before, "after_nanos": self.margin_after},
        }


def net_charge(cost: int, event: Event) -> int:
    """
    What the customer would have paid in the end of an event that costs so much.

    Where the operator absorbed a part, the customer could not pay more than it did. What was given back stays given back, at most the
    whole; an event that was given back whole counts nothing, whatever it costs.
    """
    charged = min(cost, event.charged) if event.absorbed else cost
    if 0 < event.charged == event.refunded:
        return 0
    return charged - min(event.refunded, charged)


def nearest_rank(ascending: Sequence[int], percent: int) -> int | None:
    """The percentile by nearest rank: the smallest number that at least so many per cent are no larger than. None of none."""
    return ascending[-(-percent * len(ascending) // 100) - 1] if ascending else None


def basis_points(part: int, whole: int) -> int | None:
    """`part / whole` in hundredths of a per cent, rounded half to even; None where the whole is nothing."""
    if whole <= 0:
        return None
    size = half_even(abs(part) * BASIS_POINTS, whole)
    return size if part >= 0 else -size


def trial_of(version: PriceVersion, *, days: int, until: datetime) -> Trial:
    """A version over the `days` days that end at an instant."""
    provider = ProviderCost.objects.filter(version=version).first()
    return Trial(
        model_id=version.model_id,
        prices=version.rates,
        failed_policy=FailedPolicy(version.failed_policy),
        provider=None if provider is None else provider.prices(),
        multipliers=dict(PriceMultiplier.objects.values_list("pk", "multiplier_bp")),
        since=until - days * _DAY,
        until=until,
    )


def accounts_with_usage(trial: Trial) -> list[int]:
    """
    Who may have used the model then, from the days that are folded, and whoever has more than those: calls not counted, or not folded yet.

    Days go by when a call occurred, at most so long before it was booked.
    """
    # In this order: what is counted and folded meanwhile is in the days, which are read last.
    waiting = set(UncountedBlock.objects.values_list("account_id", flat=True).distinct())
    with connection.cursor() as cursor:
        cursor.execute(_NOT_FOLDED, {"after": 0, "most": None})
        waiting.update(account_id for (account_id,) in cursor.fetchall())
    since = (trial.since - PAST_TOLERANCE - _DAY).date()
    used = AccountDay.objects.filter(model_id=trial.model_id, day__gte=since)
    return sorted(waiting | set(used.values_list("account_id", flat=True).distinct()))


def events_of(account_id: int, trial: Trial, *, chunk: int = CHUNK) -> Iterator[list[Event]]:
    """The account's events, in the order in which they were charged, a chunk at a time by a cursor of the server."""
    first_seq = first_seq_since(account_id=account_id, at=trial.since)
    asked: dict[str, int | datetime] = {
        "account": account_id,
        "model": trial.model_id,
        "since": trial.since,
        "until": trial.until,
        "first_seq": first_seq,
    }
    # With no transaction open the server keeps what is left of the answer: progress is written, and seen, between two chunks.
    with connection.chunked_cursor() as cursor:
        with _without_nested_loops():
            cursor.execute(_EVENTS, asked)
        while rows := cursor.fetchmany(chunk):
            yield [Event._make((*row[:-_QUANTITIES], Quantities(*row[-_QUANTITIES:]))) for row in rows]


@contextmanager
def _without_nested_loops() -> Iterator[None]:
    """An account whose events the planner takes for few would be joined event by event, each time through all of its charges."""
    with connection.cursor() as cursor:
        cursor.execute("SET enable_nestloop = off")
        try:
            yield
        finally:
            cursor.execute("RESET enable_nestloop")


def _keep(heap: list[Any], row: tuple[int, ...]) -> None:
    """The largest few."""
    if len(heap) < NAMED:
        heappush(heap, row)
    else:
        heappushpop(heap, row)


def _named(heap: list[tuple[int, int, int, int]]) -> list[dict[str, int]]:
    return [{"account": account, "before_nanos": before, "after_nanos": after} for _, account, before, after in sorted(heap, reverse=True)]
