"""An operator's correction of a balance, by hand; and debt that the operator bears."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from core.audit import record_act
from core.money import usd_text
from credits.books import Books, Source
from credits.books import write_off as write_off_debt
from credits.errors import AmountOutOfRange, SourceKeyReused
from credits.models import Book, Category, Grant, Kind, LedgerEntry
from credits.services.auditing import Act, record, wallet_now
from credits.services.grants import GrantTerms, add_lot
from credits.services.posting import open_one, write_books


@dataclass(frozen=True, slots=True)
class _Adjustment:
    account_id: int
    amount_nanos: int
    reason: str
    actor_id: int | None
    source_key: str


def adjust_balance(*, account_id: int, amount_nanos: int, reason: str, actor_id: int | None, source_key: str, now: datetime) -> LedgerEntry:
    """
    Add credits (a promo grant without end) or take them (burn-down order, then into debt), with a reason in the audit trail.

    `amount_nanos` is signed and not 0; `actor_id` None is the command line. The same `source_key` again returns the first
    entry and does nothing.

    Raises AmountOutOfRange, SourceKeyReused (known key, other amount), NotFound (no such account).
    """
    act = _Adjustment(account_id, amount_nanos, reason, actor_id, source_key)
    with transaction.atomic():
        books = open_one(account_id, now=now)
        known = _find_adjusted(act)
        if known is not None:
            return known
        before = books.balance
        seq = _add(books, act) if amount_nanos > 0 else _take(books, act)
        write_books([books])
        _record(act, seq, before, books)
    return LedgerEntry.objects.get(account_id=account_id, seq=seq)


def write_off(*, account_id: int, amount_nanos: int, reason: str, actor_id: int | None, source_key: str, now: datetime) -> LedgerEntry:
    """
    Let the operator bear `amount_nanos` > 0 of an account's debt, the oldest first. No undo gives a part back that was written off.

    The same `source_key` again returns the first entry. Raises Conflict `more_than_the_debt`, AmountOutOfRange, SourceKeyReused,
    NotFound (no such account).
    """
    with transaction.atomic():
        books = open_one(account_id, now=now)
        known = LedgerEntry.objects.filter(account_id=account_id, source_key=source_key).first()
        if known is not None:
            return _same_write_off(known, amount_nanos)
        before = wallet_now(books)
        source = Source("operator", str(actor_id or "command line"), source_key)
        seq = write_off_debt(books, amount_nanos, source, actor_id=actor_id).seq
        write_books([books])
        act = Act("write_off", "ledger_entry", f"{account_id}/{seq}", actor_id, reason)
        record(act, books, before=before, after=wallet_now(books))
    return LedgerEntry.objects.get(account_id=account_id, seq=seq)


def _same_write_off(known: LedgerEntry, amount_nanos: int) -> LedgerEntry:
    if (known.amount_nanos, known.kind) != (amount_nanos, Kind.WRITE_OFF):
        raise SourceKeyReused("This key has booked another act; use a new one.")
    return known


def _find_adjusted(act: _Adjustment) -> LedgerEntry | None:
    grant = Grant.objects.filter(account_id=act.account_id, source_key=act.source_key).first()
    entry_key = act.source_key if grant is None else f"grant:{grant.pk}:effective"
    entry = LedgerEntry.objects.filter(account_id=act.account_id, source_key=entry_key).first()
    if entry is not None and (entry.amount_nanos, entry.kind) != (act.amount_nanos, Kind.MANUAL):
        raise SourceKeyReused("This key has booked another adjustment; use a new one.")
    return entry


def _add(books: Books, act: _Adjustment) -> int:
    add_lot(
        books,
        GrantTerms(
            amount_nanos=act.amount_nanos,
            kind=Kind.MANUAL,
            book=Book.ADJUSTMENT,
            category=Category.PROMO,
            source=Source("operator", str(act.actor_id or "command line"), act.source_key),
            actor_id=act.actor_id,
        ),
    )
    return books.entries[-1].seq


def _take(books: Books, act: _Adjustment) -> int:
    if not 0 < -act.amount_nanos <= books.room + books.payable_now:
        raise AmountOutOfRange("An adjustment must not be 0, and must stay within what a wallet can count.", field="amount")
    source = Source("operator", str(act.actor_id or "command line"), act.source_key)
    entry = books.book(Kind.MANUAL, Book.ADJUSTMENT, act.amount_nanos, source, occurred_at=books.clock_at, actor_id=act.actor_id)
    books.pay(entry, books.payable())
    return entry.seq


def _record(act: _Adjustment, seq: int, before: int, books: Books) -> None:
    record_act(
        actor_id=act.actor_id,
        act="adjust_balance",
        object_type="ledger_entry",
        object_id=f"{act.account_id}/{seq}",
        account_id=act.account_id,
        reason=act.reason,
        before={"balance_usd": usd_text(before)},
        after={"balance_usd": usd_text(books.balance), "amount_usd": usd_text(act.amount_nanos)},
        now=books.clock_at,
    )
