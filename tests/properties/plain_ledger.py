"""
The ledger as a child would keep it: one counter per nano spent, saying who bore it. Slow, obvious, and nothing like the product.

Instants are integer seconds. Amounts are a few nanos, so that every single one can be looked at.
"""

from dataclasses import dataclass, field

GRACE = 600
COMPENSATION_SECONDS = 30 * 86_400
FOREVER = 10**12


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
    booked: bool = False
    expired: bool = False

    def order(self) -> tuple[int, int, bool, int, int]:
        """Which burns first."""
        return (self.priority, self.ends, self.category == "paid", self.begins, self.number)


@dataclass(eq=False)
class Nano:
    """One spent nano: by which entry, borne by which lot (None: nobody yet), and whether it was given back."""

    entry: int
    bearer: Lot | None
    returned: bool = False


@dataclass(eq=False)
class PlainLedger:
    """One account."""

    clock: int = 0
    moment: int = 0
    lots: list[Lot] = field(default_factory=list)
    nanos: list[Nano] = field(default_factory=list)
    entries: list[tuple[str, int, int]] = field(default_factory=list)
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

    def open_nanos(self) -> list[Nano]:
        """The debt, oldest first."""
        return [nano for nano in self.nanos if nano.bearer is None and not nano.returned]

    def is_usable(self, lot: Lot) -> bool:
        """Whether it pays now."""
        return lot.booked and not lot.expired and lot.left > 0 and lot.begins <= self.moment < lot.ends

    def is_lapsed(self, lot: Lot) -> bool:
        """Past its end, and something is left that was not booked as expired."""
        return lot.booked and not lot.expired and lot.left > 0 and lot.ends <= self.moment

    def payers(self, under_way_since: int | None = None) -> list[Lot]:
        """In the order they burn; late usage may take from a lot that lapsed after it began."""
        late = [lot for lot in self.lots if self.is_lapsed(lot) and under_way_since is not None and under_way_since < lot.ends]
        return sorted([lot for lot in self.lots if self.is_usable(lot)] + late, key=Lot.order)

    def pass_time(self, now: int) -> None:
        """Book everything that happened by itself, one thing after the other."""
        self.clock = max(now, self.clock)
        while due := self._due():
            at, _, _, lot = due
            self.moment = max(self.moment, at)
            if lot.booked:
                self._take("expiry", lot.left, [lot])
                lot.expired = True
            else:
                lot.booked = True
                self._write("promo", lot.amount)
            self._settle()
        self.moment = self.clock
        self._settle()

    def give(self, key: str, amount: int, category: str, priority: int, begins: int, ends: int) -> None:  # noqa: PLR0917
        """A new lot."""
        if any(lot.key == key for lot in self.lots):
            return
        if ends <= max(self.clock, begins):
            raise Refused
        self._new_lot(key, amount, category, priority, begins, ends)
        self.pass_time(self.clock)

    def spend(self, batch: list[tuple[int, int]]) -> None:
        """A batch of (cost, occurred at)."""
        late = [item for item in batch if any(self.is_lapsed(lot) for lot in self.payers(item[1]))]
        on_time = [item for item in batch if not any(item is other for other in late)]
        for cost, occurred_at in sorted(late, key=lambda item: item[1]) + on_time:
            if cost:
                self._take("usage", cost, self.payers(occurred_at))

    def take(self, amount: int) -> None:
        """An operator takes credits."""
        self._take("manual", amount, self.payers())

    def refundable(self, entry: int) -> list[Nano]:
        """What can still be given back of an entry, in order."""
        return [nano for nano in self.nanos if nano.entry == entry and not nano.returned]

    def refund(self, key: str, entry: int, amount: int) -> None:
        """Give back the last nanos of an entry."""
        nanos = self.refundable(entry)
        if not 0 < amount <= len(nanos):
            raise Refused
        compensations: dict[str, Lot] = {}
        for nano in reversed(nanos[len(nanos) - amount :]):
            nano.returned = True
            if nano.bearer is not None:
                self._give_back(nano.bearer, key, compensations)
        self._write("usage_refund", amount)
        self._settle()

    def _give_back(self, lot: Lot, key: str, compensations: dict[str, Lot]) -> None:
        if lot.expired or lot.ends <= self.moment:
            lot = compensations.get(lot.key) or self._compensate(lot, key, compensations)
            lot.amount += 1
        lot.left += 1

    def _compensate(self, ended: Lot, key: str, compensations: dict[str, Lot]) -> Lot:
        lot = self._new_lot(f"{key}>{ended.key}", 0, ended.category, ended.priority, self.clock, self.clock + COMPENSATION_SECONDS)
        lot.booked = True
        compensations[ended.key] = lot
        return lot

    def _new_lot(self, key: str, amount: int, category: str, priority: int, begins: int, ends: int) -> Lot:  # noqa: PLR0917
        self.made += 1
        self.lots.append(Lot(key, self.made, amount, amount, category, priority, begins, ends))
        return self.lots[-1]

    def _due(self) -> tuple[int, int, int, Lot] | None:
        due = [(lot.begins, 2, lot.number, lot) for lot in self.lots if not lot.booked]
        due += [
            (lot.ends + GRACE, 1, lot.number, lot)
            for lot in self.lots
            if lot.booked and not lot.expired and lot.left and lot.ends < FOREVER
        ]
        return min((item for item in due if item[0] <= self.clock), key=lambda item: item[:3], default=None)

    def _take(self, kind: str, amount: int, order: list[Lot]) -> None:
        number = len(self.entries)
        for _ in range(amount):
            lot = next((lot for lot in order if lot.left), None)
            if lot is not None:
                lot.left -= 1
            self.nanos.append(Nano(number, lot))
        self._write(kind, -amount)

    def _settle(self) -> None:
        while (nanos := self.open_nanos()) and (payers := self.payers()):
            nanos[0].bearer = payers[0]
            payers[0].left -= 1

    def _write(self, kind: str, amount: int) -> None:
        before = self.entries[-1][2] if self.entries else 0
        self.entries.append((kind, amount, before + amount))
