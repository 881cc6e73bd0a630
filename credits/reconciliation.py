"""The ledger's invariants as queries: each finds what disagrees, none repairs."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from django.db.models import Count, F, Sum

from core.verification import Check, sql_checks
from credits.models import Wallet
from credits.sealed import find_broken_seals, find_changed_entries

CHECKS: Final[tuple[Check, ...]] = (
    *sql_checks(Path(__file__).resolve().parent / "sql" / "checks"),
    Check(14, "entries are what was sealed", find_changed_entries),
    Check(14, "seals are a chain", find_broken_seals),
)

LATE_AFTER: Final = timedelta(minutes=15)
"""What is due is swept every minute; reads never depend on it, but a quarter of an hour says that no worker runs."""

ID_MIN: Final = -(2**63)
ID_MAX: Final = 2**63 - 1


def account_ranges(size: int) -> Iterator[tuple[int, int]]:
    """
    Ranges `low`…`high` that cover every possible account id without a gap, each with at most `size` wallets.

    They are cut at wallets that exist, so one stray row with an absurd account id costs nothing, and is still looked at.
    """
    low, ids = ID_MIN, Wallet.objects.order_by("account_id").values_list("account_id", flat=True)
    while cut := ids.filter(account_id__gte=low)[size : size + 1].first():
        yield low, cut - 1
        low = cut
    yield low, ID_MAX


def count_late_wallets(now: datetime) -> int:
    """Wallets with something due for a quarter of an hour."""
    return Wallet.objects.filter(next_change_at__lt=now - LATE_AFTER).count()


def count_entries(low: int, high: int) -> tuple[int, int]:
    """How many wallets the accounts `low`…`high` have, and how many entries by their own count."""
    sums = Wallet.objects.filter(account_id__gte=low, account_id__lte=high).aggregate(
        wallets=Count("account_id"), entries=Sum(F("next_seq") - 1, default=0)
    )
    return sums["wallets"], int(sums["entries"])
