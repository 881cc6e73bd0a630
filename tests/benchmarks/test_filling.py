"""What `make bench-large` measures on: rows that SQL has copied, which must be as good as the product's own."""

from datetime import UTC, datetime

import pytest
from django.db import connection

from benchmarks.filling import PATTERNS, Plan, begin, grow
from credits.models import LedgerEntry, Wallet
from tests import factories
from usage.models import UsageDay, UsageEvent
from usage.services.starter_prices import load_starter_prices

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.mark.django_db(transaction=True)
def test_the_books_agree_after_accounts_were_copied_and_rounds_repeated() -> None:
    factories.forget_memories()
    load_starter_prices(now=NOW)
    plan = Plan(hot_events=12, hot_rounds=9, each_events=5, each_rounds=3, accounts=PATTERNS + 4)
    told: list[int] = []
    try:
        filled = begin(plan, now=NOW)
        grow(filled, Plan(12, 3, 5, 1, PATTERNS + 2), told.append)
        assert factories.disagreements() == []
        assert UsageEvent.objects.count() == 12 * 3 + 5 * (PATTERNS + 2)
        grow(filled, plan, told.append)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS bench_pattern")
    assert factories.disagreements() == []
    assert UsageEvent.objects.count() == plan.events
    assert UsageEvent.objects.filter(account=filled.hot[0]).count() == 108
    entries = LedgerEntry.objects.filter(account=filled.hot[0])
    wallet = Wallet.objects.get(pk=filled.hot[0])
    assert entries.count() == wallet.next_seq - 1
    assert Wallet.objects.filter(spent_nanos__gt=0).count() == plan.accounts + 1
    assert UsageDay.objects.filter(account=filled.hot[0]).values("day").distinct().count() == 9
    factories.forget_memories()
