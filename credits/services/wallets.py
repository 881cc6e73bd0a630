"""Reading a wallet truly: what is due is booked first."""

import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import DatabaseError, connection, transaction

from accounts.selectors import ACCOUNT_REF_COLUMNS, AccountRef, account_ref
from core.errors import InvariantViolation
from credits.models import Wallet
from credits.services.posting import make_wallets, open_books

_SWEEP_SIZE: Final = 500

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WalletView:
    """A wallet at one moment. Amounts in nanos; `available_nanos` is never below 0; `entries` counts its ledger entries."""

    account_id: int
    balance_nanos: int
    reserved_nanos: int
    frozen_nanos: int
    lapsing_nanos: int
    debt_nanos: int
    spent_nanos: int
    available_nanos: int
    entries: int
    updated_at: datetime


def read_wallet(*, account_id: int, now: datetime) -> WalletView:
    """The wallet as of `now`; a due one is booked first. An account that never had credits reads as zeros."""
    wallet = Wallet.objects.filter(pk=account_id).first()
    if wallet is not None and wallet.next_change_at is not None and wallet.next_change_at <= now:
        book_due_changes(account_ids=[account_id], now=now)
        wallet = Wallet.objects.get(pk=account_id)
    return _view(wallet or Wallet(account_id=account_id, clock_at=now))


def book_due_changes(*, account_ids: Collection[int], now: datetime) -> None:
    """Book activations, lapses and expiries of these accounts that are due. Nothing where nothing is."""
    with transaction.atomic():
        open_books(account_ids, now=now)


def sweep_due_wallets(*, now: datetime) -> int:
    """
    Book what is due everywhere, some hundred accounts a transaction; returns for how many. Reads never depend on its punctuality.

    Where a transaction fails its accounts are taken one by one, so that a bad one is logged and stops nobody else.
    """
    swept = last = 0
    while due := _due_accounts(now, after=last):
        swept += _sweep(due, now)
        last = due[-1]
    return swept


def ensure_wallets(account_ids: Collection[int], *, now: datetime) -> None:
    """Make the wallets of these accounts where missing, in a transaction of its own, before any lock is taken. None missing: one query."""
    missing = set(account_ids) - set(Wallet.objects.filter(account_id__in=account_ids).values_list("account_id", flat=True))
    if missing:
        with transaction.atomic():
            make_wallets(missing, now=now)


def find_accounts_with_wallets(public_ids: Collection[str], *, now: datetime) -> dict[str, AccountRef]:
    """Those of the named accounts that exist, by public id, each with a wallet from now on. One query, where nobody is new."""
    with connection.cursor() as cursor:
        cursor.execute(_FIND_ACCOUNTS, {"public_ids": list(public_ids)})
        rows = cursor.fetchall()
    new = [row[0] for row in rows if not row[-1]]
    if new:
        ensure_wallets(new, now=now)
    return {row[1]: account_ref(row) for row in rows}


# Before a hold of an account that a web process has not seen lately: to have the ORM compile this takes longer than to run it.
_FIND_ACCOUNTS: Final = f"""
SELECT {", ".join(f"a.{column}" for column in ACCOUNT_REF_COLUMNS)}, EXISTS (SELECT FROM wallet w WHERE w.account_id = a.id)
FROM accounts_account a WHERE a.public_id = ANY(%(public_ids)s)
"""  # noqa: S608 - nothing of a request is in it


def _sweep(account_ids: list[int], now: datetime) -> int:
    try:
        book_due_changes(account_ids=account_ids, now=now)
    except (DatabaseError, InvariantViolation):
        if len(account_ids) == 1:
            logger.exception("what is due cannot be booked for account %s", account_ids[0])
            return 0
        return sum(_sweep([account_id], now) for account_id in account_ids)
    return len(account_ids)


def _due_accounts(now: datetime, *, after: int) -> list[int]:
    due = Wallet.objects.filter(next_change_at__lte=now, account_id__gt=after).order_by("account_id")
    return list(due.values_list("account_id", flat=True)[:_SWEEP_SIZE])


def _view(wallet: Wallet) -> WalletView:
    return WalletView(
        account_id=wallet.account_id,
        balance_nanos=wallet.balance_nanos,
        reserved_nanos=wallet.reserved_nanos,
        frozen_nanos=wallet.frozen_nanos,
        lapsing_nanos=wallet.lapsing_nanos,
        debt_nanos=wallet.debt_nanos,
        spent_nanos=wallet.spent_nanos,
        available_nanos=wallet.available_nanos,
        entries=wallet.next_seq - 1,
        updated_at=wallet.clock_at,
    )
