"""
What the clock does to an account by itself: it ends holds, all at once, then activations and expiries.

Changes of grants are booked one by one in the order of their instants, each judged at its own instant and followed by settling debt, so
that the books never depend on who read when, or on a sweeper's punctuality.
"""

from datetime import datetime

from credits.books.books import Books
from credits.books.rows import LATE_GRACE, Lot, Source

_EXPIRY, _ACTIVATION = 0, 1  # Their order at one instant.


def book_due(books: Books) -> None:
    """Book everything that is due by the clock, then settle what can be settled now."""
    books.expire_holds()
    books.instant = books.previous_clock_at
    while due := _first_due(books):
        at, rank, _, lot = due
        books.instant = max(books.instant, at)
        if rank == _EXPIRY:
            end(books, lot, "expiry", at)
        else:
            _activate(books, lot)
    books.instant = books.clock_at
    books.settle(None)


def end(books: Books, lot: Lot, kind: str, at: datetime, *, actor_id: int | None = None) -> None:
    """End what remains of a grant: by `expiry` or `grant_void`. One that was never booked books nothing."""
    if lot.booked_at is not None and lot.remaining:
        source = Source("grant", str(lot.id), f"grant:{lot.id}:{kind}")
        entry = books.book(kind, "breakage", -lot.remaining, source, occurred_at=at, actor_id=actor_id)
        books.pay(entry, [lot])
    if kind == "expiry":
        lot.expired_at = books.clock_at
    else:
        lot.voided_at = books.clock_at


def next_change_at(books: Books) -> datetime | None:
    """The earliest instant at which something will become due."""
    coming = [_next_of(lot, books.clock_at) for lot in books.lots] + [books.next_hold_at]
    return min((at for at in coming if at is not None), default=None)


def _activate(books: Books, lot: Lot) -> None:
    lot.booked_at = books.clock_at
    source = Source("grant", str(lot.id), f"grant:{lot.id}:effective")
    entry = books.book(lot.kind, lot.book, lot.amount, source, occurred_at=lot.effective_at, actor_id=lot.actor_id)
    books.settle(entry.seq)


def _first_due(books: Books) -> tuple[datetime, int, int, Lot] | None:
    due = [(*key, lot) for lot in books.lots if (key := _due_key(lot)) is not None and key[0] <= books.clock_at]
    return min(due, key=lambda change: change[:3], default=None)


def _due_key(lot: Lot) -> tuple[datetime, int, int] | None:
    if lot.booked_at is None:
        return None if lot.voided_at is not None or lot.is_pending else (lot.effective_at, _ACTIVATION, lot.place)
    if lot.is_live and lot.expires_at is not None:
        return (lot.expires_at + LATE_GRACE, _EXPIRY, lot.place)
    return None


def _next_of(lot: Lot, clock_at: datetime) -> datetime | None:
    if lot.is_live and lot.expires_at is not None and lot.expires_at > clock_at:
        return lot.expires_at
    due = _due_key(lot)
    return None if due is None else due[0]
