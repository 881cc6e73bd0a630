"""Why an entry was booked: credits knows what bears it, usage what the call cost, and both are computed anew and compared."""

from dataclasses import dataclass
from datetime import datetime

from billing_platform.overview.ledger import USAGE_SOURCE
from core.errors import NotFound
from credits.selectors import LedgerEntry, get_entry
from credits.services.explaining import Booking, explain_booking
from credits.services.wallets import read_wallet
from usage.selectors import UsageEvent, get_event
from usage.services.explaining import Rating, explain_cost


@dataclass(frozen=True, slots=True)
class Explanation:
    """
    One entry with everything its amount follows from. `event` is what usage was reported; `rating` how the price book makes its cost,
    None where the sender named it.
    """

    booking: Booking
    event: UsageEvent | None
    rating: Rating | None

    @property
    def entry(self) -> LedgerEntry:
        """What is explained."""
        return self.booking.entry

    @property
    def priced_by(self) -> str | None:
        """`price_book`, `sender`, or nobody where it is no usage."""
        if self.event is None:
            return None
        return "sender" if self.event.price_version_id is None else "price_book"

    @property
    def recomputed_nanos(self) -> int | None:
        """
        What the entry must have moved, negative where it took: of usage, the cost rated anew less what the operator absorbed; of
        anything else, what grants and debt say. None where it cannot be said: the event or its price is not there.
        """
        if not self._is_usage:
            return self.booking.moved_nanos
        cost = self._cost_nanos
        return None if self.event is None or cost is None else self.event.absorbed_nanos - cost

    @property
    def matches(self) -> bool:
        """Whether what is recomputed, what bears it and what the event says are all exactly what was booked."""
        booked = self.entry.amount_nanos
        said = -self.event.charged_nanos if self.event is not None else booked
        was_in_force = self.rating is None or self.rating.was_in_force
        return self.recomputed_nanos == self.booking.moved_nanos == said == booked and was_in_force

    @property
    def _cost_nanos(self) -> int | None:
        if self.event is not None and self.priced_by == "sender":
            return self.event.cost_nanos
        return None if self.rating is None else self.rating.cost_nanos

    @property
    def _is_usage(self) -> bool:
        return self.entry.kind == "usage"


def explain_entry(*, account_id: int, entry_id: int, now: datetime) -> Explanation:
    """
    Why one of the account's entries, by its published id, was booked. What is due is booked first.

    Raises NotFound for an id that is not this account's.
    """
    read_wallet(account_id=account_id, now=now)
    entry = get_entry(account_id=account_id, entry_id=entry_id)
    event = _event_of(entry)
    return Explanation(explain_booking(entry=entry, now=now), event, None if event is None else explain_cost(event))


def _event_of(entry: LedgerEntry) -> UsageEvent | None:
    if entry.source_type != USAGE_SOURCE or entry.amount_nanos > 0:
        return None
    try:
        return get_event(account_id=entry.account_id, event_id=entry.source_id)
    except NotFound:
        return None
