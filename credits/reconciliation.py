"""The ledger's invariants as queries: each finds what disagrees, none repairs."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from django.db.models import Max

from core.verification import Check, sql_checks
from credits.models import LedgerEntry, Wallet

CHECKS: Final[tuple[Check, ...]] = sql_checks(Path(__file__).resolve().parent / "sql" / "checks")

LATE_AFTER: Final = timedelta(minutes=15)
"""What is due is swept every minute; reads never depend on it, but a quarter of an hour says that no worker runs."""


def last_account() -> int:
    """The highest account id that any row of the ledger names; 0 where there is none."""
    tables = (Wallet, LedgerEntry)
    return max(table.objects.aggregate(last=Max("account_id"))["last"] or 0 for table in tables)


def count_late_wallets(now: datetime) -> int:
    """Wallets with something due for a quarter of an hour."""
    return Wallet.objects.filter(next_change_at__lt=now - LATE_AFTER).count()
