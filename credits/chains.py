"""Reads what an account's chain is made of: digests of entries, checkpoints and seals. Nothing here decides whether they agree."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

from django.db import connection

from core.errors import InvariantViolation
from credits.books import chain
from credits.models import Checkpoint, Seal

TEXT_AT: Final = "to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
CELLS: Final = (
    "e.id",
    "e.seq",
    "e.kind",
    "e.book",
    "e.amount_nanos",
    "e.balance_after_nanos",
    "e.spent_after_nanos",
    "coalesce(e.reverses::text, '')",
    TEXT_AT.format(column="e.occurred_at"),
    TEXT_AT.format(column="e.created_at"),
    "e.source_type || ':' || e.source_id",
)
"""The columns behind `chain.FIELDS`, in their order."""

_TREES: Final = 8
"""So many trees are remembered: the newest seals are those that are asked for, and a tree of 10,000 checkpoints takes 1.4 MB."""

# The database hashes each entry, Python chains the digests: what crosses the wire is 32 bytes an entry. Only the source may hold
# what JSON escapes, and PostgreSQL escapes it as Python does. A stretch is one range of the primary key, never more than a checkpoint's.
_DIGESTS: Final = f"""
SELECT stretch.place, hashed.entries, hashed.digests
FROM unnest(%(accounts)s::bigint[], %(after)s::bigint[], %(last)s::bigint[]) WITH ORDINALITY AS stretch (account_id, after, last, place)
CROSS JOIN LATERAL (
    SELECT count(*) AS entries, string_agg(
        sha256(convert_to('["' || concat_ws('","', {", ".join(CELLS[:-1])}) || '",' || to_json({CELLS[-1]})::text || ']', 'UTF8')),
        ''::bytea ORDER BY e.seq
    ) AS digests
    FROM ledger_entry e WHERE e.account_id = stretch.account_id AND e.seq > stretch.after AND e.seq <= stretch.last
) AS hashed
"""  # noqa: S608  Made of the constants above.


@dataclass(frozen=True, slots=True)
class Stretch:
    """An account's entries after seq `after`, up to `last`."""

    account_id: int
    after: int
    last: int


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a chain was taken: the link after seq `seq`; 0 is the beginning."""

    seq: int
    link: bytes


def cut(account_id: int, after: int, last: int) -> list[Stretch]:
    """The stretches that lead from `after` to `last`, none longer than a checkpoint may cover."""
    starts = range(after, last, chain.CHECKPOINT_ENTRIES)
    return [Stretch(account_id, start, min(start + chain.CHECKPOINT_ENTRIES, last)) for start in starts]


def read_digests(stretches: Sequence[Stretch]) -> Iterator[bytes | None]:
    """
    The digests of each stretch's entries, one after another; None where an entry of it is missing.

    Read it to its end before anything else is asked of the database: the next stretch is hashed there while this one is used.
    """
    arguments = {
        "accounts": [stretch.account_id for stretch in stretches],
        "after": [stretch.after for stretch in stretches],
        "last": [stretch.last for stretch in stretches],
    }
    with connection.cursor() as cursor:
        rows = cursor.stream(_DIGESTS, arguments)
        for place, (stretch, (found, entries, digests)) in enumerate(zip(stretches, rows, strict=True), 1):
            if found != place:  # pragma: no cover  A lateral join has no other order; a plan that had one would not be believed.
                msg = "stretches came back in another order"
                raise InvariantViolation(msg)
            yield bytes(digests) if entries == stretch.last - stretch.after else None


def link_after(*, account_id: int, public_id: str, seq: int) -> bytes:
    """
    The link after entry `seq` of an account, from the newest checkpoint before it on.

    Raises InvariantViolation where an entry in between is missing.
    """
    mark = checkpoint_before(account_id=account_id, public_id=public_id, seq=seq + 1)
    link = mark.link
    for digests in read_digests(cut(account_id, mark.seq, seq)):
        if digests is None:
            msg = f"account {account_id}: an entry up to {seq} is missing"
            raise InvariantViolation(msg)
        link = chain.last_link(link, digests)
    return link


def checkpoint_before(*, account_id: int, public_id: str, seq: int) -> Mark:
    """The newest checkpoint of an account before entry `seq`, or the beginning of its chain."""
    found = Checkpoint.objects.filter(account_id=account_id, seq__lt=seq).order_by("-seq").first()
    return Mark(0, chain.first_link(public_id)) if found is None else Mark(found.seq, bytes(found.link))


def checkpoint_over(*, account_id: int, seq: int) -> Checkpoint | None:
    """The checkpoint that covers entry `seq` of an account; None while no seal does."""
    return Checkpoint.objects.filter(account_id=account_id, seq__gte=seq).order_by("seq").first()


def leaves_of(seal_number: int) -> list[bytes]:
    """The leaves of a seal's tree, by their places."""
    rows = Checkpoint.objects.filter(seal_id=seal_number).order_by("position").values_list("account__public_id", "seq", "link")
    return [chain.leaf(str(public_id), seq, bytes(link)) for public_id, seq, link in rows.iterator(chunk_size=2_000)]


def tree_of(seal: Seal) -> list[list[bytes]]:
    """The tree under a seal, as its checkpoints say; remembered, since a seal never changes."""
    return _tree(seal.number, bytes(seal.root))


@lru_cache(maxsize=_TREES)
def _tree(seal_number: int, _root: bytes) -> list[list[bytes]]:
    """By the root as well: databases of tests begin at number 1 again and again."""
    return chain.tree(leaves_of(seal_number))


def newest_seal() -> Seal | None:
    """The seal that ends the chain."""
    return Seal.objects.order_by("-number").first()


def list_seals(*, after: int, limit: int) -> list[Seal]:
    """Seals with a number above `after`, the oldest first."""
    return list(Seal.objects.filter(number__gt=after).order_by("number")[:limit])


def header_of(seal: Seal) -> chain.Header:
    """What a seal's digest is over."""
    at: datetime = seal.sealed_at
    return chain.Header(seal.number, bytes(seal.previous), bytes(seal.root), seal.checkpoints, seal.entries, at)
