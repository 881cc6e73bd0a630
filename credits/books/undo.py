"""
Giving back what was taken: by interval, last positions first, never more than was taken and never by a fresh run of the order.

Source: docs/adr/0006-allocations-are-intervals.md.
"""

from dataclasses import dataclass, field

from core.errors import Conflict
from credits.books.books import Books
from credits.books.rows import COMPENSATION_TERM, AllocationRow, Bearer, EntryRow, Lot, Shortfall, Source, Span
from credits.errors import AmountOutOfRange


@dataclass(frozen=True, slots=True)
class Undone:
    """What is undone: the entry's seq and book, by which kind of entry, and by whom."""

    seq: int
    book: str
    by: str
    actor_id: int | None = None


@dataclass(slots=True)
class _Undo:
    entry: EntryRow
    compensations: dict[Lot, Lot] = field(default_factory=dict)


def refundable(bearers: list[Bearer]) -> int:
    """What of an entry can still be given back: charged less returned less written off."""
    return sum(part.size for bearer in bearers for part in bearer.open_parts)


def undo(books: Books, bearers: list[Bearer], amount: int, source: Source, *, undone: Undone) -> EntryRow:
    """
    Give back the last `amount` of an entry, continuing where an earlier undo stopped. One entry, whatever it returns into.

    `bearers`: the rows that bear the entry, with their open parts inside it. Returns go into the row's own grant, or, where that
    one has ended, into a compensation grant (same category, priority and pro-rata cost basis, valid 30 days), or lower debt.

    Raises Conflict `more_than_was_taken`, AmountOutOfRange.
    """
    if not 0 < amount <= refundable(bearers):
        raise Conflict("No more than what was charged and not given back yet can be returned.", code="more_than_was_taken")
    if amount > books.room:
        raise AmountOutOfRange("The account has come to the bound of what can be counted.", field="amount")
    entry = books.book(
        undone.by,
        undone.book,
        amount,
        source,
        occurred_at=books.clock_at,
        reverses=undone.seq,
        actor_id=undone.actor_id,
    )
    act = _Undo(entry)
    parts = sorted(((part, bearer) for bearer in bearers for part in bearer.open_parts), key=lambda pair: pair[0], reverse=True)
    for part, bearer in parts:
        size = min(amount, part.size)
        if size:
            _return(books, act, bearer, Span(part.end - size, part.end))
            amount -= size
    books.settle(entry.seq)
    return entry


def _return(books: Books, act: _Undo, bearer: Bearer, span: Span) -> None:
    into = None
    if bearer.lot is None:
        books.debt -= span.size
        _cut(books, span)
    else:
        into = bearer.lot if bearer.lot.takes_returns(books.instant) else _compensation(books, act, bearer.lot, span.size)
        into.remaining += span.size
    books.rows.append(AllocationRow(span, bearer.lot, "return", act.entry.seq, reverses=bearer.row_id, into=into))


def _cut(books: Books, gone: Span) -> None:
    books.shortfalls = [Shortfall(part) for shortfall in books.shortfalls for part in shortfall.span.without([gone])]


def _compensation(books: Books, act: _Undo, ended: Lot, size: int) -> Lot:
    """One per undo and ended grant; the undo's entry books it."""
    lot = act.compensations.get(ended)
    if lot is None:
        source = Source("grant", str(ended.id), f"{act.entry.source.key}:{ended.id}")
        t = books.clock_at
        lot = Lot(None, "compensation", "promo", source, ended.category, ended.priority, t, t + COMPENSATION_TERM, 0, 0)
        lot.cost_basis_currency, lot.booked_at, lot.compensates = ended.cost_basis_currency, t, ended.id
        act.compensations[ended] = lot
        books.lots.append(lot)
    lot.amount += size
    lot.cost_basis_minor = ended.cost_basis_minor * lot.amount // ended.amount
    return lot
