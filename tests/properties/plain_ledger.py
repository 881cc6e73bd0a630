"""
The ledger as a child would keep it: one counter per nano spent, saying who bore it. Slow, obvious, and nothing like the product.

Instants are integer seconds. Amounts are a few nanos, so that every single one can be looked at.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

BEGINNING = datetime(2026, 3, 1, tzinfo=UTC)
GRACE = 600
COMPENSATION_SECONDS = 30 * 86_400
FOREVER = 10**12
UNDONE_BY = {
    "usage": "usage_refund",
    "manual": "reversal",
    "expiry": "reversal",
    "grant_void": "reversal",
    "refund": "reversal",
    "dispute_lost": "dispute_won",
}
TAKES_FROM_FAMILY = ("expiry", "grant_void", "refund", "dispute_lost")


class Refused(Exception):
    """The act is not allowed; nothing moved but what was due."""


@dataclass(eq=False)
class Lot:
    """Credits given at once."""

    key: str
    number: int
    amount: int
    left: int
    category: str
    priority: int
    begins: int
    ends: int
    family: str = ""
    pending: bool = False
    frozen: bool = False
    booked: bool = False
    expired: bool = False
    voided: bool = False

    def order(self) -> tuple[int, int, bool, int, int]:
        """Which burns first."""
        return (self.priority, self.ends, self.category == "paid", self.begins, self.number)


@dataclass(eq=False)
class Nano:
    """One spent nano: by which entry, borne by which lot (None: nobody yet), and whether it was given back."""

    entry: int
    bearer: Lot | None
    returned: bool = False
    written_off: bool = False


@dataclass(eq=False)
class PlainHold:
    """Credits kept aside for a call."""

    key: str
    amount: int
    opened: int
    ends: int
    by_key: bool
    status: str = "open"
    event: str | None = None


@dataclass(eq=False)
class Call:
    """A usage event that was booked."""

    charged: int
    booked: int
    by_key: bool
    hold: PlainHold | None
    refunded: int = 0


@dataclass(frozen=True)
class Said:
    """What a sender says of a call. `by_key`: whether it names the account's key."""

    event: str
    cost: int
    occurred: int
    hold: str | None = None
    by_key: bool = False


@dataclass(eq=False)
class PlainLedger:
    """One account."""

    clock: int = 0
    moment: int = 0
    absorbs: bool = False
    lots: list[Lot] = field(default_factory=list)
    nanos: list[Nano] = field(default_factory=list)
    entries: list[tuple[str, int, int]] = field(default_factory=list)
    undoes: dict[int, int] = field(default_factory=dict)
    taken_of: dict[int, str] = field(default_factory=dict)
    holds: dict[str, PlainHold] = field(default_factory=dict)
    calls: dict[str, Call] = field(default_factory=dict)
    call_of_entry: dict[int, Call] = field(default_factory=dict)
    limits: dict[bool, tuple[int, str, str]] = field(default_factory=dict)
    made: int = 0

    @property
    def balance(self) -> int:
        """What remains of booked lots, less the debt."""
        return sum(lot.left for lot in self.lots if lot.booked) - self.debt

    @property
    def debt(self) -> int:
        """Nanos that nobody bears and that were not given back."""
        return len(self.open_nanos())

    @property
    def lapsing(self) -> int:
        """What remains of lots past their end."""
        return sum(lot.left for lot in self.lots if self.is_lapsed(lot))

    @property
    def frozen(self) -> int:
        """What remains of frozen lots."""
        return sum(lot.left for lot in self.lots if lot.booked and lot.frozen)

    @property
    def reserved(self) -> int:
        """What open holds keep aside."""
        return sum(hold.amount for hold in self.holds.values() if hold.status == "open")

    def open_nanos(self) -> list[Nano]:
        """The debt, oldest first."""
        return [nano for nano in self.nanos if nano.bearer is None and not nano.returned and not nano.written_off]

    def is_live(self, lot: Lot) -> bool:
        """Whether time and usage can take from it."""
        return lot.booked and not (lot.expired or lot.voided or lot.frozen) and lot.left > 0

    def is_usable(self, lot: Lot) -> bool:
        """Whether it pays now."""
        return self.is_live(lot) and lot.begins <= self.moment < lot.ends

    def is_lapsed(self, lot: Lot) -> bool:
        """Past its end, and something is left that was not booked as expired."""
        return self.is_live(lot) and lot.ends <= self.moment

    def payers(self, under_way_since: int | None = None) -> list[Lot]:
        """In the order they burn; late usage may take from a lot that lapsed after it began."""
        late = [lot for lot in self.lots if self.is_lapsed(lot) and under_way_since is not None and under_way_since < lot.ends]
        return sorted([lot for lot in self.lots if self.is_usable(lot)] + late, key=Lot.order)

    def pass_time(self, now: int) -> None:
        """Book everything that happened by itself, one thing after the other."""
        self.clock = max(now, self.clock)
        while due := self._due():
            at, _, _, what = due
            self.moment = max(self.moment, at)
            if isinstance(what, PlainHold):
                what.status = "expired"
            elif what.booked:
                self._take("expiry", what.left, [what])
                what.expired = True
            else:
                what.booked = True
                self._write("promo", what.amount)
            self._settle()
        self.moment = self.clock
        self._settle()

    # Grants

    def give(self, key: str, amount: int, terms: tuple[str, int, int, int], *, pending: bool) -> None:
        """A new lot; its terms are category, priority, begin and end."""
        if terms[3] <= max(self.clock, terms[2]):
            raise Refused
        self._new_lot(key, amount, terms).pending = pending
        self.pass_time(self.clock)

    def settle_money(self, lot: Lot) -> None:
        """What a pending lot waited for has come."""
        if lot.voided:
            raise Refused
        lot.pending = False
        self.pass_time(self.clock)

    def void(self, lot: Lot) -> None:
        """End what is left of a lot."""
        if lot.voided:
            return
        if lot.expired or (lot.booked and not lot.left):
            raise Refused
        if lot.booked:
            self._take("grant_void", lot.left, [lot])
        lot.voided = True

    def freeze(self, lot: Lot, amount: int | None, part: str) -> None:
        """All of a lot, or a part that becomes a lot of its own."""
        if lot.voided or lot.expired or lot.frozen:
            raise Refused
        if amount is not None and lot.booked and amount < lot.left:
            self._take("split", amount, [lot])
            whole, lot = lot, self._new_lot(f"{lot.key}/{part}", amount, (lot.category, lot.priority, lot.begins, lot.ends))
            lot.booked, lot.family = True, whole.family
            self._write("split", amount)
        lot.frozen = True

    def release(self, lot: Lot) -> None:
        """End a freeze."""
        lot.frozen = False
        self.pass_time(self.clock)

    def claw_back(self, lot: Lot, amount: int, kind: str) -> None:
        """Take back what was given: the lot itself first, then others, then debt."""
        if not lot.booked:
            lot.voided = True
            return
        family = {other.key for other in self.lots if other.family == lot.family}
        given = next(other.amount for other in self.lots if other.key == lot.family)
        mine = {number for number, key in self.taken_of.items() if key in family}
        taken = sum(self.entries[number][1] for number in mine)
        undone = sum(self.entries[number][1] for number, target in self.undoes.items() if target in mine)
        if amount > given + taken + undone:
            raise Refused
        self._take(kind, amount, [lot, *(other for other in self.payers() if other is not lot)], of=lot)
        if kind == "dispute_lost":
            lot.frozen = False
        self.pass_time(self.clock)

    # Usage and holds

    def hold(self, key: str, amount: int, lasts: int, *, by_key: bool) -> None:
        """Keep credits aside."""
        soon_gone = sum(lot.left for lot in self.lots if self.is_usable(lot) and lot.ends + GRACE < self.clock + lasts)
        if amount > self.balance - self.reserved - self.frozen - self.lapsing - soon_gone:
            raise Refused
        for of_key, (most, _, _) in self.limits.items():
            if (not of_key or by_key) and self.limit_used(of_key, self.clock) + amount > most:
                raise Refused
        self.holds[key] = PlainHold(key, amount, self.clock, self.clock + lasts, by_key)

    def void_hold(self, key: str) -> None:
        """Free a hold."""
        if self.holds[key].status == "captured":
            raise Refused
        if self.holds[key].status == "open":
            self.holds[key].status = "voided"

    def capture(self, said: Said) -> None:
        """Settle a hold."""
        if self.holds[said.hold or ""].status in {"captured", "voided"}:
            raise Refused
        self.spend([said])

    def spend(self, batch: list[Said]) -> int:
        """Book a batch of new calls; how many were refused, for another call had captured their hold."""
        work, captured = [], set()
        for said in batch:
            hold = self.holds[said.hold] if said.hold else None
            if hold and (hold.status == "captured" or hold.key in captured):
                continue
            captures = hold if hold and hold.status == "open" else None
            captured |= {hold.key} if captures and hold else set()
            work.append((said, captures, min(said.occurred, captures.opened) if captures else said.occurred))
        late = [item for item in work if any(self.is_lapsed(lot) for lot in self.payers(item[2]))]
        on_time = [item for item in work if not any(item is other for other in late)]
        for said, hold, since in sorted(late, key=lambda item: item[2]) + on_time:
            self._charge(said, hold, since)
        return len(batch) - len(work)

    def _charge(self, said: Said, hold: PlainHold | None, since: int) -> None:
        charged = said.cost
        if hold and self.absorbs:
            takeable = sum(lot.left for lot in self.payers(since))
            charged = min(charged, max(min(hold.amount, takeable), takeable - (self.reserved - hold.amount)))
        if hold:
            hold.status, hold.event = "captured", said.event
        call = Call(charged, self.clock, said.by_key or bool(hold and hold.by_key), hold)
        self.calls[said.event] = call
        if charged:
            self.call_of_entry[len(self.entries)] = call
            self._take("usage", charged, self.payers(since))

    # Limits

    def limit_used(self, of_key: bool, now: int) -> int:  # noqa: FBT001
        """What counts against the account's limit, or its key's, at an instant."""
        _, duration, strategy = self.limits[of_key]
        since = _window(duration, strategy, now)
        used = sum(
            hold.amount for hold in self.holds.values() if hold.status == "open" and hold.opened >= since and (hold.by_key or not of_key)
        )
        for call in self.calls.values():
            if of_key and not call.by_key:
                continue
            kept = call.charged - call.refunded
            held = min(kept, call.hold.amount) if call.hold else 0
            used += held if call.hold and call.hold.opened >= since else 0
            used += kept - held if call.booked >= since else 0
        return used

    # Operators

    def take(self, amount: int) -> None:
        """An operator takes credits."""
        self._take("manual", amount, self.payers())

    def write_off(self, amount: int) -> None:
        """An operator bears debt, the oldest first."""
        if amount > self.debt:
            raise Refused
        for nano in self.open_nanos()[:amount]:
            nano.written_off = True
        self._write("write_off", amount)

    def refundable(self, entry: int) -> list[Nano]:
        """What can still be given back of an entry, in order."""
        return [nano for nano in self.nanos if nano.entry == entry and not nano.returned and not nano.written_off]

    def undo(self, key: str, entry: int, amount: int | None) -> None:
        """Give back the last nanos of an entry."""
        kind, nanos = self.entries[entry][0], self.refundable(entry)
        amount = len(nanos) if amount is None else amount
        if kind not in UNDONE_BY or not 0 < amount <= len(nanos):
            raise Refused
        compensations: dict[str, Lot] = {}
        for nano in reversed(nanos[len(nanos) - amount :]):
            nano.returned = True
            if nano.bearer is not None:
                self._give_back(nano.bearer, key, compensations)
        self.undoes[len(self.entries)] = entry
        self._write(UNDONE_BY[kind], amount)
        if entry in self.call_of_entry:
            self.call_of_entry[entry].refunded += amount
        self._settle()

    def refund(self, key: str, entry: int | None, amount: int | None) -> None:
        """Give back the last nanos of a call; one that charged nothing has no entry."""
        if entry is None:
            raise Refused
        self.undo(key, entry, amount)

    def _give_back(self, lot: Lot, key: str, compensations: dict[str, Lot]) -> None:
        if lot.expired or lot.voided or (lot.ends <= self.moment and not lot.frozen):
            lot = compensations.get(lot.key) or self._compensate(lot, key, compensations)
            lot.amount += 1
        lot.left += 1

    def _compensate(self, ended: Lot, key: str, compensations: dict[str, Lot]) -> Lot:
        terms = (ended.category, ended.priority, self.clock, self.clock + COMPENSATION_SECONDS)
        lot = self._new_lot(f"{key}>{ended.key}", 0, terms)
        lot.booked, lot.family = True, ended.family
        compensations[ended.key] = lot
        return lot

    def _new_lot(self, key: str, amount: int, terms: tuple[str, int, int, int]) -> Lot:
        self.made += 1
        self.lots.append(Lot(key, self.made, amount, amount, *terms, family=key))
        return self.lots[-1]

    def _due(self) -> tuple[int, int, int, Lot | PlainHold] | None:
        due: list[tuple[int, int, int, Lot | PlainHold]] = []
        due += [(hold.ends, 0, place, hold) for place, hold in enumerate(self.holds.values()) if hold.status == "open"]
        due += [(lot.begins, 2, lot.number, lot) for lot in self.lots if not lot.booked and not lot.voided and not lot.pending]
        due += [(lot.ends + GRACE, 1, lot.number, lot) for lot in self.lots if self.is_live(lot) and lot.ends < FOREVER]
        return min((item for item in due if item[0] <= self.clock), key=lambda item: item[:3], default=None)

    def _take(self, kind: str, amount: int, order: list[Lot], of: Lot | None = None) -> None:
        number = len(self.entries)
        for _ in range(amount):
            lot = next((lot for lot in order if lot.left), None)
            if lot is not None:
                lot.left -= 1
            self.nanos.append(Nano(number, lot))
        if kind in TAKES_FROM_FAMILY:
            self.taken_of[number] = (of or order[0]).key
        self._write(kind, -amount)

    def _settle(self) -> None:
        while (nanos := self.open_nanos()) and (payers := self.payers()):
            nanos[0].bearer = payers[0]
            payers[0].left -= 1

    def _write(self, kind: str, amount: int) -> None:
        before = self.entries[-1][2] if self.entries else 0
        self.entries.append((kind, amount, before + amount))


def _window(duration: str, strategy: str, now: int) -> int:
    """Since when spending counts. The account lives in UTC."""
    at = BEGINNING + timedelta(seconds=now)
    if strategy == "sliding":
        days, bucket = {"daily": (1, 300), "weekly": (7, 3_600), "monthly": (30, 21_600)}[duration]
        unix = int(at.timestamp())
        return (unix - days * 86_400) // bucket * bucket - int(BEGINNING.timestamp())
    day = at.replace(hour=0, minute=0, second=0)
    back = {"daily": 0, "weekly": day.weekday(), "monthly": day.day - 1}[duration]
    return int((day - timedelta(days=back) - BEGINNING).total_seconds())
