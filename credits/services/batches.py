"""
Usage at speed: a fixed few statements per batch, whatever its size, in one transaction.

The caller stages its events in a temporary table of its own and hands over two statements: one that inserts what is new and
reports it in `fresh_charge` (credits/sql/batch_contract.sql), one that takes refused ones out again. Lock order: event keys
(account, event_id) first, then wallets by account. Measured start and the reason for three statements: docs/adr/0007.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from django.db.backends.utils import CursorWrapper

from core.errors import InvariantViolation
from core.money import AMOUNT_MAX_NANOS
from credits.books import Charge, Reservation, spend
from credits.services.posting import open_books, write_books

_SQL: Final = Path(__file__).resolve().parent.parent / "sql"
_CONTRACT: Final = (_SQL / "batch_contract.sql").read_text()
_LOCK: Final = (_SQL / "batch_lock.sql").read_text()
_WALLETS: Final = (_SQL / "batch_wallets.sql").read_text()
_BURN: Final = (_SQL / "batch_burn.sql").read_text()
_HOLDS: Final = (_SQL / "batch_holds.sql").read_text()
_CAPTURE: Final = (_SQL / "batch_capture.sql").read_text()
_LIMITS: Final = (_SQL / "batch_limits.sql").read_text()

OVERFLOW: Final = "spent_out_of_range"
"""The account's `spent` would pass 2^62 nanos."""


@dataclass(frozen=True, slots=True)
class EventStatements:
    """
    The caller's SQL. `insert` writes its new rows in (account, event_id) order and their place, account, event id, charge, instant,
    key and hold to `fresh_charge`; `delete` removes the rows of its table whose `fresh_charge.position` is in `%(positions)s`.
    """

    insert: str
    delete: str


@dataclass(frozen=True, slots=True)
class _Special:
    missing: list[int]
    due: list[int]
    lapsing: list[int]
    holding: list[int]
    absorbing: list[int]
    limited: list[int]
    overflowing: list[int]


@dataclass(frozen=True, slots=True)
class Posted:
    """
    What became of a batch. `refused`: why, by position (`spent_out_of_range`, `unknown_hold`, `hold_already_captured`); those were
    removed again. `named_holds`: whether any event named a hold, so that flags and charges may differ from what was inserted.
    """

    refused: dict[int, str]
    named_holds: bool


def post_batch(cursor: CursorWrapper, statements: EventStatements, *, now: datetime) -> Posted:
    """
    Book every new event of a staged batch, into debt if need be, one entry per charge above 0; capture the holds they name.

    What is new and booked is left in `fresh_charge` until the transaction ends. Needs a transaction.
    """
    cursor.execute(_CONTRACT)
    cursor.execute(statements.insert, {"now": now})
    special = _lock(cursor, now)
    lapsing = _book_due(special, now)
    refused = dict.fromkeys(_refuse_overflow(cursor, statements, special.overflowing, now), OVERFLOW)
    if special.holding:
        refused |= _judge_holds(cursor, statements)
    by_hand = sorted({*lapsing, *special.absorbing})
    if by_hand:
        cursor.execute("UPDATE fresh_charge SET by_hand = true WHERE account_id = ANY(%(accounts)s)", {"accounts": by_hand})
    cursor.execute(_WALLETS, {"now": now})
    cursor.execute(_BURN)
    if special.holding:
        cursor.execute(_CAPTURE)
    if by_hand:
        _spend_by_hand(cursor, by_hand, now)
    if special.limited:
        cursor.execute(_LIMITS, {"accounts": special.limited})
    return Posted(refused, named_holds=bool(special.holding))


def _lock(cursor: CursorWrapper, now: datetime) -> _Special:
    cursor.execute(_LOCK, {"now": now, "amount_max": AMOUNT_MAX_NANOS})
    special = _Special(*(accounts or [] for accounts in cursor.fetchone() or ()))
    if special.missing:
        msg = f"no wallet for accounts {special.missing[:5]}: they are made before a batch"
        raise InvariantViolation(msg)
    return special


def _book_due(special: _Special, now: datetime) -> set[int]:
    """Book what is due; returns whose grants are lapsing then."""
    if not special.due:
        return set(special.lapsing)
    due = open_books(special.due, now=now)
    still_lapsing = set(special.lapsing) - set(special.due)
    return still_lapsing | {account.account_id for account in due.values() if account.lapsing}


def _judge_holds(cursor: CursorWrapper, statements: EventStatements) -> dict[int, str]:
    cursor.execute(_HOLDS)
    refused: dict[int, str] = {position: refusal for position, refusal in cursor.fetchall() if refusal is not None}
    _remove(cursor, statements, list(refused))
    return refused


def _spend_by_hand(cursor: CursorWrapper, account_ids: list[int], now: datetime) -> None:
    books = open_books(account_ids, now=now)
    charges: dict[int, list[Charge]] = {account_id: [] for account_id in account_ids}
    absorbable: list[tuple[int, Charge]] = []
    for position, account_id, charge in _charges_of(cursor, account_ids):
        charges[account_id].append(charge)
        if charge.hold is not None:
            absorbable.append((position, charge))
    for account_id, account in books.items():
        spend(account, charges[account_id])
    write_books(books.values())
    charged = {"positions": [position for position, _ in absorbable], "nanos": [charge.charged for _, charge in absorbable]}
    cursor.execute(_TELL_CHARGED, charged)


def _refuse_overflow(cursor: CursorWrapper, statements: EventStatements, account_ids: list[int], now: datetime) -> list[int]:
    """
    Item by item, in the batch's order: one that would bring `spent` above the bound is refused alone.

    What grants hold counts, since it is spent one day; so does nothing twice that they pay for now.
    """
    if not account_ids:
        return []
    room = {account_id: books.room + books.payable_now for account_id, books in open_books(account_ids, now=now).items()}
    refused = []
    for account_id, amount, position in _amounts_of(cursor, account_ids):
        if amount > room[account_id]:
            refused.append(position)
        else:
            room[account_id] -= amount
    _remove(cursor, statements, refused)
    return refused


def _remove(cursor: CursorWrapper, statements: EventStatements, positions: list[int]) -> None:
    """Take refused events out again, as if they had not been sent."""
    if positions:
        cursor.execute(statements.delete, {"positions": positions})
        cursor.execute("DELETE FROM fresh_charge WHERE position = ANY(%(positions)s)", {"positions": positions})


def _amounts_of(cursor: CursorWrapper, account_ids: list[int]) -> list[tuple[int, int, int]]:
    cursor.execute(
        "SELECT account_id, charged_nanos, position FROM fresh_charge WHERE account_id = ANY(%(accounts)s) ORDER BY position",
        {"accounts": account_ids},
    )
    rows: list[tuple[int, int, int]] = cursor.fetchall()
    return rows


def _charges_of(cursor: CursorWrapper, account_ids: list[int]) -> Iterator[tuple[int, int, Charge]]:
    """Each charge with its place in the batch and its account."""
    cursor.execute(_CHARGES, {"accounts": account_ids})
    for position, account_id, event_id, cost, occurred_at, api_key_id, hold, nanos, opened_at, expires_at, hold_key_id in cursor.fetchall():
        captured = None if nanos is None else Reservation(hold, nanos, opened_at, expires_at, hold_key_id)
        yield position, account_id, Charge(event_id, cost, occurred_at, api_key_id, captured)


_CHARGES: Final = """
SELECT position, account_id, event_id, charged_nanos, occurred_at, api_key_id, hold, hold_nanos, hold_opened_at, hold_expires_at,
    hold_key_id
FROM fresh_charge WHERE account_id = ANY(%(accounts)s) ORDER BY position
"""

# What the operator absorbs is known only once the books are; all of it is told back at once.
_TELL_CHARGED: Final = """
UPDATE fresh_charge f SET charged_nanos = told.nanos
FROM unnest(%(positions)s::integer[], %(nanos)s::bigint[]) AS told (position, nanos)
WHERE f.position = told.position AND f.charged_nanos <> told.nanos
"""
