"""Undoing an entry: all of it or a part, by whoever may reverse entries."""

from datetime import datetime
from typing import Final

from django.db import transaction

from core.errors import Conflict, NotFound
from credits.books import Source, Undone, refundable, undo
from credits.errors import SourceKeyReused
from credits.models import Kind, LedgerEntry
from credits.services.auditing import Act, record, wallet_now
from credits.services.loading import load_bearers
from credits.services.posting import open_one, write_books

_BY_KIND: Final = {
    Kind.MANUAL: Kind.REVERSAL,
    Kind.EXPIRY: Kind.REVERSAL,
    Kind.GRANT_VOID: Kind.REVERSAL,
    Kind.REFUND: Kind.REVERSAL,
    Kind.DISPUTE_LOST: Kind.DISPUTE_WON,
}


def reverse_entry(
    *, account_id: int, seq: int, amount_nanos: int | None, reason: str, actor_id: int | None, source_key: str, now: datetime
) -> LedgerEntry:
    """
    Give back what an entry took, the last positions first, to those who bore it; or, by `amount_nanos` > 0, a part of it.

    Repeated parts go on where the earlier ones stopped. What belonged to a grant that has ended comes as a compensation grant, what is
    still owed lowers the debt, what was written off stays the operator's. `amount_nanos` None: all that is left to give back. The same
    `source_key` again returns the first entry.

    Usage is not undone here but refunded at its event, whose counts fall with it.

    Raises NotFound `entry_not_found`, Conflict `entry_not_reversible` (it gave credits, moved them, or is usage), Conflict
    `more_than_was_taken`, AmountOutOfRange, SourceKeyReused.
    """
    with transaction.atomic():
        books = open_one(account_id, now=now)
        known = LedgerEntry.objects.filter(account_id=account_id, source_key=source_key).first()
        if known is not None:
            return _same(known, seq, amount_nanos)
        entry = _reversible(account_id, seq)
        before = wallet_now(books)
        amount = refundable(load_bearers(books, entry)) if amount_nanos is None else amount_nanos
        source = Source("operator", str(actor_id or "command line"), source_key)
        undone = Undone(seq, entry.book, by=_BY_KIND[Kind(entry.kind)], actor_id=actor_id)
        written = undo(books, load_bearers(books, entry), amount, source, undone=undone)
        write_books([books])
        act = Act("reverse_entry", "ledger_entry", f"{account_id}/{seq}", actor_id, reason)
        record(act, books, before=before, after=wallet_now(books))
    return LedgerEntry.objects.get(account_id=account_id, seq=written.seq)


def reversible_nanos(*, account_id: int, seq: int, now: datetime) -> int:
    """
    What of an entry can still be given back, in nanos. What is due on the account is booked first.

    Raises NotFound `entry_not_found`, Conflict `entry_not_reversible`.
    """
    with transaction.atomic():
        books = open_one(account_id, now=now)
        return refundable(load_bearers(books, _reversible(account_id, seq)))


def is_reversible(entry: LedgerEntry) -> bool:
    """Whether entries like this one can be undone here at all, whatever is left of them to give back. Usage is refunded at its event."""
    return entry.amount_nanos < 0 and entry.kind in _BY_KIND


def _reversible(account_id: int, seq: int) -> LedgerEntry:
    entry = LedgerEntry.objects.filter(account_id=account_id, seq=seq).first()
    if entry is None:
        raise NotFound("There is no such entry.", code="entry_not_found")
    if not is_reversible(entry):
        message = "Only what took credits can be undone; to take a grant back, void it or claw it back."
        if entry.kind == Kind.USAGE:
            message = "What usage took is refunded at its event, so that reports agree with the ledger."
        raise Conflict(message, code="entry_not_reversible", kind=entry.kind)
    return entry


def _same(known: LedgerEntry, seq: int, amount_nanos: int | None) -> LedgerEntry:
    if known.reverses != seq or amount_nanos not in (None, known.amount_nanos):
        raise SourceKeyReused("This source key has booked another act; use a new key.")
    return known
