"""A statement: an account's entries of a period as CSV, with what was before, what is after, control totals and the chain of links."""

import csv
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from io import StringIO
from typing import Final

from django.db import connection

from core.errors import InvalidInput
from core.money import usd_text
from credits import chains
from credits.books import chain
from credits.models import LedgerEntry, Wallet
from credits.selectors import first_seq_at

COLUMNS: Final = (
    "record",
    "id",
    "seq",
    "kind",
    "book",
    "amount_usd",
    "amount_nanos",
    "balance_after_usd",
    "balance_after_nanos",
    "spent_after_usd",
    "spent_after_nanos",
    "reverses",
    "occurred_at",
    "created_at",
    "source",
    "count",
    "link",
)
"""Of an entry: what `chain.FIELDS` names, dollars beside each nanos, and the link after it. No cell but an amount begins with a sign."""

EVERY_KIND: Final = "all"
"""The kind of the last total."""

_CHUNK: Final = 2_000
_TICK: Final = timedelta(microseconds=1)

# One range of the primary key at a time, each a statement of its own: no transaction stays open while a client reads slowly. Entries
# are never changed, so the span of seqs that was fixed at the beginning is what was booked then.
_LINES: Final = f"""
SELECT {", ".join(chains.CELLS)} FROM ledger_entry e
WHERE e.account_id = %(account)s AND e.seq > %(after)s AND e.seq <= %(last)s ORDER BY e.seq
"""  # noqa: S608  Made of constants.

Row = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Period:
    """Whose statement, and of when: booked at or after `since` and before `until`; None is without end."""

    account_id: int
    public_id: str
    since: datetime | None
    until: datetime | None


@dataclass(slots=True)
class _State:
    """Where the statement is: sums in nanos after entry `seq`, the link there, and what each kind has moved so far."""

    seq: int
    balance: int
    spent: int
    link: bytes
    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    sums: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def take(self, cells: Row) -> None:
        _, seq, kind, _, amount, balance, spent, *_ = cells
        self.seq, self.balance, self.spent = int(str(seq)), int(str(balance)), int(str(spent))
        self.counts[str(kind)] += 1
        self.sums[str(kind)] += int(str(amount))
        self.link = chain.last_link(self.link, chain.digest_of([str(cell) for cell in cells]))


def write_statement(period: Period, *, entries_max: int) -> Iterator[str]:
    """
    The statement as pieces of CSV: an `opening` row, an `entry` row each, a `closing` row, a `total` row per kind and one over all.

    opening + the last total = closing. What is booked at this moment is in it, however long reading takes; memory does not grow
    with the period. It books nothing: whoever wants what is due calls `credits.services.wallets.read_wallet` before.

    Raises InvalidInput `statement_too_long` for more than `entries_max` entries, before anything is written.
    """
    first, last = _range(period)
    if last - first >= entries_max:
        raise InvalidInput(_too_long(period.account_id, first, last, entries_max), code="statement_too_long", field="to")
    return _pieces(period, _opening(period, first - 1), last)


def _pieces(period: Period, state: _State, last: int) -> Iterator[str]:
    yield _csv([COLUMNS, _edge("opening", period, state, "")])
    for lines in _chunks(period.account_id, state.seq, last):
        yield _csv([_line(cells, state) for cells in lines])
    totals = [_total(kind, state.counts[kind], state.sums[kind]) for kind in sorted(state.sums)]
    everything = _total(EVERY_KIND, sum(state.counts.values()), sum(state.sums.values()))
    yield _csv([_edge("closing", period, state, sum(state.counts.values())), *totals, everything])


def balance_at(*, account_id: int, at: datetime) -> tuple[int, int]:
    """
    What an account had, and had spent, at an instant, in nanos: after its last entry booked then or before. 0 where there is none.

    The wallet's clock decides, which never runs back along `seq`; what happened before and was booked later is not in it.
    """
    next_seq = _next_seq(account_id)
    seq = first_seq_at(account_id=account_id, at=at + _TICK, next_seq=next_seq) - 1
    sums = LedgerEntry.objects.filter(account_id=account_id, seq=seq).values_list("balance_after_nanos", "spent_after_nanos")
    return sums.first() or (0, 0)


def _next_seq(account_id: int) -> int:
    return Wallet.objects.filter(account_id=account_id).values_list("next_seq", flat=True).first() or 1


def _range(period: Period) -> tuple[int, int]:
    account_id = period.account_id
    next_seq = _next_seq(account_id)
    first = 1 if period.since is None else first_seq_at(account_id=account_id, at=period.since, next_seq=next_seq)
    end = next_seq if period.until is None else first_seq_at(account_id=account_id, at=period.until, next_seq=next_seq)
    return first, max(first, end) - 1


def _too_long(account_id: int, first: int, last: int, entries_max: int) -> str:
    """`to` is exclusive, so the entry that is one too many says where a first part may end and the next one begin."""
    at = LedgerEntry.objects.values_list("created_at", flat=True).get(account_id=account_id, seq=first + entries_max)
    said = chain.instant_text(at)
    return (
        f"The period has {last - first + 1:,} entries, and a statement at most {entries_max:,}."
        f" Ask for it in parts: first with `to={said}`, then with `from={said}`, and so on."
    )


def _opening(period: Period, seq: int) -> _State:
    link = chains.link_after(account_id=period.account_id, public_id=period.public_id, seq=seq)
    before = LedgerEntry.objects.filter(account_id=period.account_id, seq=seq).first()
    return _State(0, 0, 0, link) if before is None else _State(seq, before.balance_after_nanos, before.spent_after_nanos, link)


def _chunks(account_id: int, after: int, last: int) -> Iterator[list[Row]]:
    for start in range(after, last, _CHUNK):
        with connection.cursor() as cursor:
            cursor.execute(_LINES, {"account": account_id, "after": start, "last": min(start + _CHUNK, last)})
            lines = cursor.fetchall()
        yield lines


def _line(cells: Row, state: _State) -> Row:
    state.take(cells)
    number, seq, kind, book, amount, balance, spent, reverses, occurred_at, created_at, source = cells
    money = (amount, balance, spent)
    return ("entry", number, seq, kind, book, *_beside(money), reverses, occurred_at, created_at, source, "", state.link.hex())


def _beside(amounts: Sequence[object]) -> Iterator[object]:
    for nanos in amounts:
        yield usd_text(int(str(nanos)))
        yield nanos


def _edge(record: str, period: Period, state: _State, count: int | str) -> Row:
    """The row before the first entry, or after the last: `occurred_at` and `created_at` have the period, from and to, where it has ends."""
    when = ["" if at is None else chain.instant_text(at) for at in (period.since, period.until)]
    sums = _beside((state.balance, state.spent))
    source = f"account:{period.public_id}"
    return (record, "", state.seq, "", "", "", "", *sums, "", *when, source, count, state.link.hex())


def _total(kind: str, count: int, nanos: int) -> Row:
    return ("total", "", "", kind, "", *_beside((nanos,)), "", "", "", "", "", "", "", "", count, "")


def _csv(rows: Sequence[Row]) -> str:
    written = StringIO()
    csv.writer(written, lineterminator="\r\n").writerows(rows)
    return written.getvalue()
