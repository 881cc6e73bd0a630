"""Why an entry moved what it moved: who bears what it took, who got what it gave, and what its amount must be by that."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from credits.models import Allocation, Grant, Hold, Kind, LedgerEntry, Role
from credits.services.bearing import Bearing, who_bears

UNDOING_SHOWN: Final = 100
"""So many of the entries that gave parts of one back are named, the newest ones."""

_EFFECTIVE: Final = "grant:{}:effective"


@dataclass(frozen=True, slots=True)
class Share:
    """A part of what an entry took, and the grant that bears it; without one it is debt, open or written off."""

    grant: Grant | None
    bearing: Bearing

    @property
    def how(self) -> str:
        """`paid` at once, `settled` by a grant that came later, or `debt`."""
        if self.grant is None:
            return "debt"
        return "settled" if self.bearing.is_late else "paid"


@dataclass(frozen=True, slots=True)
class Gift:
    """What an entry gave: nanos into a grant, or, without one, off the account's debt."""

    grant: Grant | None
    nanos: int


@dataclass(frozen=True, slots=True)
class Booking:
    """
    One entry and everything that its amount is made of. `given_back_by`: the newest entries that gave parts of it back, newest first.

    `hold`: the one that was captured by the usage it charges.
    """

    entry: LedgerEntry
    shares: list[Share]
    gifts: list[Gift]
    undoes: LedgerEntry | None
    given_back_by: list[LedgerEntry]
    hold: Hold | None

    @property
    def moved_nanos(self) -> int:
        """What grants and debt say that it moved: equal to its amount, or the books are wrong."""
        return sum(gift.nanos for gift in self.gifts) - sum(share.bearing.nanos for share in self.shares)

    @property
    def returned_nanos(self) -> int:
        """What of it was given back so far."""
        return sum(share.bearing.returned_nanos for share in self.shares)


def explain_booking(*, entry: LedgerEntry, now: datetime) -> Booking:
    """
    What an entry took or gave, derived anew from allocations and grants, read without a lock. Works for entries of every kind.

    What is due is not booked first: call `credits.services.wallets.read_wallet` before.
    """
    borne = who_bears(entry=entry, now=now)
    grants = _grants(entry.account_id, {part.grant_id for part in borne.parts})
    undoes = _entry(entry.account_id, entry.reverses)
    return Booking(
        entry=entry,
        shares=[Share(grants.get(part.grant_id or 0), part) for part in borne.parts],
        gifts=_gifts(entry, undoes, now) if entry.amount_nanos > 0 else [],
        undoes=undoes,
        given_back_by=_undoing(entry, borne.given_back_by),
        hold=_hold(entry),
    )


def _gifts(entry: LedgerEntry, undoes: LedgerEntry | None, now: datetime) -> list[Gift]:
    if undoes is not None:
        return _returned(entry, who_bears(entry=undoes, now=now).row_ids)
    if entry.kind == Kind.WRITE_OFF:
        covered = Allocation.objects.filter(account_id=entry.account_id, role=Role.SETTLE, grant=None, entry_seq=entry.seq)
        return [Gift(None, sum(row.to_nanos - row.from_nanos for row in covered))]
    booked = entry.source_id if entry.source_type == "grant" and entry.source_id.isdecimal() else "0"
    grant = Grant.objects.filter(account_id=entry.account_id, pk=int(booked)).first()
    is_its_booking = grant is not None and entry.source_key == _EFFECTIVE.format(grant.pk)
    return [Gift(grant, grant.amount_nanos)] if grant is not None and is_its_booking else []


def _returned(entry: LedgerEntry, row_ids: list[int]) -> list[Gift]:
    rows = Allocation.objects.filter(account_id=entry.account_id, role=Role.RETURN, reverses__in=row_ids, entry_seq=entry.seq)
    into: dict[int | None, int] = {}
    for row in rows.order_by("-to_nanos"):
        into[row.into_grant_id] = into.get(row.into_grant_id, 0) + row.to_nanos - row.from_nanos
    grants = _grants(entry.account_id, set(into))
    return [Gift(grants.get(grant_id or 0), nanos) for grant_id, nanos in into.items()]


def _undoing(entry: LedgerEntry, seqs: list[int]) -> list[LedgerEntry]:
    undoing = LedgerEntry.objects.filter(account_id=entry.account_id, seq__in=seqs[-UNDOING_SHOWN:], reverses=entry.seq)
    return list(undoing.order_by("-seq"))


def _hold(entry: LedgerEntry) -> Hold | None:
    if entry.kind != Kind.USAGE:
        return None
    return Hold.objects.filter(account_id=entry.account_id, event_id=entry.source_id).first()


def _entry(account_id: int, seq: int | None) -> LedgerEntry | None:
    return None if seq is None else LedgerEntry.objects.filter(account_id=account_id, seq=seq).first()


def _grants(account_id: int, grant_ids: set[int | None]) -> dict[int, Grant]:
    wanted = {grant_id for grant_id in grant_ids if grant_id is not None}
    return {grant.pk: grant for grant in Grant.objects.filter(account_id=account_id, pk__in=wanted)} if wanted else {}
