"""What the console asks of the ledger: what needs a hand, and what is newest. Bounded, whatever the size of the tables."""

from datetime import datetime
from typing import Final

from django.contrib.admin import site

from core.console.pages import HotTableAdmin
from credits.models import Grant, LedgerEntry, Wallet
from credits.reconciliation import LATE_AFTER

_NEWEST_IDS: Final = 100


def wallets_in_debt(limit: int) -> list[Wallet]:
    """Who owes most, with the account."""
    owing = Wallet.objects.filter(debt_nanos__gt=0).select_related("account")
    return list(owing.order_by("-debt_nanos")[:limit])


def wallets_overdue(now: datetime, limit: int) -> list[Wallet]:
    """Wallets whose next change should have been booked long ago, the oldest first, with the account."""
    due = Wallet.objects.filter(next_change_at__lt=now - LATE_AFTER).select_related("account")
    return list(due.order_by("next_change_at")[:limit])


def newest_entries(limit: int) -> list[LedgerEntry]:
    """The last movements of all accounts, with the account; at most as many as the last hundred ids hold."""
    page = site.get_model_admin(LedgerEntry)
    assert isinstance(page, HotTableAdmin)  # noqa: S101 - for the type
    newest = LedgerEntry.objects.filter(id__gt=page.newest_id() - _NEWEST_IDS).select_related("account")
    return list(newest.order_by("-id")[:limit])


def newest_grants(account_id: int, limit: int) -> list[Grant]:
    """An account's newest lots of credits."""
    return list(Grant.objects.filter(account_id=account_id).order_by("-id")[:limit])
