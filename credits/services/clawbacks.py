"""Taking back what was given, when its money is refunded or a dispute is lost; and giving that back again."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from django.db import connection, transaction
from django.db.models import QuerySet, Sum

from core.errors import NotFound
from core.models import AuditRecord
from credits.books import Books, ClawBackTerms, Lot, Source, Undone, refundable, undo
from credits.books import claw_back as claw_back_from
from credits.errors import AmountOutOfRange, SourceKeyReused
from credits.models import Allocation, Grant, Kind, LedgerEntry, Role
from credits.services.auditing import Act, record, wallet_now
from credits.services.loading import load_bearers, load_lot
from credits.services.posting import open_one, write_books

ClawBackKind = Literal[Kind.REFUND, Kind.DISPUTE_LOST]

_TAKING: Final = (Kind.EXPIRY, Kind.GRANT_VOID, Kind.REFUND, Kind.DISPUTE_LOST)
_UNDOING: Final = {Kind.REFUND.value: Kind.REVERSAL, Kind.DISPUTE_LOST.value: Kind.DISPUTE_WON}
_ACT: Final = "claw_back"
_REUSED: Final = "This source key has booked another act; use a new key."
_VOIDED_INSTEAD: Final = "Clawed back before it was booked: voided instead."


@dataclass(frozen=True, slots=True)
class ClawBack:
    """
    What a claw-back did to one grant. `entry` took the credits; None where the grant was not booked yet and was voided instead.

    `shortfall_nanos`: the part of it that no grant could pay and that became debt when it was booked.
    """

    grant_id: int
    entry: LedgerEntry | None
    shortfall_nanos: int


@dataclass(frozen=True, slots=True)
class _Family:
    """A grant with what was split off it and what compensates any of them. `given_nanos`: the root's amount."""

    root: int
    given_nanos: int
    grant_ids: list[int]


def claw_back(
    *,
    account_id: int,
    grant_id: int,
    amount_nanos: int,
    key: str,
    kind: ClawBackKind,
    now: datetime,
    actor_id: int | None = None,
    reason: str = "",
) -> ClawBack:
    """
    Take `amount_nanos` > 0 of a grant back: from itself first, frozen or lapsing too, then in burn-down order, then into debt.

    `key` names the act for ever (`refund:<id>:<grant>`): the same again returns what was done. A lost dispute ends the freeze. A grant
    that is not booked yet is voided instead, whatever the amount; no entry keeps the key then, so an audit row does.

    Raises Conflict `more_than_was_given` (beyond `claw_back_left`), NotFound `grant_not_found`, AmountOutOfRange, SourceKeyReused.
    """
    with transaction.atomic():
        books = open_one(account_id, now=now)
        known = _find(account_id, key)
        if known is not None:
            return _same(known, grant_id, amount_nanos, kind)
        lot = load_lot(books, grant_id)
        before, was_void = wallet_now(books, lot), lot.voided_at is not None
        terms = ClawBackTerms(amount_nanos, _left_of(account_id, _family_of(account_id, grant_id)), kind, key, actor_id)
        entry = claw_back_from(books, lot, terms)
        write_books([books])
        after = wallet_now(books, lot)
        if entry is not None:
            record(Act(_ACT, "credit_grant", str(grant_id), actor_id, reason), books, before=before, after=after)
        elif not was_void:
            act = Act(_ACT, "credit_grant", str(grant_id), actor_id, reason or _VOIDED_INSTEAD)
            record(act, books, before=before, after=after | {"key": key, "kind": kind})
    return _answer(account_id, grant_id, None if entry is None else entry.seq)


def claw_back_source(
    *, account_id: int, source_type: str, source_id: str, amount_nanos: int, key: str, kind: ClawBackKind, now: datetime
) -> list[ClawBack]:
    """
    Take back up to `amount_nanos` of what one source (an order) has given, in one transaction; the same key again returns what was done.

    Never more than `claw_back_left` of its grants: expired and voided parts were taken already. A lost dispute takes from frozen grants
    first, a refund from the others first; of each what remains, then what was spent of them. Each grant's claw-back is keyed
    `<key>:<grant>`; they come in the order of the grants. A frozen grant from which nothing is taken stays frozen: release it. One that is
    not booked yet is voided whole, though less of it was to be taken.

    Raises NotFound `grant_not_found` (the source has given nothing), AmountOutOfRange, SourceKeyReused.
    """
    if amount_nanos <= 0:
        raise AmountOutOfRange("Claw back more than 0.", field="amount")
    with transaction.atomic():
        books = open_one(account_id, now=now)
        lots = _lots_of(books, source_type, source_id)
        done = _done_of_source(account_id, {f"{key}:{lot.id}": lot.place for lot in lots}, kind) or [
            claw_back(account_id=account_id, grant_id=grant_id, amount_nanos=share, key=f"{key}:{grant_id}", kind=kind, now=now)
            for grant_id, share in _shares(books, lots, amount_nanos, kind)
        ]
    return sorted(done, key=lambda one: one.grant_id)


def claw_back_left(*, account_id: int, grant_id: int) -> int:
    """
    What may still be clawed back of a grant's family (it, what was split off it, and what compensates any of them), in nanos.

    What was given to the first of them, less what expiry, voids and earlier claw-backs took; undone ones do not count.

    Raises NotFound `grant_not_found`.
    """
    grant = Grant.objects.filter(account_id=account_id, pk=grant_id).first()
    if grant is None:
        raise NotFound("There is no such grant.", code="grant_not_found")
    if grant.booked_at is None:
        return grant.amount_nanos if grant.voided_at is None else 0
    return _left_of(account_id, _family_of(account_id, grant_id))


def undo_claw_back(*, account_id: int, seq: int, key: str, now: datetime, actor_id: int | None = None, reason: str = "") -> LedgerEntry:
    """
    A refund failed, or a lost dispute was won after all: give back exactly what the claw-back took, to those it was taken from.

    What belonged to a grant that has ended meanwhile comes as a compensation grant. The same key again returns the first entry.
    Raises NotFound `entry_not_found` (no such claw-back), Conflict `more_than_was_taken` (undone already), SourceKeyReused.
    """
    with transaction.atomic():
        books = open_one(account_id, now=now)
        known = _find(account_id, key)
        if known is not None:
            if known.reverses != seq:
                raise SourceKeyReused(_REUSED)
            return known
        entry = _entries(account_id).filter(seq=seq, kind__in=list(_UNDOING)).first()
        if entry is None:
            raise NotFound("There is no such claw-back.", code="entry_not_found")
        before = wallet_now(books)
        bearers = load_bearers(books, entry)
        undone = Undone(seq, entry.book, by=_UNDOING[entry.kind], actor_id=actor_id)
        written = undo(books, bearers, refundable(bearers), Source(entry.source_type, entry.source_id, key), undone=undone)
        write_books([books])
        act = Act("undo_claw_back", "ledger_entry", f"{account_id}/{seq}", actor_id, reason)
        record(act, books, before=before, after=wallet_now(books))
    return _entries(account_id).get(seq=written.seq)


def _shares(books: Books, lots: list[Lot], amount_nanos: int, kind: ClawBackKind) -> list[tuple[int, int]]:
    """How much of which grant: what remains of each in turn, then what was spent, charged to the first of each family."""
    rest = amount_nanos
    shares = dict.fromkeys((lot.place for lot in lots), 0)
    root, left = _left_by_family(books.account_id, shares)
    in_turn = sorted(lots, key=lambda lot: lot.is_frozen is not (kind == Kind.DISPUTE_LOST))
    for own_only in (True, False):
        for lot in in_turn:
            most = left[root[lot.place]] if lot.booked_at is not None or lot.voided_at is None else 0
            share = max(0, min(rest, most, lot.remaining) if own_only else min(rest, most))
            shares[lot.place] += share
            left[root[lot.place]] -= share
            rest -= share
    # Those that pay for themselves first: else another one's shortfall would be taken from what remains of them.
    remaining = {lot.place: lot.remaining for lot in lots}
    return sorted(((place, share) for place, share in shares.items() if share), key=lambda share: share[1] > remaining[share[0]])


def _lots_of(books: Books, source_type: str, source_id: str) -> list[Lot]:
    ids = Grant.objects.filter(account_id=books.account_id, source_type=source_type, source_id=source_id).order_by("pk")
    lots = [load_lot(books, grant_id) for grant_id in ids.values_list("pk", flat=True)]
    if not lots:
        raise NotFound("This source has given nothing to the account.", code="grant_not_found")
    return lots


def _left_by_family(account_id: int, grant_ids: Iterable[int]) -> tuple[dict[int, int], dict[int, int]]:
    """The root of each grant's family, and what may still be clawed back by root."""
    root: dict[int, int] = {}
    left: dict[int, int] = {}
    for grant_id in grant_ids:
        if grant_id not in root:
            family = _family_of(account_id, grant_id)
            root |= dict.fromkeys(family.grant_ids, family.root)
            left[family.root] = _left_of(account_id, family)
    return root, left


def _family_of(account_id: int, grant_id: int) -> _Family:
    with connection.cursor() as cursor:
        cursor.execute(_FAMILY, {"account": account_id, "grant": grant_id})
        rows = cursor.fetchall()
    root, given = next((grant, amount) for grant, amount, is_root in rows if is_root)
    return _Family(root, given, [grant for grant, _, _ in rows])


def _left_of(account_id: int, family: _Family) -> int:
    takings = _others_than_usage(account_id).filter(
        kind__in=_TAKING, source_type="grant", source_id__in=[str(grant_id) for grant_id in family.grant_ids]
    )
    taken = dict(takings.values_list("seq", "amount_nanos"))
    undone = _others_than_usage(account_id).filter(kind__in=list(_UNDOING.values()), reverses__in=list(taken))
    return family.given_nanos + sum(taken.values()) + int(undone.aggregate(nanos=Sum("amount_nanos"))["nanos"] or 0)


def _entries(account_id: int) -> QuerySet[LedgerEntry]:
    return LedgerEntry.objects.filter(account_id=account_id)


def _others_than_usage(account_id: int) -> QuerySet[LedgerEntry]:
    """Said so that the index that leaves usage out is taken: these are few, whatever the account spends."""
    return _entries(account_id).exclude(kind=Kind.USAGE)


def _find(account_id: int, key: str) -> LedgerEntry | None:
    return _entries(account_id).filter(source_key=key).first()


def _same(known: LedgerEntry, grant_id: int, amount_nanos: int, kind: ClawBackKind) -> ClawBack:
    if (known.source_id, known.amount_nanos, known.kind) != (str(grant_id), -amount_nanos, kind):
        raise SourceKeyReused(_REUSED)
    return _answer(known.account_id, grant_id, known.seq)


def _done_of_source(account_id: int, grants: Mapping[str, int], kind: ClawBackKind) -> list[ClawBack]:
    """What was done under these keys, each with its grant: entries, and voids of what was not booked, which only the audit trail keeps."""
    entries = _entries(account_id).filter(source_key__in=list(grants))
    done = [_same(entry, grants[str(entry.source_key)], -entry.amount_nanos, kind) for entry in entries]
    ids = [str(grant_id) for grant_id in grants.values()]
    for act in AuditRecord.objects.filter(object_type="credit_grant", object_id__in=ids, act=_ACT, account_id=account_id):
        grant_id = grants.get(act.after.get("key", ""))
        if grant_id is not None:
            if act.after["kind"] != kind:
                raise SourceKeyReused(_REUSED)
            done.append(ClawBack(grant_id, None, 0))
    return done


def _answer(account_id: int, grant_id: int, seq: int | None) -> ClawBack:
    if seq is None:
        return ClawBack(grant_id, None, 0)
    entry = _entries(account_id).get(seq=seq)
    # Booked alone, a claw-back has pay rows of its own; the last of them is the shortfall, if there is one.
    short = Allocation.objects.filter(account_id=account_id, role=Role.PAY, grant=None, to_nanos=entry.spent_after_nanos).first()
    return ClawBack(grant_id, entry, 0 if short is None else short.to_nanos - short.from_nanos)


# Up to the grant that was given first, then down again: each grant names the one it was split from, or the one it compensates.
_FAMILY: Final = """
WITH RECURSIVE above AS (
    SELECT id, amount_nanos, coalesce(root_id, compensates_id) AS parent_id
    FROM credit_grant WHERE account_id = %(account)s AND id = %(grant)s
    UNION
    SELECT g.id, g.amount_nanos, coalesce(g.root_id, g.compensates_id) FROM above JOIN credit_grant g ON g.id = above.parent_id
), family AS (
    SELECT id, amount_nanos, true AS is_root FROM above WHERE parent_id IS NULL
    UNION
    SELECT g.id, g.amount_nanos, false FROM family f JOIN credit_grant g ON g.root_id = f.id OR g.compensates_id = f.id
)
SELECT id, amount_nanos, is_root FROM family ORDER BY id
"""
