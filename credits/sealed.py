"""Invariant 14: what was sealed is what the ledger still says. Entries are hashed anew, links chained and trees built in Python."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from django.db import connection

from core.verification import HOUSE
from credits.books import chain
from credits.chains import Stretch, header_of, leaves_of, read_digests
from credits.models import Checkpoint, Seal

_BATCH: Final = 500

# From the index on (account, seq), a batch after the other: neither the number of checkpoints nor that of entries takes memory.
_CHECKPOINTS: Final = """
SELECT c.account_id, a.public_id, c.seq, c.link, c.seal_id
FROM ledger_checkpoint c LEFT JOIN accounts_account a ON a.id = c.account_id
WHERE (c.account_id, c.seq) > (%(account)s, %(seq)s) AND c.account_id <= %(high)s
ORDER BY c.account_id, c.seq LIMIT %(most)s
"""

# Each seal is looked at once, with the account of its first checkpoint; one without that, with the house.
_SEALS: Final = """
SELECT c.seal_id, c.account_id FROM ledger_checkpoint c WHERE c.position = 0 AND c.account_id BETWEEN %(low)s AND %(high)s
UNION ALL
SELECT s.number, %(house)s FROM ledger_seal s WHERE %(house)s BETWEEN %(low)s AND %(high)s
    AND NOT EXISTS (SELECT 1 FROM ledger_checkpoint c WHERE c.seal_id = s.number AND c.position = 0)
ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class _Sealed:
    """A checkpoint as it is stored. `public_id` is None where the account is gone."""

    account_id: int
    public_id: str | None
    seq: int
    link: bytes
    seal: int


def find_changed_entries(low: int, high: int) -> Iterator[tuple[int, str]]:
    """
    Entries that are not what was sealed: changed, missing or put in, named by the checkpoints around them.

    Each checkpoint is followed from the one before as it is stored, so one lie is found once, and others beside it as well.
    """
    last: _Sealed | None = None
    for batch in _checkpoints(low, high):
        steps = list(zip([last, *batch], batch, strict=False))
        readable = [step for step in steps if _gap(*step) is None]
        stretches = [Stretch(point.account_id, _seq_before(before, point), point.seq) for before, point in readable]
        found = {step[1]: _lie(step, digests) for step, digests in zip(readable, read_digests(stretches), strict=True)}
        for before, point in steps:
            detail = _gap(before, point) or found[point]
            if detail is not None:
                yield point.account_id, detail
        last = batch[-1]


def find_broken_seals(low: int, high: int) -> Iterator[tuple[int, str]]:
    """Seals whose tree is not that of their checkpoints, whose digest is not their own, or that do not follow the seal before."""
    with connection.cursor() as cursor:
        cursor.execute(_SEALS, {"low": low, "high": high, "house": HOUSE})
        homes = cursor.fetchall()
    for number, account_id in homes:
        seal = Seal.objects.filter(number=number).first()
        if seal is not None:
            yield from ((account_id, f"seal {number}: {detail}") for detail in _lies_of(seal))


def _checkpoints(low: int, high: int) -> Iterator[list[_Sealed]]:
    account_id, seq = low, -1
    while True:
        with connection.cursor() as cursor:
            cursor.execute(_CHECKPOINTS, {"account": account_id, "seq": seq, "high": high, "most": _BATCH})
            batch = [_Sealed(row[0], row[1], row[2], bytes(row[3]), row[4]) for row in cursor.fetchall()]
        if not batch:
            return
        yield batch
        account_id, seq = batch[-1].account_id, batch[-1].seq


def _seq_before(before: _Sealed | None, point: _Sealed) -> int:
    return before.seq if before is not None and before.account_id == point.account_id else 0


def _gap(before: _Sealed | None, point: _Sealed) -> str | None:
    """What makes it useless to read the entries."""
    if point.public_id is None:
        return f"checkpoint {point.seq}: the account is missing"
    start = _seq_before(before, point)
    if point.seq - start > chain.CHECKPOINT_ENTRIES:
        return f"a checkpoint between entries {start + 1} and {point.seq} is missing"
    return None


def _lie(step: tuple[_Sealed | None, _Sealed], digests: bytes | None) -> str | None:
    before, point = step
    start = _seq_before(before, point)
    if digests is None:
        return f"an entry between {start + 1} and {point.seq} is missing"
    link = before.link if before is not None and start else chain.first_link(str(point.public_id))
    if chain.last_link(link, digests) == point.link:
        return None
    return f"entries {start + 1} to {point.seq} are not what seal {point.seal} sealed"


def _lies_of(seal: Seal) -> Iterator[str]:
    header, leaves = header_of(seal), leaves_of(seal.number)
    strays = Checkpoint.objects.filter(seal_id=seal.number).exclude(position__gte=0, position__lt=seal.checkpoints)
    if not leaves or len(leaves) != seal.checkpoints or strays.exists() or chain.root(leaves) != header.root:
        yield f"its root is not that of its {len(leaves)} checkpoints"
    if chain.seal_digest(header) != bytes(seal.digest):
        yield "its digest is not its own"
    before = Seal.objects.filter(number=seal.number - 1).first()
    if before is None and seal.number > 1:
        yield "the seal before it is missing"
    elif header.previous != (chain.NO_SEAL if before is None else bytes(before.digest)):
        yield "it does not follow the seal before it"
