"""Reads an account's rows into books, under its wallet's lock. A fixed few statements, however many accounts."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Q

from core.errors import NotFound
from credits.books import Bearer, Books, Lot, Shortfall, Source, Span
from credits.models import Grant, LedgerEntry, Policy, Wallet


def load_books(wallets: Sequence[Wallet], *, now: datetime) -> dict[int, Books]:
    """Books by account, with every grant that has credits left, every open shortfall, and what holds are due. Lock the wallets before."""
    books = {wallet.account_id: _blank(wallet, now) for wallet in wallets}
    for account_id, lot in _lots(Q(account_id__in=list(books), is_empty=False)):
        books[account_id].lots.append(lot)
    for account_id, span in _open_shortfalls([account_id for account_id, account in books.items() if account.debt]):
        books[account_id].shortfalls.append(Shortfall(span))
    _load_holds([account for account in books.values() if account.reserved])
    return books


def load_bearers(books: Books, entry: LedgerEntry) -> list[Bearer]:
    """
    The rows that bear an entry, each with its parts that were not given back yet, and their grants as lots of the books.

    Source: ledger rules, `return` rows lie inside the row they reverse; a part settled by a write-off is the operator's.
    """
    span = Span(entry.spent_after_nanos + entry.amount_nanos, entry.spent_after_nanos)
    rows = _query(_COVER, {"account": books.account_id, "start": span.start, "end": span.end})
    _load_missing_lots(books, {row["grant_id"] for row in rows if row["grant_id"] is not None})
    lots = {lot.id: lot for lot in books.lots}
    settled = [_span(row) for row in rows if row["role"] == "settle"]
    returned = defaultdict(list)
    for row in rows:
        if row["role"] == "return":
            returned[row["reverses"]].append(_span(row))
    return [
        Bearer(
            row["id"],
            _span(row),
            lots.get(row["grant_id"]),
            _open_parts(row, span, returned[row["id"]], settled),
            sum(inside.size for part in returned[row["id"]] if (inside := part.overlap(span)) is not None),
        )
        for row in rows
        if row["role"] == "pay" or (row["role"] == "settle" and row["grant_id"] is not None)
    ]


def _open_parts(row: dict[str, Any], span: Span, returned: list[Span], settled: list[Span]) -> tuple[Span, ...]:
    inside = _span(row).overlap(span)
    is_shortfall = row["role"] == "pay" and row["grant_id"] is None
    gone = returned + settled if is_shortfall else returned
    return () if inside is None else tuple(inside.without(gone))


def _blank(wallet: Wallet, now: datetime) -> Books:
    return Books(
        account_id=wallet.account_id,
        clock_at=max(now, wallet.clock_at),
        previous_clock_at=wallet.clock_at,
        next_change_at=wallet.next_change_at,
        balance=wallet.balance_nanos,
        spent=wallet.spent_nanos,
        debt=wallet.debt_nanos,
        reserved=wallet.reserved_nanos,
        next_seq=wallet.next_seq,
        absorbs=wallet.policy == Policy.ABSORB,
        has_limits=wallet.has_limits,
    )


def _load_holds(books: Sequence[Books]) -> None:
    """What open holds are due, and when the next of the others ends: an account may have thousands, and no single one is needed."""
    if not books:
        return
    by_account = {account.account_id: account for account in books}
    params = {"accounts": list(by_account), "clocks": [account.clock_at for account in books]}
    for row in _query(_HOLDS, params):
        account = by_account[row["account_id"]]
        account.ended_holds, account.next_hold_at = int(row["ended"]), row["next_at"]


def _lots(condition: Q) -> Iterable[tuple[int, Lot]]:
    for grant in Grant.objects.filter(condition).order_by("account_id", "id"):
        yield grant.account_id, _lot(grant)


def _lot(grant: Grant) -> Lot:
    lot = Lot(
        id=grant.pk,
        kind=grant.kind,
        book=grant.book,
        source=Source(grant.source_type, grant.source_id, grant.source_key),
        category=grant.category,
        priority=grant.priority,
        effective_at=grant.effective_at,
        expires_at=grant.expires_at,
        amount=grant.amount_nanos,
        remaining=grant.remaining_nanos,
        cost_basis_minor=grant.cost_basis_minor,
        cost_basis_currency=grant.cost_basis_currency,
        is_frozen=grant.is_frozen,
        booked_at=grant.booked_at,
        voided_at=grant.voided_at,
        expired_at=grant.expired_at,
        compensates=grant.compensates_id,
        actor_id=grant.actor_id,
        root=grant.root_id,
        is_pending=grant.is_pending,
    )
    lot.written = lot.state
    return lot


def load_lot(books: Books, grant_id: int) -> Lot:
    """One grant of the books' account as a lot of them, whatever is left of it. Raises NotFound `grant_not_found`."""
    _load_missing_lots(books, {grant_id})
    lot = next((lot for lot in books.lots if lot.id == grant_id), None)
    if lot is None:
        raise NotFound("There is no such grant.", code="grant_not_found")
    return lot


def _load_missing_lots(books: Books, grant_ids: Collection[int]) -> None:
    missing = set(grant_ids) - {lot.id for lot in books.lots}
    books.lots.extend(lot for _, lot in _lots(Q(pk__in=missing, account_id=books.account_id)))


def _open_shortfalls(account_ids: Collection[int]) -> list[tuple[int, Span]]:
    if not account_ids:
        return []
    gone: dict[int, list[Span]] = defaultdict(list)
    shortfalls: list[tuple[int, Span]] = []
    for row in _query(_SHORTFALLS, {"accounts": list(account_ids)}):
        if row["role"] == "pay":
            shortfalls.append((row["account_id"], _span(row)))
        else:
            gone[row["account_id"]].append(_span(row))
    return [(account_id, part) for account_id, span in shortfalls for part in span.without(gone[account_id])]


def _span(row: dict[str, Any]) -> Span:
    return Span(row["from_nanos"], row["to_nanos"])


def _query(sql: str, params: dict[str, Any]) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


_HOLDS = """
SELECT of.account_id,
    (SELECT coalesce(sum(h.amount_nanos), 0) FROM hold h
     WHERE h.account_id = of.account_id AND h.status = 'open' AND h.expires_at <= of.clock_at) AS ended,
    (SELECT min(h.expires_at) FROM hold h
     WHERE h.account_id = of.account_id AND h.status = 'open' AND h.expires_at > of.clock_at) AS next_at
FROM unnest(%(accounts)s::bigint[], %(clocks)s::timestamptz[]) AS of (account_id, clock_at)
"""

# Debt is settled oldest first, so everything still open ends beyond the last settled position: only that tail is read.
_SHORTFALLS = """
WITH tail AS (
    SELECT account_id, coalesce((
        SELECT max(s.to_nanos) FROM allocation s WHERE s.account_id = a.account_id AND s.role = 'settle'
    ), 0) AS settled
    FROM unnest(%(accounts)s::bigint[]) AS a(account_id)
), shortfall AS (
    SELECT p.* FROM tail JOIN allocation p ON p.account_id = tail.account_id AND p.role = 'pay' AND p.to_nanos > tail.settled
    WHERE p.grant_id IS NULL
)
SELECT account_id, role, from_nanos, to_nanos FROM shortfall
UNION ALL
SELECT t.account_id, 'return', r.from_nanos, r.to_nanos
FROM shortfall t JOIN allocation r ON r.account_id = t.account_id AND r.role = 'return' AND r.reverses = t.id
UNION ALL
SELECT account_id, 'settle', 0, settled FROM tail WHERE settled > 0
ORDER BY account_id, from_nanos
"""

# Pay rows tile the spent positions, so those over the entry run from the first that ends inside it to the first that ends at or
# after its end. Settle rows lie apart: none after the first that ends beyond it can overlap.
_COVER = """
WITH cover AS (
    SELECT * FROM allocation
    WHERE account_id = %(account)s AND role = 'pay' AND to_nanos > %(start)s AND from_nanos < %(end)s
    AND to_nanos <= (SELECT min(to_nanos) FROM allocation WHERE account_id = %(account)s AND role = 'pay' AND to_nanos >= %(end)s)
    UNION ALL
    SELECT * FROM allocation
    WHERE account_id = %(account)s AND role = 'settle' AND to_nanos > %(start)s AND from_nanos < %(end)s
    AND to_nanos <= coalesce(
        (SELECT min(to_nanos) FROM allocation WHERE account_id = %(account)s AND role = 'settle' AND to_nanos >= %(end)s),
        9223372036854775807
    )
)
SELECT id, role, grant_id, reverses, from_nanos, to_nanos FROM cover
UNION ALL
SELECT r.id, r.role, r.grant_id, r.reverses, r.from_nanos, r.to_nanos
FROM cover c JOIN allocation r ON r.account_id = %(account)s AND r.role = 'return' AND r.reverses = c.id
ORDER BY from_nanos, id
"""
