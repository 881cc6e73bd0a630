"""The books of one account in memory: sums, lots, open shortfalls, and the rows an act adds."""

from dataclasses import dataclass, field
from datetime import datetime

from core.errors import InvariantViolation
from core.money import AMOUNT_MAX_NANOS
from credits.books.rows import AllocationRow, EntryRow, Lot, Reservation, Shortfall, Source, Span


@dataclass(slots=True, eq=False)
class Books:
    """
    One account's wallet with every grant that has credits left, loaded under its lock.

    `clock_at` is the wallet's clock, already moved to `greatest(now, clock_at)`. `instant` is the moment at which a due change
    is judged; at all other times it is the clock. `entries`, `rows` and `closed` (holds) are what the act adds, in order.
    `ended_holds` are the nanos of open holds that have ended by the clock, `next_hold_at` is when the next of the others does.
    """

    account_id: int
    clock_at: datetime
    balance: int
    spent: int
    debt: int
    reserved: int
    next_seq: int
    previous_clock_at: datetime
    next_change_at: datetime | None
    absorbs: bool = False
    has_limits: bool = False
    next_hold_at: datetime | None = None
    ended_holds: int = 0
    expires_holds: bool = False
    lots: list[Lot] = field(default_factory=list)
    shortfalls: list[Shortfall] = field(default_factory=list)
    entries: list[EntryRow] = field(default_factory=list)
    rows: list[AllocationRow] = field(default_factory=list)
    closed: list[Reservation] = field(default_factory=list)
    instant: datetime = field(init=False)

    def __post_init__(self) -> None:
        """Due changes are never judged before the wallet's previous clock."""
        self.instant = self.clock_at

    @property
    def is_due(self) -> bool:
        """Whether something happened by the clock that is not booked yet."""
        return self.next_change_at is not None and self.next_change_at <= self.clock_at

    @property
    def frozen(self) -> int:
        """What remains of frozen grants that are booked."""
        return sum(lot.remaining for lot in self.lots if lot.booked_at is not None and lot.is_frozen)

    @property
    def lapsing(self) -> int:
        """What remains of grants past their end, not yet expired."""
        return sum(lot.remaining for lot in self.lots if lot.is_lapsed(self.instant))

    @property
    def available(self) -> int:
        """What may be promised; may be negative, and is shown never below 0."""
        return self.balance - self.reserved - self.frozen - self.lapsing

    @property
    def room(self) -> int:
        """How much more can be granted: all of it is spent one day, at the latest by expiry, and must be countable then."""
        return AMOUNT_MAX_NANOS - self.spent - sum(lot.remaining for lot in self.lots if lot.voided_at is None)

    @property
    def payable_now(self) -> int:
        """What usable grants hold. What is taken from them does not bring the final sum of spending higher."""
        return sum(lot.remaining for lot in self.payable())

    def payable(self, moment: datetime | None = None) -> list[Lot]:
        """Usable grants in burn-down order; for usage under way since `moment` also those that lapsed after it."""
        usable = [lot for lot in self.lots if lot.is_usable(self.instant)]
        late = [lot for lot in self.lots if moment is not None and lot.is_lapsed(self.instant) and moment < (lot.expires_at or moment)]
        return sorted(usable + late, key=lambda lot: lot.burn_order)

    def book(
        self,
        kind: str,
        book: str,
        amount: int,
        source: Source,
        *,
        occurred_at: datetime,
        reverses: int | None = None,
        actor_id: int | None = None,
        api_key_id: int | None = None,
    ) -> EntryRow:
        """Add an entry: the running sums move with it. A negative one spends positions that `pay` must then cover."""
        self.balance += amount
        self.spent += max(-amount, 0)
        entry = EntryRow(
            self.next_seq,
            kind,
            book,
            amount,
            self.balance,
            self.spent,
            source,
            occurred_at,
            reverses,
            actor_id,
            api_key_id,
        )
        self.next_seq += 1
        self.entries.append(entry)
        return entry

    def close(self, hold: Reservation, status: str, event_id: str | None = None) -> None:
        """End an open hold: what it kept aside is free again."""
        hold.status, hold.event_id = status, event_id
        self.reserved -= hold.amount
        self.closed.append(hold)

    def expire_holds(self) -> None:
        """End the open holds whose time is over, all at once: nothing else depends on them."""
        self.expires_holds = self.expires_holds or self.ended_holds > 0
        self.reserved -= self.ended_holds
        self.ended_holds = 0

    def pay(self, entry: EntryRow, order: list[Lot], batch: dict[Lot | None, AllocationRow] | None = None) -> None:
        """
        First cover of a negative entry, from `order`, then into debt.

        `batch` holds the rows of this batch by grant: one pay row per grant, however many entries it covers.
        """
        rows: dict[Lot | None, AllocationRow] = {} if batch is None else batch
        at = entry.spent_after + entry.amount
        for lot in order:
            take = min(entry.spent_after - at, lot.remaining)
            if take > 0:
                lot.remaining -= take
                self._cover(rows, lot, Span(at, at + take), entry.seq)
                at += take
        if at < entry.spent_after:
            self._fall_short(rows, Span(at, entry.spent_after), entry.seq)

    def settle(self, entry_seq: int | None) -> None:
        """While there is a shortfall and a usable grant, the grant settles it: oldest shortfall first, burn-down order."""
        while self.debt and (order := self.payable()):
            shortfall, lot = self.shortfalls[0], order[0]
            take = min(shortfall.span.size, lot.remaining)
            lot.remaining -= take
            self._close_first(take, lot, entry_seq)

    def _close_first(self, take: int, lot: Lot, entry_seq: int | None) -> None:
        shortfall = self.shortfalls[0]
        start = shortfall.span.start
        self.rows.append(AllocationRow(Span(start, start + take), lot, "settle", entry_seq))
        self.debt -= take
        if take == shortfall.span.size:
            del self.shortfalls[0]
        else:
            shortfall.span = Span(start + take, shortfall.span.end)

    def _cover(self, rows: dict[Lot | None, AllocationRow], lot: Lot | None, span: Span, entry_seq: int) -> bool:
        """Cover positions by a grant's one row of the batch; whether that row was there already and grew."""
        row = rows.get(lot)
        if row is None:
            rows[lot] = row = AllocationRow(span, lot, "pay", entry_seq)
            self.rows.append(row)
            return False
        if row.span.end != span.start:
            msg = f"account {self.account_id}: two intervals of one grant in one batch"
            raise InvariantViolation(msg)
        row.span = Span(row.span.start, span.end)
        return True

    def _fall_short(self, rows: dict[Lot | None, AllocationRow], span: Span, entry_seq: int) -> None:
        """A shortfall is open per row, so that what settles it lies inside one row."""
        self.debt += span.size
        if self._cover(rows, None, span, entry_seq):
            self.shortfalls[-1].span = Span(self.shortfalls[-1].span.start, span.end)
        else:
            self.shortfalls.append(Shortfall(span))
