"""What must add up, by explicit sums: events = entries = wallets = roll-ups."""

from collections import Counter
from dataclasses import dataclass

from django.db.models import Sum

from accounts.models import Account
from credits.models import LedgerEntry, Wallet
from tests import factories
from usage.models import UsageDay, UsageEvent, UsageLifetime, UsageQuarter
from usage.services.counting import count_account


@dataclass(frozen=True)
class Sums:
    """How many events, their input tokens, and what they cost net of refunds, in nanos."""

    events: int
    tokens: int
    cost: int


def sums_everywhere(account: Account) -> Sums:
    """
    An account's usage, when it is counted, added up from each of the places that know it, which must all say the same. Its wallet must
    agree with its entries.
    """
    count_account(account.pk)
    events = UsageEvent.objects.filter(account=account)
    told = {"events": Sums(events.count(), _sum(events, "input_tokens"), _sum(events, "charged_nanos") - _sum(events, "refunded_nanos"))}
    for table in (UsageDay, UsageQuarter, UsageLifetime):
        rows = table._default_manager.filter(account=account)
        told[table.__name__] = Sums(_sum(rows, "events"), _sum(rows, "input_tokens"), _sum(rows, "cost_nanos"))
    assert set(told.values()) == {told["events"]}, told
    entries = LedgerEntry.objects.filter(account=account)
    assert -_sum(entries.filter(kind__in=("usage", "usage_refund")), "amount_nanos") == told["events"].cost
    assert entries.filter(kind="usage").count() == events.filter(charged_nanos__gt=0).count()
    wallet = Wallet.objects.get(account=account)
    assert (wallet.balance_nanos, wallet.next_seq - 1) == (_sum(entries, "amount_nanos"), entries.count())
    return told["events"]


def days_of(account: Account) -> Counter[str]:
    """How many events each local day has, whatever became of them."""
    count_account(account.pk)
    counted: Counter[str] = Counter()
    for row in UsageDay.objects.filter(account=account):
        counted[row.day.isoformat()] += row.events
    return counted


def assert_all_agrees() -> None:
    """Every invariant."""
    found = factories.disagreements()
    assert not found, found


def _sum(rows: object, column: str) -> int:
    found: int | None = rows.aggregate(total=Sum(column))["total"]  # type: ignore[attr-defined]
    return int(found or 0)
