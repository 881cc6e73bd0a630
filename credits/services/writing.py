"""Writes what acts added to the books: set-based, each kind of row in one pipelined statement, whatever the number of accounts."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connection
from django.db.backends.utils import CursorWrapper

from credits.books import AllocationRow, Books, EntryRow, Lot, Reservation, next_change_at


def write_books(books: Sequence[Books]) -> None:
    """Write grants, entries, allocations, ends of holds and the wallets' sums. Needs the transaction that locked the wallets."""
    if not books:
        return
    with connection.cursor() as cursor:
        _write_new_lots(cursor, books)
        changed = [lot for account in books for lot in account.lots if lot.state != lot.written]
        cursor.executemany(_UPDATE_GRANT, [_lot_state(lot) for lot in changed])
        cursor.executemany(_INSERT_ENTRY, [_entry(account, entry) for account in books for entry in account.entries])
        cursor.executemany(_INSERT_ALLOCATION, [_allocation(account, row) for account in books for row in account.rows])
        cursor.executemany(_CLOSE_HOLD, [_closed(account, hold) for account in books for hold in account.closed])
        cursor.executemany(_UPDATE_WALLET, [_wallet(account) for account in books])
        _expire_holds(cursor, [account for account in books if account.expires_holds])
        uncounted = [
            _closed(account, hold) for account in books if account.has_limits for hold in account.closed if hold.status != "captured"
        ]
        cursor.executemany(_UNCOUNT_HOLD, uncounted)
    for lot in changed:
        lot.written = lot.state
    for account in books:
        account.entries.clear()
        account.rows.clear()
        account.closed.clear()
        account.expires_holds = False


def _write_new_lots(cursor: CursorWrapper, books: Iterable[Books]) -> None:
    """Few at a time (one act makes one, an undo one per ended grant): their ids are needed by the rows that follow."""
    for account in books:
        for lot in account.lots:
            if lot.id is None:
                cursor.execute(_INSERT_GRANT, _new_lot(account, lot))
                (lot.id,) = cursor.fetchone() or (None,)


def _new_lot(account: Books, lot: Lot) -> dict[str, Any]:
    return _lot_state(lot) | {
        "account": account.account_id,
        "kind": lot.kind,
        "book": lot.book,
        "source_type": lot.source.type,
        "source_id": lot.source.id,
        "source_key": lot.source.key,
        "category": lot.category,
        "cost_basis_minor": lot.cost_basis_minor,
        "cost_basis_currency": lot.cost_basis_currency,
        "priority": lot.priority,
        "effective_at": lot.effective_at,
        "expires_at": lot.expires_at,
        "amount": lot.amount,
        "compensates": lot.compensates,
        "root": lot.root,
        "actor": lot.actor_id,
        "now": account.clock_at,
    }


def _lot_state(lot: Lot) -> dict[str, Any]:
    return {
        "id": lot.id,
        "remaining": lot.remaining,
        "frozen": lot.is_frozen,
        "pending": lot.is_pending,
        "booked_at": lot.booked_at,
        "voided_at": lot.voided_at,
        "expired_at": lot.expired_at,
    }


def _entry(account: Books, entry: EntryRow) -> dict[str, Any]:
    return {
        "account": account.account_id,
        "seq": entry.seq,
        "kind": entry.kind,
        "book": entry.book,
        "amount": entry.amount,
        "balance_after": entry.balance_after,
        "spent_after": entry.spent_after,
        "source_type": entry.source.type,
        "source_id": entry.source.id,
        "source_key": entry.source.key,
        "reverses": entry.reverses,
        "actor": entry.actor_id,
        "api_key": entry.api_key_id,
        "occurred_at": entry.occurred_at,
        "now": account.clock_at,
    }


def _allocation(account: Books, row: AllocationRow) -> dict[str, Any]:
    return {
        "account": account.account_id,
        "from": row.span.start,
        "to": row.span.end,
        "grant": None if row.lot is None else row.lot.id,
        "role": row.role,
        "reverses": row.reverses,
        "into": None if row.into is None else row.into.id,
        "entry_seq": row.entry_seq,
        "now": account.clock_at,
    }


def _expire_holds(cursor: CursorWrapper, books: Sequence[Books]) -> None:
    """Every hold of these accounts that has ended by their clock, in one statement."""
    if not books:
        return
    params: dict[str, Any] = {"accounts": [account.account_id for account in books], "clocks": [account.clock_at for account in books]}
    cursor.execute(_EXPIRE_HOLDS, params)


def _closed(account: Books, hold: Reservation) -> dict[str, Any]:
    return {
        "account": account.account_id,
        "hold": hold.public_id,
        "status": hold.status,
        "event_id": hold.event_id,
        "api_key": hold.api_key_id,
        "opened_at": hold.opened_at,
        "amount": hold.amount,
        "now": account.clock_at,
    }


def _wallet(account: Books) -> dict[str, Any]:
    account.next_change_at = next_change_at(account)
    return {
        "account": account.account_id,
        "balance": account.balance,
        "reserved": account.reserved,
        "frozen": account.frozen,
        "lapsing": account.lapsing,
        "debt": account.debt,
        "spent": account.spent,
        "next_seq": account.next_seq,
        "next_change_at": account.next_change_at,
        "clock_at": account.clock_at,
    }


_INSERT_GRANT = """
INSERT INTO credit_grant (account_id, kind, book, source_type, source_id, source_key, category, cost_basis_minor, cost_basis_currency,
    priority, effective_at, expires_at, amount_nanos, remaining_nanos, is_frozen, is_pending, booked_at, voided_at, expired_at,
    compensates_id, root_id, actor_id, created_at)
VALUES (%(account)s, %(kind)s, %(book)s, %(source_type)s, %(source_id)s, %(source_key)s, %(category)s, %(cost_basis_minor)s,
    %(cost_basis_currency)s, %(priority)s, %(effective_at)s, %(expires_at)s, %(amount)s, %(remaining)s, %(frozen)s, %(pending)s,
    %(booked_at)s, %(voided_at)s, %(expired_at)s, %(compensates)s, %(root)s, %(actor)s, %(now)s)
RETURNING id
"""

_UPDATE_GRANT = """
UPDATE credit_grant SET remaining_nanos = %(remaining)s, is_frozen = %(frozen)s, is_pending = %(pending)s, booked_at = %(booked_at)s,
    voided_at = %(voided_at)s, expired_at = %(expired_at)s
WHERE id = %(id)s AND (remaining_nanos, is_frozen, is_pending, booked_at, voided_at, expired_at)
    IS DISTINCT FROM (%(remaining)s, %(frozen)s, %(pending)s, %(booked_at)s::timestamptz, %(voided_at)s::timestamptz,
        %(expired_at)s::timestamptz)
"""

_INSERT_ENTRY = """
INSERT INTO ledger_entry (account_id, seq, kind, book, amount_nanos, balance_after_nanos, spent_after_nanos, source_type, source_id,
    source_key, reverses, description, reference, actor_id, api_key_id, occurred_at, created_at)
VALUES (%(account)s, %(seq)s, %(kind)s, %(book)s, %(amount)s, %(balance_after)s, %(spent_after)s, %(source_type)s, %(source_id)s,
    %(source_key)s, %(reverses)s, '', '', %(actor)s, %(api_key)s, %(occurred_at)s, %(now)s)
"""

_INSERT_ALLOCATION = """
INSERT INTO allocation (account_id, from_nanos, to_nanos, grant_id, role, reverses, into_grant_id, entry_seq, created_at)
VALUES (%(account)s, %(from)s, %(to)s, %(grant)s, %(role)s, %(reverses)s, %(into)s, %(entry_seq)s, %(now)s)
"""

_CLOSE_HOLD = """
UPDATE hold SET status = %(status)s, event_id = %(event_id)s, closed_at = %(now)s WHERE account_id = %(account)s AND public_id = %(hold)s
"""

# Five minutes divide every bucket of a limit, so that holds opened in the same five are taken out of it together.
_EXPIRE_HOLDS = """
WITH ended AS (
    UPDATE hold h SET status = 'expired', closed_at = of.clock_at
    FROM unnest(%(accounts)s::bigint[], %(clocks)s::timestamptz[]) AS of (account_id, clock_at)
    WHERE h.account_id = of.account_id AND h.status = 'open' AND h.expires_at <= of.clock_at
    RETURNING h.account_id, h.api_key_id, h.opened_at, h.amount_nanos, of.clock_at
), counted AS (
    SELECT e.account_id, e.api_key_id, min(e.opened_at) AS opened_at, sum(e.amount_nanos)::bigint AS nanos, e.clock_at
    FROM ended e JOIN wallet w ON w.account_id = e.account_id AND w.has_limits
    GROUP BY e.account_id, e.api_key_id, date_bin('5 minutes', e.opened_at, TIMESTAMPTZ '2000-01-01 00:00:00+00'), e.clock_at
)
SELECT count(*) FROM counted c CROSS JOIN LATERAL limit_count(c.account_id, c.api_key_id, c.opened_at, -c.nanos, c.clock_at) AS done
"""

# A captured one is counted by its batch, which knows what was charged.
_UNCOUNT_HOLD = "SELECT limit_count(%(account)s, %(api_key)s, %(opened_at)s, -%(amount)s, %(now)s)"

_UPDATE_WALLET = """
UPDATE wallet SET balance_nanos = %(balance)s, reserved_nanos = %(reserved)s, frozen_nanos = %(frozen)s, lapsing_nanos = %(lapsing)s,
    debt_nanos = %(debt)s, spent_nanos = %(spent)s, next_seq = %(next_seq)s, next_change_at = %(next_change_at)s, clock_at = %(clock_at)s
WHERE account_id = %(account)s
"""
