"""
What acts do to a grant between its issue and its end: settle its money, void, freeze, split, release, claw back. And write off debt.

An act that is refused leaves the books as they were.
"""

from dataclasses import dataclass

from core.errors import Conflict
from credits.books.books import Books
from credits.books.due import book_due, end
from credits.books.rows import AllocationRow, EntryRow, Lot, Shortfall, Source, Span
from credits.errors import AmountOutOfRange, GrantNotLive


@dataclass(frozen=True, slots=True)
class ClawBackTerms:
    """
    How much is clawed back, in nanos, of the `left` that may be; as `refund` or `dispute_lost`; and the act's source key.

    `left`: what was given to the grant's family less what its expiry, voids and earlier claw-backs took, undone ones not counted.
    """

    amount: int
    left: int
    kind: str
    key: str
    actor_id: int | None = None


def settle_money(books: Books, lot: Lot) -> None:
    """The money for a pending grant has come: it is booked as soon as its terms say. Again: nothing. Raises GrantNotLive if it is void."""
    if lot.voided_at is not None:
        raise GrantNotLive("The grant was voided before its money came; issue another one.")
    if lot.is_pending:
        lot.is_pending = False
        book_due(books)


def void(books: Books, lot: Lot, *, actor_id: int | None = None) -> None:
    """
    End what remains of a grant; one that was never booked books nothing. Again: nothing.

    Raises GrantNotLive where it has expired or was used up: nothing remains to be voided.
    """
    if lot.voided_at is not None:
        return
    if lot.expired_at is not None or (lot.booked_at is not None and not lot.remaining):
        raise GrantNotLive("Nothing remains of this grant: it was used up, or has expired.")
    end(books, lot, "grant_void", books.clock_at, actor_id=actor_id)


def freeze(books: Books, lot: Lot, amount: int | None, *, split_key: str, actor_id: int | None = None) -> Lot:
    """
    Freeze a grant, all of it; or, by `amount`, only so much of what remains, which is split off first. Returns what is frozen.

    A part that was split off is not booked yet: it needs an id first, see `book_split`. A grant that is not booked is frozen whole.
    Raises GrantNotLive (ended, or frozen already), AmountOutOfRange.
    """
    if lot.voided_at is not None or lot.expired_at is not None or lot.is_frozen:
        raise GrantNotLive("The grant has ended or is frozen already.")
    if amount is not None and amount <= 0:
        raise AmountOutOfRange("Freeze more than 0.", field="amount")
    is_part = amount is not None and lot.booked_at is not None and amount < lot.remaining
    frozen = _split(books, lot, amount or 0, key=split_key, actor_id=actor_id) if is_part else lot
    frozen.is_frozen = True
    return frozen


def book_split(books: Books, part: Lot) -> None:
    """Book the part that was split off, now that it has an id: the second entry of the pair."""
    part.booked_at = books.clock_at
    source = Source("grant", str(part.id), f"grant:{part.id}:effective")
    books.book("split", "adjustment", part.amount, source, occurred_at=books.clock_at, actor_id=part.actor_id)


def release(books: Books, lot: Lot) -> None:
    """End a freeze: what the grant's dates made due meanwhile is booked at once, and debt is settled. Not frozen: nothing."""
    if lot.is_frozen:
        lot.is_frozen = False
        book_due(books)


def claw_back(books: Books, lot: Lot, terms: ClawBackTerms) -> EntryRow | None:
    """
    Take back what was given: from the grant itself first, frozen or lapsing too; then in burn-down order; then into debt.

    A lost dispute ends the freeze. A grant that is not booked yet is voided instead, with no entry.
    Raises Conflict `more_than_was_given`, AmountOutOfRange.
    """
    if lot.booked_at is None:
        void(books, lot)
        return None
    order = [lot, *(other for other in books.payable() if other is not lot)]
    if not 0 < terms.amount <= books.room + sum(payer.remaining for payer in order):
        raise AmountOutOfRange("A claw-back must be above 0 and within what a wallet can count.", field="amount")
    if terms.amount > terms.left:
        message = "No more can be clawed back than was given, less what expiry, voids and earlier claw-backs took."
        raise Conflict(message, code="more_than_was_given", left_nanos=str(terms.left))
    source = Source("grant", str(lot.id), terms.key)
    entry = books.book(terms.kind, lot.book, -terms.amount, source, occurred_at=books.clock_at, actor_id=terms.actor_id)
    books.pay(entry, order)
    if terms.kind == "dispute_lost":
        lot.is_frozen = False
    book_due(books)
    return entry


def write_off(books: Books, amount: int, source: Source, *, actor_id: int | None = None) -> EntryRow:
    """The operator bears debt, oldest first. Raises Conflict `more_than_the_debt`, AmountOutOfRange."""
    if amount <= 0:
        raise AmountOutOfRange("Write off more than 0.", field="amount")
    if amount > books.debt:
        raise Conflict("No more can be written off than is owed.", code="more_than_the_debt", debt_nanos=str(books.debt))
    entry = books.book("write_off", "receivable", amount, source, occurred_at=books.clock_at, actor_id=actor_id)
    books.debt -= amount
    left: list[Shortfall] = []
    for shortfall in books.shortfalls:
        start, end_ = shortfall.span
        covered = Span(start, start + min(amount, shortfall.span.size))
        if covered.size:
            books.rows.append(AllocationRow(covered, None, "settle", entry.seq))
            amount -= covered.size
        if covered.end < end_:
            left.append(Shortfall(Span(covered.end, end_)))
    books.shortfalls = left
    return entry


def _split(books: Books, lot: Lot, amount: int, *, key: str, actor_id: int | None) -> Lot:
    """A part of what remains becomes a grant of its own on the same terms; its share of what was paid goes with it."""
    if amount > books.room:
        raise AmountOutOfRange("The account has come to the bound of what can be counted.", field="amount")
    source = Source("grant", str(lot.id), key)
    entry = books.book("split", "adjustment", -amount, source, occurred_at=books.clock_at, actor_id=actor_id)
    books.pay(entry, [lot])
    part = Lot(
        id=None,
        kind=lot.kind,
        book=lot.book,
        source=Source(lot.source.type, lot.source.id, key),
        category=lot.category,
        priority=lot.priority,
        effective_at=lot.effective_at,
        expires_at=lot.expires_at,
        amount=amount,
        remaining=amount,
        cost_basis_minor=lot.cost_basis_minor * amount // lot.amount,
        cost_basis_currency=lot.cost_basis_currency,
        root=lot.root or lot.id,
        actor_id=actor_id,
    )
    books.lots.append(part)
    return part
