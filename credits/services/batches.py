"""
Usage at speed: a fixed few statements per batch, whatever its size, in one transaction.

The caller stages its events in a temporary table of its own and hands over two statements: one that inserts what is new and
reports it in `fresh_charge` (credits/sql/batch_contract.sql), one that takes refused ones out again. Lock order: event keys
(account, event_id) first, then wallets by account. Measured start and the reason for three statements: docs/adr/0007.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from django.db.backends.utils import CursorWrapper

from core.errors import InvariantViolation
from core.money import AMOUNT_MAX_NANOS
from credits.books import Charge, spend
from credits.services.posting import open_books, write_books

_SQL: Final = Path(__file__).resolve().parent.parent / "sql"
_CONTRACT: Final = (_SQL / "batch_contract.sql").read_text()
_LOCK: Final = (_SQL / "batch_lock.sql").read_text()
_WALLETS: Final = (_SQL / "batch_wallets.sql").read_text()
_BURN: Final = (_SQL / "batch_burn.sql").read_text()


@dataclass(frozen=True, slots=True)
class EventStatements:
    """
    The caller's SQL. `insert` writes its new rows in (account, event_id) order and their place, account, event id, charge and
    instant to `fresh_charge`; `delete` removes the rows of its table whose `fresh_charge.position` is in `%(positions)s`.
    """

    insert: str
    delete: str


@dataclass(frozen=True, slots=True)
class _Special:
    missing: list[int]
    due: list[int]
    lapsing: list[int]
    overflowing: list[int]


def post_batch(cursor: CursorWrapper, statements: EventStatements, *, now: datetime) -> list[int]:
    """
    Book every new event of a staged batch, into debt if need be, one entry per charge above 0.

    Returns the positions refused because the account's `spent` would pass 2^62 nanos; they were removed again. What is new and
    booked is left in `fresh_charge` until the transaction ends. Needs a transaction.
    """
    cursor.execute(_CONTRACT)
    cursor.execute(statements.insert, {"now": now})
    special = _lock(cursor, now)
    by_hand = _accounts_by_hand(special, now)
    refused = _refuse_overflow(cursor, statements, special.overflowing, now)
    if by_hand:
        cursor.execute("UPDATE fresh_charge SET by_hand = true WHERE account_id = ANY(%(accounts)s)", {"accounts": by_hand})
    cursor.execute(_WALLETS, {"now": now})
    cursor.execute(_BURN)
    if by_hand:
        _spend_by_hand(cursor, by_hand, now)
    return refused


def _lock(cursor: CursorWrapper, now: datetime) -> _Special:
    cursor.execute(_LOCK, {"now": now, "amount_max": AMOUNT_MAX_NANOS})
    special = _Special(*(accounts or [] for accounts in cursor.fetchone() or ()))
    if special.missing:
        msg = f"no wallet for accounts {special.missing[:5]}: they are made before a batch"
        raise InvariantViolation(msg)
    return special


def _accounts_by_hand(special: _Special, now: datetime) -> list[int]:
    """Book what is due; whose grants are lapsing then is spent by hand."""
    if not special.due:
        return special.lapsing
    due = open_books(special.due, now=now)
    still_lapsing = set(special.lapsing) - set(special.due)
    return sorted(still_lapsing | {account.account_id for account in due.values() if account.lapsing})


def _spend_by_hand(cursor: CursorWrapper, account_ids: list[int], now: datetime) -> None:
    books = open_books(account_ids, now=now)
    charges: dict[int, list[Charge]] = {account_id: [] for account_id in account_ids}
    for account_id, event_id, amount, occurred_at, _ in _charges_of(cursor, account_ids):
        charges[account_id].append(Charge(event_id, amount, occurred_at))
    for account_id, account in books.items():
        spend(account, charges[account_id])
    write_books(books.values())


def _refuse_overflow(cursor: CursorWrapper, statements: EventStatements, account_ids: list[int], now: datetime) -> list[int]:
    """
    Item by item, in the batch's order: one that would bring `spent` above the bound is refused alone.

    What grants hold counts, since it is spent one day; so does nothing twice that they pay for now.
    """
    if not account_ids:
        return []
    room = {account_id: books.room + books.payable_now for account_id, books in open_books(account_ids, now=now).items()}
    refused = []
    for account_id, _, amount, _, position in _charges_of(cursor, account_ids):
        if amount > room[account_id]:
            refused.append(position)
        else:
            room[account_id] -= amount
    cursor.execute(statements.delete, {"positions": refused})
    cursor.execute("DELETE FROM fresh_charge WHERE position = ANY(%(positions)s)", {"positions": refused})
    return refused


def _charges_of(cursor: CursorWrapper, account_ids: list[int]) -> list[tuple[int, str, int, datetime, int]]:
    cursor.execute(
        "SELECT account_id, event_id, charged_nanos, occurred_at, position FROM fresh_charge"
        " WHERE account_id = ANY(%(accounts)s) ORDER BY position",
        {"accounts": account_ids},
    )
    rows: list[tuple[int, str, int, datetime, int]] = cursor.fetchall()
    return rows
