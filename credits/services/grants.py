"""Issuing credits, and the life of a grant until its end: its money settles, it is voided, frozen, released."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from core.errors import NotFound
from core.money import usd_text
from credits.books import Books, Lot, Source, book_due, book_split, freeze, release, settle_money, void
from credits.errors import AmountOutOfRange, BadTerms, SourceKeyReused
from credits.models import Book, Category, Grant, Kind
from credits.services.auditing import Act, record, wallet_now
from credits.services.loading import load_lot
from credits.services.posting import open_one, write_books

__all__ = (
    "Book",
    "Category",
    "Grant",
    "GrantTerms",
    "Kind",
    "Source",
    "add_lot",
    "freeze_grant",
    "issue_grant",
    "release_grant",
    "settle_grant",
    "void_grant",
)
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
    `is_pending`: its money has not come yet; it is booked once `settle_grant` says so.
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
    is_pending: bool = False


def issue_grant(*, account_id: int, terms: GrantTerms, now: datetime, reason: str = "") -> Grant:
    """
    Give credits: booked at once if effective, else when it becomes so. The same source key again returns the first grant.

    `reason`: an operator's, whose `terms.actor_id` it is; with one an audit row is left.
    Raises AmountOutOfRange, BadTerms, SourceKeyReused (known key, other amount or kind), NotFound (no such account).
    """
    with transaction.atomic():
        books = open_one(account_id, now=now)
        known = Grant.objects.filter(account_id=account_id, source_key=terms.source.key).first()
        if known is not None:
            return _same(known, terms)
        before = wallet_now(books)
        lot = add_lot(books, terms)
        write_books([books])
        act = Act("issue_grant", "credit_grant", str(lot.id), terms.actor_id, reason)
        record(act, books, before=before, after=wallet_now(books, lot))
        return Grant.objects.get(account_id=account_id, source_key=terms.source.key)


def settle_grant(*, account_id: int, source_key: str, now: datetime) -> Grant:
    """
    The money of a pending grant has come: book it, now or when it becomes effective. Again: nothing more.

    Its dates stay as they were issued: one whose end has passed meanwhile lapses at once.
    Raises NotFound `grant_not_found`, GrantNotLive (voided before the money came).
    """
    with transaction.atomic():
        books = open_one(account_id, now=now)
        known = Grant.objects.filter(account_id=account_id, source_key=source_key).first()
        if known is None:
            raise NotFound("There is no such grant.", code="grant_not_found")
        settle_money(books, load_lot(books, known.pk))
        write_books([books])
    return Grant.objects.get(account_id=account_id, pk=known.pk)


def void_grant(*, account_id: int, grant_id: int, reason: str, actor_id: int | None, now: datetime) -> Grant:
    """
    End what remains of a grant; what was spent of it stays spent. One that is not booked yet books nothing. Again: nothing more.

    Raises NotFound `grant_not_found`, GrantNotLive (used up, or expired).
    """
    act = Act("void_grant", "credit_grant", str(grant_id), actor_id, reason)
    with transaction.atomic():
        books = open_one(account_id, now=now)
        lot = load_lot(books, grant_id)
        if lot.voided_at is None:
            before = wallet_now(books, lot)
            void(books, lot, actor_id=actor_id)
            write_books([books])
            record(act, books, before=before, after=wallet_now(books, lot))
    return Grant.objects.get(account_id=account_id, pk=grant_id)


def freeze_grant(
    *,
    account_id: int,
    grant_id: int,
    reason: str,
    actor_id: int | None,
    now: datetime,
    amount_nanos: int | None = None,
    part: str | None = None,
) -> Grant:
    """
    Freeze a grant: it neither pays nor lapses until `release_grant`, but takes what is returned to it. Returns what is frozen.

    `amount_nanos` below what remains freezes only so much: that part becomes a grant of its own on the same terms, and what was spent
    stays where it is. `part` names it: the same again returns the part that was made. A grant that is not booked is frozen whole.

    Raises NotFound `grant_not_found`, GrantNotLive (ended, or frozen already), AmountOutOfRange, SourceKeyReused (known part, other
    amount).
    """
    act = Act("freeze_grant", "credit_grant", str(grant_id), actor_id, reason)
    with transaction.atomic():
        books = open_one(account_id, now=now)
        lot = load_lot(books, grant_id)
        key = f"grant:{grant_id}:split:{_parts_made(account_id, lot) if part is None else part}"
        known = Grant.objects.filter(account_id=account_id, source_key=key).first()
        if known is not None:
            return _same_part(known, amount_nanos)
        before = wallet_now(books, lot)
        frozen = freeze(books, lot, amount_nanos, split_key=key, actor_id=actor_id)
        write_books([books])  # A part that was split off has its id now, which names the entry that books it.
        if frozen is not lot:
            book_split(books, frozen)
            write_books([books])
        record(
            act, books, before=before, after=wallet_now(books, lot) | {"frozen_grant": frozen.id, "frozen_usd": usd_text(frozen.remaining)}
        )
    return Grant.objects.get(account_id=account_id, pk=frozen.place)


def release_grant(*, account_id: int, grant_id: int, reason: str, actor_id: int | None, now: datetime) -> Grant:
    """
    End a grant's freeze: what its dates made due meanwhile is booked at once, and debt is settled from it. Not frozen: nothing.

    Raises NotFound `grant_not_found`.
    """
    act = Act("release_grant", "credit_grant", str(grant_id), actor_id, reason)
    with transaction.atomic():
        books = open_one(account_id, now=now)
        lot = load_lot(books, grant_id)
        if lot.is_frozen:
            before = wallet_now(books, lot)
            release(books, lot)
            write_books([books])
            record(act, books, before=before, after=wallet_now(books, lot))
    return Grant.objects.get(account_id=account_id, pk=grant_id)


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
        is_pending=terms.is_pending,
    )


def _same(known: Grant, terms: GrantTerms) -> Grant:
    if (known.amount_nanos, known.kind) != (terms.amount_nanos, terms.kind):
        raise SourceKeyReused("This source key has issued another grant; use a new key.")
    return known


def _parts_made(account_id: int, lot: Lot) -> int:
    """How many grants there are of one, with what was split off it: the next part's number."""
    root = lot.root or lot.id
    return Grant.objects.filter(Q(pk=root) | Q(root_id=root), account_id=account_id).count()


def _same_part(known: Grant, amount_nanos: int | None) -> Grant:
    if known.amount_nanos != amount_nanos:
        raise SourceKeyReused("This part of the grant was frozen with another amount.")
    return known
