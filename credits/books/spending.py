"""Booking a batch of usage in memory: the path for accounts whose grants are lapsing, or whose operator absorbs; others go by SQL."""

from credits.books.books import Books
from credits.books.rows import AllocationRow, Charge, Lot, Source


def spend(books: Books, charges: list[Charge]) -> None:
    """
    Book usage that happened, into debt if need be; one entry per charge above 0. A charge's hold is captured by it.

    Those that a lapsing grant may still pay for go first, by the instant they were under way, so that each grant keeps one
    interval in the batch.
    """
    batch: dict[Lot | None, AllocationRow] = {}
    late = [charge for charge in charges if _is_late(books, charge)]
    late_ids = {id(charge) for charge in late}
    on_time = [charge for charge in charges if id(charge) not in late_ids]
    for charge in sorted(late, key=lambda charge: charge.under_way_since) + on_time:
        charge.charged = _charged(books, charge)
        if charge.hold is not None:
            books.close(charge.hold, "captured", charge.event_id)
        if charge.charged:
            source = Source("usage_event", charge.event_id)
            entry = books.book(
                "usage",
                "usage",
                -charge.charged,
                source,
                occurred_at=charge.occurred_at,
                api_key_id=charge.api_key_id,
            )
            books.pay(entry, books.payable(charge.under_way_since), batch)


def _charged(books: Books, charge: Charge) -> int:
    """Who absorbs bears what a capture costs beyond the hold's own money and beyond what no other hold keeps aside."""
    if charge.hold is None or not books.absorbs:
        return charge.cost
    takeable = sum(lot.remaining for lot in books.payable(charge.under_way_since))
    others = books.reserved - charge.hold.amount
    return min(charge.cost, max(min(charge.hold.amount, takeable), takeable - others))


def _is_late(books: Books, charge: Charge) -> bool:
    return any(lot.is_lapsed(books.instant) for lot in books.payable(charge.under_way_since))
