"""
The one posting door: lock the wallets, book what is due, let the act work on the books, write what it added.

Every write of the ledger outside a usage batch goes through `open_books` and `write_books`, inside one transaction.
"""

from collections.abc import Collection, Iterable
from datetime import datetime

from django.db import connection

from accounts.models import Account
from core.errors import NotFound
from core.locks import locked
from credits.books import Books, book_due
from credits.models import Wallet
from credits.services import loading, writing


def open_books(account_ids: Collection[int], *, now: datetime) -> dict[int, Books]:
    """
    Lock these wallets in account order, move their clocks to `now`, book what is due, and return their books by account.

    A wallet is made at its first use. Needs a transaction; the lock lasts until it ends.

    Raises NotFound `account_not_found`.
    """
    books = loading.load_books(lock_wallets(account_ids, now=now), now=now)
    due = [account for account in books.values() if account.is_due]
    for account in due:
        book_due(account)
    writing.write_books(due)
    for account in books.values():
        account.previous_clock_at = account.clock_at
    return books


def open_one(account_id: int, *, now: datetime) -> Books:
    """`open_books` of one account."""
    return open_books([account_id], now=now)[account_id]


def write_books(books: Iterable[Books]) -> None:
    """Write what acts added to these books, and the wallets' sums."""
    writing.write_books(list(books))


def lock_wallets(account_ids: Collection[int], *, now: datetime) -> list[Wallet]:
    """
    The wallets, locked, in account order; missing ones are made before the first lock, so that the order holds.

    Raises NotFound where an account does not exist.
    """
    wallets = Wallet.objects.filter(account_id__in=account_ids)
    missing = set(account_ids) - set(wallets.values_list("account_id", flat=True))
    if missing:
        make_wallets(missing, now=now)
    return list(locked(wallets.all()))


def make_wallets(account_ids: Collection[int], *, now: datetime) -> None:
    """
    Make empty wallets where there are none; at once with others it makes each once.

    Raises NotFound where an account does not exist.
    """
    found = set(Account.objects.filter(pk__in=account_ids).values_list("pk", flat=True))
    if found != set(account_ids):
        raise NotFound("There is no such account.", code="account_not_found")
    with connection.cursor() as cursor:
        cursor.execute(_MAKE_WALLETS, {"accounts": sorted(found), "now": now})


_MAKE_WALLETS = """
INSERT INTO wallet (account_id, balance_nanos, reserved_nanos, frozen_nanos, lapsing_nanos, debt_nanos, spent_nanos, next_seq, clock_at,
    policy)
SELECT account_id, 0, 0, 0, 0, 0, 0, 1, %(now)s, 'debt' FROM unnest(%(accounts)s::bigint[]) AS account_id ORDER BY account_id
ON CONFLICT DO NOTHING
"""
