"""What the books are made of. Amounts are nanos, instants are aware datetimes; a span `(from, to]` is of spent positions."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

LATE_GRACE: Final = timedelta(minutes=10)
"""How long after its end a grant still pays for usage that was under way before it."""

COMPENSATION_TERM: Final = timedelta(days=30)
"""How long credits stay good that are returned to a grant which has ended meanwhile."""

UNWRITTEN: Final = 2**63
"""Where a grant without an id stands among those with one."""

NEVER: Final = datetime.max.replace(tzinfo=UTC)


class Span(NamedTuple):
    """Spent positions `(start, end]`."""

    start: int
    end: int

    @property
    def size(self) -> int:
        """Nanos."""
        return self.end - self.start

    def overlap(self, other: "Span") -> "Span | None":
        """The positions of both."""
        start, end = max(self.start, other.start), min(self.end, other.end)
        return Span(start, end) if start < end else None

    def without(self, cuts: "list[Span]") -> "list[Span]":
        """The parts that no cut touches, ascending."""
        left: list[Span] = []
        at = self.start
        for cut in sorted(cuts):
            if cut.end <= at or cut.start >= self.end:
                continue
            if cut.start > at:
                left.append(Span(at, cut.start))
            at = cut.end
        if at < self.end:
            left.append(Span(at, self.end))
        return left


@dataclass(frozen=True, slots=True)
class Source:
    """Where an entry or grant comes from: what kind of thing, which, and the act's key, unique per account for ever."""

    type: str
    id: str
    key: str | None = None


@dataclass(slots=True, eq=False)
class Lot:
    """A grant, as the books see it. `id` is None until it is written; `written` is its state as it was loaded or last written."""

    id: int | None
    kind: str
    book: str
    source: Source
    category: str
    priority: int
    effective_at: datetime
    expires_at: datetime | None
    amount: int
    remaining: int
    cost_basis_minor: int = 0
    cost_basis_currency: str = "USD"
    is_frozen: bool = False
    booked_at: datetime | None = None
    voided_at: datetime | None = None
    expired_at: datetime | None = None
    compensates: int | None = None
    actor_id: int | None = None
    root: int | None = None
    is_pending: bool = False
    written: tuple[object, ...] = ()

    @property
    def state(self) -> tuple[object, ...]:
        """What of it may change."""
        return (self.remaining, self.is_frozen, self.is_pending, self.booked_at, self.voided_at, self.expired_at)

    @property
    def place(self) -> int:
        """Its id; one that is not written yet comes after all that are."""
        return UNWRITTEN if self.id is None else self.id

    @property
    def burn_order(self) -> tuple[int, datetime, bool, datetime, int]:
        """Priority, soonest end, promo before paid, oldest, id (docs/adr/0005)."""
        return (self.priority, self.expires_at or NEVER, self.category == "paid", self.effective_at, self.place)

    @property
    def is_live(self) -> bool:
        """Booked, not ended by an act, not frozen, and something is left."""
        ended = self.voided_at is not None or self.expired_at is not None
        return self.booked_at is not None and not ended and not self.is_frozen and self.remaining > 0

    def is_usable(self, at: datetime) -> bool:
        """Whether it may pay at that instant."""
        return self.is_live and self.effective_at <= at and (self.expires_at is None or at < self.expires_at)

    def is_lapsed(self, at: datetime) -> bool:
        """Past its end and not yet booked as expired."""
        return self.is_live and self.expires_at is not None and self.expires_at <= at

    def takes_returns(self, at: datetime) -> bool:
        """From its lapse on a grant takes nothing back; a frozen one keeps its term until it is released."""
        ended = self.voided_at is not None or self.expired_at is not None
        past = self.expires_at is not None and self.expires_at <= at and not self.is_frozen
        return not (ended or past)


@dataclass(slots=True, eq=False)
class EntryRow:
    """A ledger entry to be written."""

    seq: int
    kind: str
    book: str
    amount: int
    balance_after: int
    spent_after: int
    source: Source
    occurred_at: datetime
    reverses: int | None = None
    actor_id: int | None = None
    api_key_id: int | None = None


@dataclass(slots=True, eq=False)
class AllocationRow:
    """An allocation to be written. `reverses` is the id of the row that a return gives back from."""

    span: Span
    lot: Lot | None
    role: str
    entry_seq: int | None
    reverses: int | None = None
    into: Lot | None = None


@dataclass(slots=True, eq=False)
class Shortfall:
    """An open part of a pay row without a grant."""

    span: Span


@dataclass(frozen=True, slots=True)
class Bearer:
    """
    A written pay or settle row that an undo may give back from, with the parts of it that were not given back yet.

    `returned`: how much of the entry was given back from this row.
    """

    row_id: int
    span: Span
    lot: Lot | None
    open_parts: tuple[Span, ...] = ()
    returned: int = 0


@dataclass(slots=True, eq=False)
class Reservation:
    """A hold, as the books see it. `status` is `open` until something ends it; `event_id` is what captured it."""

    public_id: str
    amount: int
    opened_at: datetime
    expires_at: datetime
    api_key_id: int | None = None
    status: str = "open"
    event_id: str | None = None


@dataclass(slots=True, eq=False)
class Charge:
    """
    One usage event to be booked: what it costs, when it occurred, and the hold it captures.

    `charged` is what the customer pays of it, known once it is booked: less than `cost` only where the operator absorbs the rest.
    """

    event_id: str
    cost: int
    occurred_at: datetime
    api_key_id: int | None = None
    hold: Reservation | None = None
    charged: int = 0

    @property
    def under_way_since(self) -> datetime:
        """A call that was promised credits is under way since its hold was opened."""
        return self.occurred_at if self.hold is None else min(self.occurred_at, self.hold.opened_at)
