"""Who bears an entry: derived from the overlap of its spent positions with the allocations, and never from a fresh run of the order."""

from dataclasses import dataclass
from datetime import datetime

from credits.books import Bearer, Books, Span
from credits.models import Allocation, LedgerEntry, Role, Wallet
from credits.services.loading import load_bearers, load_books


@dataclass(frozen=True, slots=True)
class Bearing:
    """
    A part of an entry and who bears it; amounts in nanos. `grant_id` None: debt that no grant has paid, written off or not.

    `is_late`: the grant settled it after it was debt. `left_nanos` can still be given back: into the grant itself, or, where that one
    `has_ended`, into a compensation grant. `returned_nanos` was given back.
    """

    grant_id: int | None
    nanos: int
    left_nanos: int
    is_late: bool
    has_ended: bool
    returned_nanos: int

    @property
    def written_off_nanos(self) -> int:
        """Of debt that no grant has paid, what the operator bears for good."""
        return self.nanos - self.left_nanos - self.returned_nanos


@dataclass(frozen=True, slots=True)
class Borne:
    """
    Who bears an entry, first positions first; by which allocations (`row_ids`); and the `seq` of the entries that gave parts of it back.
    """

    parts: list[Bearing]
    row_ids: list[int]
    given_back_by: list[int]

    @property
    def left_nanos(self) -> int:
        """What of the entry can still be given back."""
        return sum(part.left_nanos for part in self.parts)


def who_bears(*, entry: LedgerEntry, now: datetime) -> Borne:
    """
    The bearers of an entry as the books stand, read without a lock. Nothing for an entry that took nothing.

    What is due is not booked first: a grant that has ended by `now` counts as ended all the same.
    """
    wallet = Wallet.objects.filter(pk=entry.account_id).first()
    if wallet is None or entry.amount_nanos >= 0:
        return Borne([], [], [])
    books = load_books([wallet], now=now)[wallet.pk]
    span = Span(entry.spent_after_nanos + entry.amount_nanos, entry.spent_after_nanos)
    bearers = load_bearers(books, entry)
    row_ids = [bearer.row_id for bearer in bearers]
    parts = [part for bearer in bearers for part in _parts(books, bearer, span, bearers)]
    return Borne(parts, row_ids, _given_back_by(entry, span, row_ids))


def _parts(books: Books, bearer: Bearer, span: Span, bearers: list[Bearer]) -> list[Bearing]:
    inside = bearer.span.overlap(span)
    if inside is None:
        return []
    left = sum(part.size for part in bearer.open_parts)
    lot = bearer.lot
    if lot is None:
        rest = sum(part.size for part in inside.without([other.span for other in bearers if other.lot is not None]))
        return [Bearing(None, rest, left, is_late=False, has_ended=False, returned_nanos=bearer.returned)] if rest else []
    is_late = any(other.lot is None and other.span.overlap(bearer.span) for other in bearers)
    has_ended = not lot.takes_returns(books.clock_at)
    return [Bearing(lot.place, inside.size, left, is_late=is_late, has_ended=has_ended, returned_nanos=bearer.returned)]


def _given_back_by(entry: LedgerEntry, span: Span, row_ids: list[int]) -> list[int]:
    returns = Allocation.objects.filter(
        account_id=entry.account_id,
        role=Role.RETURN,
        reverses__in=row_ids,
        from_nanos__lt=span.end,
        to_nanos__gt=span.start,
    )
    return sorted({seq for seq in returns.values_list("entry_seq", flat=True) if seq is not None})
