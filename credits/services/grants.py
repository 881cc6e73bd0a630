"""Issuing credits."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from credits.books import Books, Lot, Source, book_due
from credits.errors import AmountOutOfRange, BadTerms, SourceKeyReused
from credits.models import Book, Category, Grant, Kind
from credits.services.posting import open_one, write_books

__all__ = ("Book", "Category", "Grant", "GrantTerms", "Kind", "Source", "add_lot", "issue_grant")
"""Apps that issue credits take the words from here: models stay inside."""

ISSUED_KINDS = frozenset(
    {
        Kind.PURCHASE,
        Kind.TOPUP,
        Kind.PLAN_GRANT,
        Kind.ROLLOVER,
        Kind.COUPON_BONUS,
        Kind.CHECKIN,
        Kind.PROMO,
        Kind.COMPENSATION,
        Kind.MANUAL,
        Kind.OPENING,
    }
)


@dataclass(frozen=True, slots=True)
class GrantTerms:
    """
    What is given. `amount_nanos` > 0; `source.key` is unique per account for ever; lower `priority` burns first.

    `effective_at` None: now. `expires_at` None: never. `cost_basis_minor`: what was paid for it, in minor units of the currency.
    """

    amount_nanos: int
    kind: Kind
    book: Book
    category: Category
    source: Source
    priority: int = 0
    effective_at: datetime | None = None
    expires_at: datetime | None = None
    cost_basis_minor: int = 0
    cost_basis_currency: str = "USD"
    actor_id: int | None = None


def issue_grant(*, account_id: int, terms: GrantTerms, now: datetime) -> Grant:
    """
    Give credits: booked at once if effective, else when it becomes so. The same source key again returns the first grant.

    Raises AmountOutOfRange, BadTerms, SourceKeyReused (known key, other amount or kind), NotFound (no such account).
    """
    with transaction.atomic():
        books = open_one(account_id, now=now)
        known = Grant.objects.filter(account_id=account_id, source_key=terms.source.key).first()
        if known is not None:
            return _same(known, terms)
        add_lot(books, terms)
        write_books([books])
        return Grant.objects.get(account_id=account_id, source_key=terms.source.key)


def add_lot(books: Books, terms: GrantTerms) -> Lot:
    """
    Add a grant to open books and, if it is effective, book it. The caller has checked the source key, and writes the books.

    Raises AmountOutOfRange, BadTerms.
    """
    lot = _lot(books, terms)
    books.lots.append(lot)
    write_books([books])  # The id names the entry that books it.
    if books.is_due:
        book_due(books)
    return lot


def _lot(books: Books, terms: GrantTerms) -> Lot:
    effective_at = terms.effective_at or books.clock_at
    if not 0 < terms.amount_nanos <= books.room:
        raise AmountOutOfRange("A grant must be above 0 and within what a wallet can hold.", field="amount")
    if terms.expires_at is not None and terms.expires_at <= max(books.clock_at, effective_at):
        raise BadTerms("A grant must end in the future, and after it begins.", field="expires_at")
    if terms.kind not in ISSUED_KINDS or not terms.source.key:
        raise BadTerms("This kind of entry is not issued as a grant, or its source key is missing.", field="kind")
    return Lot(
        id=None,
        kind=terms.kind,
        book=terms.book,
        source=terms.source,
        category=terms.category,
        priority=terms.priority,
        effective_at=effective_at,
        expires_at=terms.expires_at,
        amount=terms.amount_nanos,
        remaining=terms.amount_nanos,
        cost_basis_minor=terms.cost_basis_minor,
        cost_basis_currency=terms.cost_basis_currency,
        actor_id=terms.actor_id,
    )


def _same(known: Grant, terms: GrantTerms) -> Grant:
    if (known.amount_nanos, known.kind) != (terms.amount_nanos, terms.kind):
        raise SourceKeyReused("This source key has issued another grant; use a new key.")
    return known
