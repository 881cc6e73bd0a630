"""Reads of the ledger: by `seq`, the key that entries are stored under. Nothing here counts a history."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from django.db import connection
from django.db.models import Q, QuerySet

from core.errors import InvalidInput, NotFound
from core.money import AMOUNT_MAX_NANOS
from credits.models import EntryType, Grant, Kind, LedgerEntry, Wallet
from credits.models.entry import ADJUSTMENT_KINDS, ALWAYS_NEGATIVE, ALWAYS_POSITIVE

__all__ = ("FILTERED_MAX", "EntryPage", "EntryType", "Grant", "LedgerEntry", "first_seq_at", "get_entry", "list_entries")

FILTERED_MAX: Final = 10_000
"""Where the total and the offset of a filtered list end: beyond, an answer would cost the history, not the page."""

_ID_MAX: Final = 2**63 - 1

# Usage is nearly everything, so a list with usage in it walks the primary key backwards until it is full.
_WALK: Final = """
    SELECT e.seq FROM ledger_entry e
    WHERE e.account_id = %(account)s AND e.seq BETWEEN %(first)s AND %(last)s AND e.kind = ANY(%(kinds)s)
        AND e.amount_nanos BETWEEN %(lowest)s AND %(highest)s
    ORDER BY e.seq DESC LIMIT %(most)s
"""

# A list without usage would walk past all of it: it takes the newest of each kind from the index that leaves usage out.
_MERGE: Final = """
    SELECT found.seq FROM unnest(%(kinds)s::text[]) AS wanted (kind) CROSS JOIN LATERAL (
        SELECT e.seq FROM ledger_entry e
        WHERE e.account_id = %(account)s AND e.kind = wanted.kind AND e.kind <> 'usage'
            AND e.seq BETWEEN %(first)s AND %(last)s AND e.amount_nanos BETWEEN %(lowest)s AND %(highest)s
        ORDER BY e.seq DESC LIMIT %(most)s
    ) AS found
    ORDER BY found.seq DESC LIMIT %(most)s
"""

_PAGE: Final = "SELECT count(*), (array_agg(seq ORDER BY seq DESC))[%(start)s:%(stop)s] FROM ({found}) AS found"


@dataclass(frozen=True)
class EntryPage:
    """Some entries, newest first, and how many there are in all (filtered: at most FILTERED_MAX are counted)."""

    items: list[LedgerEntry]
    total: int
    total_is_capped: bool


@dataclass(frozen=True)
class _Span:
    """The entries from seq `first` to seq `last`; empty where `last < first`."""

    first: int
    last: int

    @property
    def size(self) -> int:
        return max(0, self.last - self.first + 1)


@dataclass(frozen=True)
class _Filter:
    kinds: frozenset[str]
    lowest: int = -AMOUNT_MAX_NANOS
    highest: int = AMOUNT_MAX_NANOS


def list_entries(
    *,
    account_id: int,
    kinds: Collection[str] | None,
    entry_type: EntryType | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    offset: int,
) -> EntryPage:
    """
    One account's entries, newest first: booked at or after `since` and before `until`, of these kinds and this type.

    Bounds in time are arithmetic over `seq`, exact at any depth. Filtered by kind or type, totals are counted up to
    FILTERED_MAX, and an offset beyond it raises InvalidInput `out_of_range`. Reads what is booked: whoever must see
    what is due calls `credits.services.wallets.read_wallet` first.
    """
    is_filtered = kinds is not None or entry_type is not None
    if is_filtered and offset > FILTERED_MAX:
        message = f"A filtered list ends at offset {FILTERED_MAX}; use filters (`from`, `to`) to go further back."
        raise InvalidInput(message, code="out_of_range", field="offset")
    span = _span(account_id, since, until)
    if is_filtered:
        return _filtered_page(account_id, span, _filter(kinds, entry_type), limit, offset)
    newest = span.last - offset
    first = max(span.first, newest - limit + 1)
    items = _entries(account_id).filter(seq__gte=first, seq__lte=newest) if newest >= first else ()
    return EntryPage(list(items), span.size, total_is_capped=False)


def get_entry(*, account_id: int, entry_id: int) -> LedgerEntry:
    """One of the account's entries by its published id. Raises NotFound for an id that is not this account's."""
    with connection.cursor() as cursor:
        # The index on `id` (BRIN, for the admin) would read every page that it has not summarized yet.
        cursor.execute("SELECT ledger_first_seq(%s, %s, p_id => %s)", [account_id, _next_seq(account_id), min(entry_id, _ID_MAX)])
        seq: int = cursor.fetchone()[0]
    entry = LedgerEntry.objects.filter(account_id=account_id, seq=seq, id=min(entry_id, _ID_MAX)).first()
    if entry is None:
        raise NotFound("There is no such entry, or it is not yours.")
    return entry


def first_seq_since(*, account_id: int, at: datetime) -> int:
    """The seq of the account's first entry booked at or after `at`, or of the next entry where there is none."""
    return first_seq_at(account_id=account_id, at=at, next_seq=_next_seq(account_id))


def first_seq_at(*, account_id: int, at: datetime, next_seq: int) -> int:
    """The first of the account's entries before `next_seq` booked at or after `at`; `next_seq` where there is none."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT ledger_first_seq(%s, %s, p_at => %s)", [account_id, next_seq, at])
        seq: int = cursor.fetchone()[0]
    return seq


def _entries(account_id: int) -> QuerySet[LedgerEntry]:
    return LedgerEntry.objects.filter(account_id=account_id).order_by("-seq")


def _next_seq(account_id: int) -> int:
    return Wallet.objects.filter(account_id=account_id).values_list("next_seq", flat=True).first() or 1


def _span(account_id: int, since: datetime | None, until: datetime | None) -> _Span:
    next_seq = _next_seq(account_id)
    first = 1 if since is None else first_seq_at(account_id=account_id, at=since, next_seq=next_seq)
    end = next_seq if until is None else first_seq_at(account_id=account_id, at=until, next_seq=next_seq)
    return _Span(first, end - 1)


def _filter(kinds: Collection[str] | None, entry_type: EntryType | None) -> _Filter:
    wanted = frozenset(Kind.values if kinds is None else kinds)
    if entry_type is None:
        return _Filter(wanted)
    if entry_type is EntryType.ADJUSTMENT:
        return _Filter(wanted & frozenset(ADJUSTMENT_KINDS))
    if entry_type is EntryType.CREDIT:
        return _Filter(wanted - frozenset((*ADJUSTMENT_KINDS, *ALWAYS_NEGATIVE)), lowest=1)
    return _Filter(wanted - frozenset((*ADJUSTMENT_KINDS, *ALWAYS_POSITIVE)), highest=-1)


def _filtered_page(account_id: int, span: _Span, wanted: _Filter, limit: int, offset: int) -> EntryPage:
    found = _WALK if Kind.USAGE in wanted.kinds else _MERGE
    arguments: dict[str, int | list[str]] = {
        "account": account_id,
        "first": span.first,
        "last": span.last,
        "kinds": sorted(wanted.kinds),
        "lowest": wanted.lowest,
        "highest": wanted.highest,
        "most": max(FILTERED_MAX + 1, offset + limit),
        "start": offset + 1,
        "stop": offset + limit,
    }
    with connection.cursor() as cursor:
        cursor.execute(_PAGE.format(found=found), arguments)
        count, seqs = cursor.fetchone()
    items = list(_entries(account_id).filter(seq__in=seqs)) if seqs else []
    return EntryPage(items, min(count, FILTERED_MAX), total_is_capped=count > FILTERED_MAX)


@dataclass(frozen=True, slots=True)
class IssuedGrant:
    """A grant and the entry that booked it; None while it is not effective."""

    grant: Grant
    entry: LedgerEntry | None


def list_grants_of_source(*, account_id: int, source_type: str, source_id: str, limit: int) -> list[IssuedGrant]:
    """What one source (an order, for example) has issued to an account, the oldest first; what was split off it later is no new issue."""
    issued = Grant.objects.filter(account_id=account_id, source_type=source_type, source_id=source_id, root=None)
    grants = list(issued.order_by("pk")[:limit])
    keys = [f"grant:{grant.pk}:effective" for grant in grants]
    entries = {entry.source_key: entry for entry in LedgerEntry.objects.filter(account_id=account_id, source_key__in=keys)}
    return [IssuedGrant(grant, entries.get(key)) for grant, key in zip(grants, keys, strict=True)]


def disagrees_since(account_id: int) -> datetime | None:
    """Since when a verification says that the account's books disagree; None while they are not in doubt."""
    return Wallet.objects.filter(pk=account_id).values_list("disagrees_since", flat=True).first()


def is_in_doubt(account_id: int) -> bool:
    """Whether the account's books disagree: nothing may charge its card by itself."""
    return disagrees_since(account_id) is not None


class GrantState(StrEnum):
    """Where a grant stands at one instant; it is in exactly one of these states."""

    EFFECTIVE = "effective"
    COMING = "coming"
    LAPSING = "lapsing"
    FROZEN = "frozen"
    ENDED = "ended"


_HAS_ENDED: Final = Q(voided_at__isnull=False) | Q(expired_at__isnull=False) | Q(is_empty=True, is_frozen=False)


@dataclass(frozen=True, slots=True)
class GrantPage:
    """Some grants, newest first, and the id to go on after; None at the end."""

    items: list[Grant]
    next: int | None


def list_grants(*, account_id: int, state: GrantState | None, before: int | None, limit: int, at: datetime) -> GrantPage:
    """One account's grants in one state at `at` (None: in any), newest first, or those before an id: one range of an index."""
    grants = Grant.objects.filter(account_id=account_id).order_by("-id")
    if state is not None:
        grants = grants.filter(in_state(state, at))
    if before is not None:
        grants = grants.filter(pk__lt=before)
    found = list(grants[: limit + 1])
    return GrantPage(found[:limit], found[limit - 1].pk if len(found) > limit else None)


def grant_state(grant: Grant, *, at: datetime) -> GrantState:
    """
    Where the grant stands at `at`: the words that `list_grants` filters by. What is due by then must be booked.

    A spent grant that is frozen is `frozen`: it takes what is returned to it. `coming`: not effective yet, or its money has not come.
    """
    if grant.voided_at is not None or grant.expired_at is not None:
        return GrantState.ENDED
    if grant.is_frozen:
        return GrantState.FROZEN
    if grant.remaining_nanos == 0:
        return GrantState.ENDED
    if grant.booked_at is None:
        return GrantState.COMING
    return GrantState.EFFECTIVE if grant.expires_at is None or at < grant.expires_at else GrantState.LAPSING


def in_state(state: GrantState, at: datetime) -> Q:
    """The grants that `grant_state` says this of, as a condition."""
    live = ~_HAS_ENDED & Q(is_frozen=False, is_empty=False)
    return {
        GrantState.EFFECTIVE: live & Q(booked_at__isnull=False) & (Q(expires_at=None) | Q(expires_at__gt=at)),
        GrantState.COMING: live & Q(booked_at=None),
        GrantState.LAPSING: live & Q(booked_at__isnull=False, expires_at__lte=at),
        GrantState.FROZEN: Q(voided_at=None, expired_at=None, is_frozen=True),
        GrantState.ENDED: _HAS_ENDED,
    }[state]
