"""Giving back what usage took."""

from datetime import datetime

from django.db import transaction

from core.errors import InvariantViolation, NotFound
from credits.books import Source, Undone, undo
from credits.errors import SourceKeyReused
from credits.models import Book, Kind, LedgerEntry
from credits.services.limits import lower_by_refund
from credits.services.loading import load_bearers
from credits.services.posting import open_one, write_books


def return_usage(
    *, account_id: int, seq: int, amount_nanos: int, source: Source, now: datetime, actor_id: int | None = None
) -> LedgerEntry:
    """
    Give back the last `amount_nanos` of a usage entry to the grants that paid it. The same source key again returns the first entry.

    What spending limits counted of the charge falls by as much, what exceeded its hold first.

    `source` must have a key. Raises Conflict `more_than_was_taken`, SourceKeyReused (known key, other act), AmountOutOfRange, NotFound
    (no such entry).
    """
    if not source.key:
        msg = "a return without a source key could be booked twice"
        raise InvariantViolation(msg)
    with transaction.atomic():
        books = open_one(account_id, now=now)
        known = LedgerEntry.objects.filter(account_id=account_id, source_key=source.key).first()
        if known is not None:
            return _same(known, seq, amount_nanos)
        entry = LedgerEntry.objects.filter(account_id=account_id, seq=seq, kind=Kind.USAGE).first()
        if entry is None:
            raise NotFound("There is no such usage entry.")
        bearers = load_bearers(books, entry)
        undone = Undone(seq, Book.USAGE, by=Kind.USAGE_REFUND, actor_id=actor_id)
        written = undo(books, bearers, amount_nanos, source, undone=undone)
        write_books([books])
        if books.has_limits:
            kept = -entry.amount_nanos - sum(bearer.returned for bearer in bearers)
            lower_by_refund(entry=entry, kept_nanos=kept, amount_nanos=amount_nanos, at=books.clock_at)
    return LedgerEntry.objects.get(account_id=account_id, seq=written.seq)


def _same(known: LedgerEntry, seq: int, amount_nanos: int) -> LedgerEntry:
    if (known.reverses, known.amount_nanos) != (seq, amount_nanos):
        raise SourceKeyReused("This source key has booked another return; use a new key.")
    return known
