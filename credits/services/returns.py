"""Giving back what usage took."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection, transaction

from core.errors import InvariantViolation, NotFound
from credits.books import Bearer, Source, Undone, refundable, undo
from credits.errors import NothingToRefund, SourceKeyReused
from credits.models import Book, Grant, Kind, LedgerEntry, Wallet
from credits.selectors import first_seq_at
from credits.services.bearing import who_bears
from credits.services.limits import lower_by_refund
from credits.services.loading import load_bearers
from credits.services.posting import open_one, write_books


@dataclass(frozen=True, slots=True)
class UsageReturn:
    """
    What went back: the entry that books it, and the compensation grants that carry what belonged to grants that have ended.

    `is_repeat`: it was booked before, under the same source key.
    """

    entry: LedgerEntry
    compensations: list[Grant]
    is_repeat: bool


def return_usage(
    *, account_id: int, seq: int, amount_nanos: int | None, source: Source, now: datetime, actor_id: int | None = None
) -> UsageReturn:
    """
    Give back the last `amount_nanos` of a usage entry (None: all that is left) to the grants that paid it. The same source key again
    returns the first entry.

    What spending limits counted of the charge falls by as much, what exceeded its hold first. Only the app whose event it was may call
    this: its own counts of the event must fall in the same transaction. `source` must have a key.

    Raises NothingToRefund (all was given back or written off), Conflict `more_than_was_taken`, SourceKeyReused (known key, other act),
    AmountOutOfRange, NotFound (no such entry).
    """
    if not source.key:
        msg = "a return without a source key could be booked twice"
        raise InvariantViolation(msg)
    with transaction.atomic():
        books = open_one(account_id, now=now)
        known = LedgerEntry.objects.filter(account_id=account_id, source_key=source.key).first()
        entry = _usage_entry(account_id, seq)
        bearers = load_bearers(books, entry)
        if known is not None:
            return UsageReturn(_same(known, seq, amount_nanos), _compensations(account_id, bearers, source.key), is_repeat=True)
        amount = _amount(bearers, amount_nanos)
        written = undo(books, bearers, amount, source, undone=Undone(seq, Book.USAGE, by=Kind.USAGE_REFUND, actor_id=actor_id))
        write_books([books])
        if books.has_limits:
            kept = -entry.amount_nanos - sum(bearer.returned for bearer in bearers)
            lower_by_refund(entry=entry, kept_nanos=kept, amount_nanos=amount, at=books.clock_at)
    booked = LedgerEntry.objects.get(account_id=account_id, seq=written.seq)
    return UsageReturn(booked, _compensations(account_id, bearers, source.key), is_repeat=False)


def look_at_returns(*, account_id: int, seq: int, now: datetime) -> tuple[int, list[LedgerEntry]]:
    """
    What of a usage entry can still be given back, in nanos (charged less returned less written off), and the entries that gave parts
    of it back. Read without a lock. Raises NotFound.
    """
    borne = who_bears(entry=_usage_entry(account_id, seq), now=now)
    entries = LedgerEntry.objects.filter(account_id=account_id, seq__in=borne.given_back_by, reverses=seq).order_by("seq")
    return borne.left_nanos, list(entries)


def usage_seq(*, account_id: int, event_id: str, booked_since: datetime) -> int:
    """
    The `seq` of the entry that charged an event, received at `booked_since`: found from there on, since entries are not kept by event.

    Raises NotFound.
    """
    next_seq = Wallet.objects.filter(account_id=account_id).values_list("next_seq", flat=True).first() or 1
    first = first_seq_at(account_id=account_id, at=booked_since, next_seq=next_seq)
    with connection.cursor() as cursor:
        cursor.execute(_USAGE_SEQ, {"account": account_id, "event": event_id, "first": first})
        row: tuple[int] | None = cursor.fetchone()
    if row is None:
        raise NotFound("There is no such usage entry.")
    return row[0]


def _usage_entry(account_id: int, seq: int) -> LedgerEntry:
    entry = LedgerEntry.objects.filter(account_id=account_id, seq=seq, kind=Kind.USAGE).first()
    if entry is None:
        raise NotFound("There is no such usage entry.")
    return entry


def _amount(bearers: list[Bearer], asked: int | None) -> int:
    left = refundable(bearers)
    if not left:
        raise NothingToRefund("Nothing of this charge is left to give back.")
    return left if asked is None else asked


def _compensations(account_id: int, bearers: list[Bearer], key: str) -> list[Grant]:
    """An undo names them by its own key and the grant that has ended (`credits/books/undo.py`)."""
    ended = {bearer.lot.id for bearer in bearers if bearer.lot is not None}
    keys = [f"{key}:{grant_id}" for grant_id in ended]
    return list(Grant.objects.filter(account_id=account_id, source_key__in=keys, compensates__isnull=False).order_by("pk"))


def _same(known: LedgerEntry, seq: int, amount_nanos: int | None) -> LedgerEntry:
    if known.reverses != seq or amount_nanos not in {None, known.amount_nanos}:
        raise SourceKeyReused("This source key has booked another return; use a new key.")
    return known


# In the order of the primary key, so that it ends at the entry: a batch's are booked at one instant, at most 5,000 of them.
_USAGE_SEQ: Final = """
SELECT seq FROM ledger_entry
WHERE account_id = %(account)s AND seq >= %(first)s AND kind = 'usage' AND source_type = 'usage_event' AND source_id = %(event)s
ORDER BY seq LIMIT 1
"""
