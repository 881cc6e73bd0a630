"""The ledger's invariants as queries: each finds what disagrees, none repairs."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from core.verification import Check, sql_checks
from credits.models import Wallet

CHECKS: Final[tuple[Check, ...]] = sql_checks(Path(__file__).resolve().parent / "sql" / "checks")

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
