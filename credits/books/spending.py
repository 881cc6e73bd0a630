"""Booking a batch of usage in memory: the path for accounts whose grants are lapsing; all others go through one SQL statement."""

from credits.books.books import Books
from credits.books.rows import AllocationRow, Charge, Lot, Source


def spend(books: Books, charges: list[Charge]) -> None:
    """
    Book usage that happened, into debt if need be; one entry per charge above 0.

    Those that a lapsing grant may still pay for go first, by the instant they were under way, so that each grant keeps one
    interval in the batch.
    """
    batch: dict[Lot | None, AllocationRow] = {}
    late = [charge for charge in charges if _is_late(books, charge)]
    late_ids = {id(charge) for charge in late}
    on_time = [charge for charge in charges if id(charge) not in late_ids]
    for charge in sorted(late, key=lambda charge: charge.occurred_at) + on_time:
        if charge.amount:
            source = Source("usage_event", charge.event_id)
            entry = books.book("usage", "usage", -charge.amount, source, occurred_at=charge.occurred_at)
            books.pay(entry, books.payable(charge.occurred_at), batch)


def _is_late(books: Books, charge: Charge) -> bool:
    return any(lot.is_lapsed(books.instant) for lot in books.payable(charge.occurred_at))
