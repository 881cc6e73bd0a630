"""Seals what the ledger says: new checkpoints of every account that moved, a tree over them, and a digest over the seal before."""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection, transaction

from core import clock
from core.locks import try_claim
from credits import chains
from credits.books import chain
from credits.chains import Mark, Stretch
from credits.models import Checkpoint, Seal

SEAL_ENTRIES_MAX: Final = 500_000
"""So many entries are sealed in one transaction, which takes a few seconds then; the next seal takes up where this one ended."""
_CHECKPOINTS_MAX: Final = 10_000
_ROWS: Final = 2_000

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Tail:
    """What an account has booked since its newest checkpoint."""

    account_id: int
    public_id: str
    mark: Mark
    last: int


@dataclass(frozen=True, slots=True)
class _Point:
    """A checkpoint to be."""

    tail: _Tail
    stretch: Stretch
    link: bytes


def seal_ledger(*, now: datetime, has_time: clock.HasTime = clock.forever, entries_max: int = SEAL_ENTRIES_MAX) -> int:
    """
    Seal every committed entry that no seal covers yet, `entries_max` a seal, while there is time; returns how many seals were made.

    Reads wallets and entries without locking them. Somebody else who seals meanwhile: 0. A seal and its checkpoints are one
    transaction, so what is killed half-way has done nothing. An account with a missing entry is sealed up to it, then left out and logged
    as an error; the others are sealed all the same.
    """
    made, has_more = 0, True
    broken: set[int] = set()
    while has_more and has_time():
        is_sealed, has_more = _seal_once(now, entries_max, broken)
        made += is_sealed
    return made


def _seal_once(now: datetime, entries_max: int, broken: set[int]) -> tuple[bool, bool]:
    """
    Whether a seal was made, and whether it has left something for another one: where it has not, nobody walks over all wallets again.

    Accounts that turn out to have a missing entry are added to `broken`: they take no part in what else this run seals.
    """
    with transaction.atomic():
        if not try_claim("credits.seal_ledger"):
            return False, False
        last = chains.newest_seal()
        points: list[_Point] = []
        has_more = True
        # Broken accounts alone may use up what a seal covers: then it is made of the others.
        while not points and has_more:
            due, has_more = _due(last, entries_max, broken)
            points = _points(due, broken)
        if not points:
            return False, False
        seal = _make_seal(last, points, now)
        _write(seal, points)
    # A copy of each digest outside of the database: whoever rewrites the chain there would have to rewrite the logs as well.
    logger.info("ledger sealed: number %s, digest %s", seal.number, bytes(seal.digest).hex())
    return True, has_more


def _due(last: Seal | None, entries_max: int, broken: set[int]) -> tuple[list[tuple[_Tail, list[Stretch]]], bool]:
    """
    What the next seal covers, and whether there is more than that.

    It begins with the account after the one where the last seal ended, so that no account waits for ever.
    """
    turn = _account_of_last_point(last)
    due: list[tuple[_Tail, list[Stretch]]] = []
    tails = [*_tails(turn, None, broken), *_tails(0, turn, broken)]
    for tail in tails:
        stretches = chains.cut(tail.account_id, tail.mark.seq, min(tail.last, tail.mark.seq + entries_max))
        due.append((tail, stretches))
        entries_max -= stretches[-1].last - tail.mark.seq
        if entries_max <= 0:
            break
    return due[:_CHECKPOINTS_MAX], entries_max <= 0 or len(tails) >= _CHECKPOINTS_MAX


def _account_of_last_point(last: Seal | None) -> int:
    if last is None:
        return 0
    found = Checkpoint.objects.filter(seal_id=last.number).order_by("-position").values_list("account_id", flat=True).first()
    return found or 0


def _tails(after: int, last: int | None, broken: set[int]) -> list[_Tail]:
    with connection.cursor() as cursor:
        cursor.execute(_TAILS, {"after": after, "last": last, "broken": list(broken), "most": _CHECKPOINTS_MAX})
        return [
            _Tail(account_id, public_id, Mark(seq, chain.first_link(public_id) if link is None else bytes(link)), end)
            for account_id, public_id, seq, link, end in cursor.fetchall()
        ]


def _points(due: list[tuple[_Tail, list[Stretch]]], broken: set[int]) -> list[_Point]:
    """An account's points end where its first gap begins: what cannot be followed is not sealed."""
    steps = [(tail, stretch) for tail, stretches in due for stretch in stretches]
    points: list[_Point] = []
    link = b""
    for (tail, stretch), digests in zip(steps, chains.read_digests([stretch for _, stretch in steps]), strict=True):
        if stretch.after == tail.mark.seq:
            link = tail.mark.link
        if digests is None and tail.account_id not in broken:
            broken.add(tail.account_id)
            where = tail.account_id, stretch.after, stretch.last
            logger.error("account %s cannot be sealed: an entry after %s, up to %s, is missing", *where)
        elif digests is not None and tail.account_id not in broken:
            link = chain.last_link(link, digests)
            points.append(_Point(tail, stretch, link))
    return points


def _make_seal(last: Seal | None, points: list[_Point], now: datetime) -> Seal:
    header = chain.Header(
        number=1 if last is None else last.number + 1,
        previous=chain.NO_SEAL if last is None else bytes(last.digest),
        root=chain.root([chain.leaf(point.tail.public_id, point.stretch.last, point.link) for point in points]),
        checkpoints=len(points),
        entries=sum(point.stretch.last - point.stretch.after for point in points),
        sealed_at=now if last is None else max(now, last.sealed_at),
    )
    return Seal(
        number=header.number,
        previous=header.previous,
        root=header.root,
        checkpoints=header.checkpoints,
        entries=header.entries,
        sealed_at=header.sealed_at,
        digest=chain.seal_digest(header),
    )


def _write(seal: Seal, points: list[_Point]) -> None:
    seal.save(force_insert=True)
    rows = (
        Checkpoint(account_id=point.tail.account_id, seq=point.stretch.last, link=point.link, seal=seal, position=position)
        for position, point in enumerate(points)
    )
    Checkpoint.objects.bulk_create(rows, batch_size=_ROWS)


# A walk over the wallets with one look at each one's newest checkpoint: the ledger itself is not read for it. A wallet and its
# entries are committed together, so every entry before next_seq is there.
_TAILS: Final = """
SELECT w.account_id, a.public_id, coalesce(newest.seq, 0), newest.link, w.next_seq - 1
FROM wallet w JOIN accounts_account a ON a.id = w.account_id LEFT JOIN LATERAL (
    SELECT c.seq, c.link FROM ledger_checkpoint c WHERE c.account_id = w.account_id ORDER BY c.seq DESC LIMIT 1
) AS newest ON true
WHERE w.account_id > %(after)s AND w.account_id <= coalesce(%(last)s::bigint, 9223372036854775807)
    AND w.next_seq - 1 > coalesce(newest.seq, 0) AND w.account_id <> ALL(%(broken)s::bigint[])
ORDER BY w.account_id LIMIT %(most)s
"""
