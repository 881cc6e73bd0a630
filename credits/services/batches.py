"""
Usage at speed: a fixed few statements per batch, whatever its size, in one transaction.

The caller has inserted its events, in (account, event_id) order, and hands over the charges of those that were new, with a way to take
refused ones out again. Lock order: event keys first, then wallets by account. Most accounts of most batches need no more than a burn:
their entries are packed in Python and copied. The few that need more (something is due, a hold is named, a limit counts, grants are
lapsing, the operator absorbs) go through `fresh_charge` as well. Measured start and reasons: docs/adr/0007.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from pathlib import Path
from typing import Final

from django.db.backends.utils import CursorWrapper

from core.arrays import array_text
from core.binary_copy import copy_rows
from core.errors import InvariantViolation
from core.money import AMOUNT_MAX_NANOS
from credits.books import Charge, Reservation, spend
from credits.services.batch_rows import CHARGE_COLUMNS, ENTRY_COLUMNS, EventCharge, WalletBefore, charge_row, entry_rows
from credits.services.posting import open_books, write_books

__all__ = ("OVERFLOW", "EventCharge", "Posted", "post_batch")

_SQL: Final = Path(__file__).resolve().parent.parent / "sql"
_CONTRACT: Final = (_SQL / "batch_contract.sql").read_text()
_LOCK: Final = (_SQL / "batch_lock.sql").read_text()
_BURN: Final = (_SQL / "batch_burn.sql").read_text()
_HOLDS: Final = (_SQL / "batch_holds.sql").read_text()
_CAPTURE: Final = (_SQL / "batch_capture.sql").read_text()
_LIMITS: Final = (_SQL / "batch_limits.sql").read_text()

OVERFLOW: Final = "spent_out_of_range"
"""The account's `spent` would pass 2^62 nanos."""

Remove = Callable[[list[EventCharge]], None]
"""Takes the caller's rows of these charges out again, as if they had not been sent."""


@dataclass(frozen=True, slots=True)
class Posted:
    """
    What became of a batch. `refused`: why, by position (`spent_out_of_range`, `unknown_hold`, `hold_already_captured`); those were
    removed again. `named_holds`: whether any event named a hold, so that flags and charges may differ from what was inserted.
    """

    refused: dict[int, str]
    named_holds: bool


@dataclass(slots=True)
class _Batch:
    """Each account's charges in the batch's order, its wallet as locked, and what its captures release."""

    charges: dict[int, list[EventCharge]]
    wallets: dict[int, WalletBefore]
    released: dict[int, int]

    def drop(self, refused: Collection[int], account_ids: Iterable[int]) -> list[EventCharge]:
        """Forget the charges of these accounts at refused positions; returns them."""
        dropped: list[EventCharge] = []
        for account_id in account_ids:
            mine = self.charges[account_id]
            dropped += [charge for charge in mine if charge.position in refused]
            self.charges[account_id] = [charge for charge in mine if charge.position not in refused]
        return dropped


@dataclass(frozen=True, slots=True)
class _Special:
    """Accounts that need more than a burn."""

    holding: list[int]
    limited: list[int]
    by_hand: list[int]

    @property
    def all(self) -> list[int]:
        """Each once, in order."""
        return sorted({*self.holding, *self.limited, *self.by_hand})


def post_batch(cursor: CursorWrapper, charges: Iterable[EventCharge], *, remove: Remove, now: datetime) -> Posted:
    """
    Book the charges of new events, into debt if need be, one entry per charge above 0; capture the holds they name.

    `charges` in the batch's order. Needs a transaction.
    """
    by_account: dict[int, list[EventCharge]] = {}
    for charge in charges:
        by_account.setdefault(charge.account_id, []).append(charge)
    batch = _Batch(by_account, _lock(cursor, by_account, now), {})
    lapsing = _book_due(cursor, batch, now)
    refused = _refuse_overflow(batch, remove, now)
    special = _special(batch, lapsing)
    if special.all:
        refused |= _prepare(cursor, batch, special, remove)
    _burn(cursor, batch, without=set(special.by_hand), now=now)
    if special.holding:
        cursor.execute(_CAPTURE, {"now": now})
    if special.by_hand:
        _spend_by_hand(cursor, special.by_hand, now)
    if special.limited:
        cursor.execute(_LIMITS, {"accounts": special.limited})
    return Posted(refused, named_holds=bool(special.holding))


def _lock(cursor: CursorWrapper, account_ids: Collection[int], now: datetime) -> dict[int, WalletBefore]:
    cursor.execute(_LOCK, {"accounts": array_text(sorted(account_ids)), "now": now})
    wallets = {row[0]: WalletBefore(*row) for row in cursor.fetchall()}
    if len(wallets) < len(account_ids):
        msg = f"no wallet for accounts {sorted(set(account_ids) - set(wallets))[:5]}: they are made before a batch"
        raise InvariantViolation(msg)
    return wallets


def _book_due(cursor: CursorWrapper, batch: _Batch, now: datetime) -> set[int]:
    """Book what is due; returns whose grants are lapsing then."""
    due = [account_id for account_id, wallet in batch.wallets.items() if wallet.is_due]
    lapsing = {account_id for account_id, wallet in batch.wallets.items() if wallet.lapses and not wallet.is_due}
    if not due:
        return lapsing
    books = open_books(due, now=now)
    batch.wallets |= _lock(cursor, due, now)
    return lapsing | {account.account_id for account in books.values() if account.lapsing}


def _special(batch: _Batch, lapsing: set[int]) -> _Special:
    wallets, charges = batch.wallets, batch.charges
    holding = [account_id for account_id, mine in charges.items() if any(charge.hold is not None for charge in mine)]
    absorbing = {account_id for account_id in holding if wallets[account_id].absorbs}
    limited = [account_id for account_id in charges if wallets[account_id].has_limits]
    return _Special(holding, limited, sorted(lapsing | absorbing))


def _prepare(cursor: CursorWrapper, batch: _Batch, special: _Special, remove: Remove) -> dict[int, str]:
    """Stage the charges of special accounts, judge the holds they name, and tell the batch what that changed. What was refused, and why."""
    cursor.execute(_CONTRACT)
    copy_rows(
        cursor, "fresh_charge", CHARGE_COLUMNS, [charge_row(charge) for account_id in special.all for charge in batch.charges[account_id]]
    )
    if special.by_hand:
        cursor.execute("UPDATE fresh_charge SET by_hand = true WHERE account_id = ANY(%(accounts)s)", {"accounts": special.by_hand})
    return _judge_holds(cursor, batch, special.holding, remove) if special.holding else {}


def _judge_holds(cursor: CursorWrapper, batch: _Batch, holding: list[int], remove: Remove) -> dict[int, str]:
    cursor.execute(_HOLDS)
    judged = {position: rest for position, *rest in cursor.fetchall()}
    refused: dict[int, str] = {position: refusal for position, (refusal, _, _) in judged.items() if refusal is not None}
    if refused:
        remove(batch.drop(refused, holding))
        cursor.execute("DELETE FROM fresh_charge WHERE position = ANY(%(positions)s)", {"positions": list(refused)})
    for account_id in holding:
        for charge in batch.charges[account_id]:
            if charge.position in judged:
                _, hold_nanos, charge.api_key_id = judged[charge.position]
                batch.released[account_id] = batch.released.get(account_id, 0) + (hold_nanos or 0)
    return refused


def _burn(cursor: CursorWrapper, batch: _Batch, *, without: set[int], now: datetime) -> None:
    """Burn grants and move wallets in one statement, and copy the entries."""
    accounts = [account_id for account_id in sorted(batch.charges) if account_id not in without and batch.charges[account_id]]
    if not accounts:
        return
    wallets = [batch.wallets[account_id] for account_id in accounts]
    entries = [entry_rows(wallet, batch.charges[wallet.account_id], now=now) for wallet in wallets]
    arrays = {
        "accounts": array_text(accounts),
        "spent": array_text(wallet.spent_nanos for wallet in wallets),
        "next_seq": array_text(wallet.next_seq for wallet in wallets),
        "booked_at": array_text(f'"{wallet.ahead or now}"' for wallet in wallets),
        "cost": array_text(_cost(batch.charges[account_id]) for account_id in accounts),
        "entries": array_text(len(rows) for rows in entries),
        "released": array_text(batch.released.get(account_id, 0) for account_id in accounts),
    }
    cursor.execute(_BURN, arrays)
    # Ids rise along seq, so that an account's entry is found by its id.
    copy_rows(cursor, "ledger_entry", ENTRY_COLUMNS, [row for rows in entries for row in rows])


def _cost(charges: list[EventCharge]) -> int:
    return sum(map(_NANOS, charges))


_NANOS: Final = attrgetter("nanos")


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


def _refuse_overflow(batch: _Batch, remove: Remove, now: datetime) -> dict[int, str]:
    """
    Item by item, in the batch's order: one that would bring `spent` above the bound is refused alone.

    What grants hold counts, since it is spent one day; so does nothing twice that they pay for now.
    """
    near = [
        account_id
        for account_id, charges in batch.charges.items()
        if batch.wallets[account_id].bound_nanos + _cost(charges) > AMOUNT_MAX_NANOS
    ]
    if not near:
        return {}
    refused = {}
    for account_id, books in open_books(near, now=now).items():
        room = books.room + books.payable_now
        for charge in batch.charges[account_id]:
            if charge.nanos > room:
                refused[charge.position] = OVERFLOW
            else:
                room -= charge.nanos
    remove(batch.drop(refused, near))
    return refused


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
