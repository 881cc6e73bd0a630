"""
The chain of an account's entries, the tree over a seal's checkpoints, and the digest of a seal. Pure; every digest is SHA-256.

- Of an entry: over the compact JSON array, in UTF-8, of its cells, in the order of `FIELDS`, all of them text.
- A link: over the link before and the entry's digest, 64 bytes. The first link is over `account:<public id>`.
- A leaf: over 0x00 and the JSON array of public id, seq and link. A node: over 0x01 and its two children (RFC 6962).
- A seal: over the JSON array of `seal`, its number, the digest before, root, checkpoints, entries and instant.

A link covers digests and not the entries themselves, so that one entry is proven without showing those beside it.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

FIELDS: Final = (
    "id",
    "seq",
    "kind",
    "book",
    "amount_nanos",
    "balance_after_nanos",
    "spent_after_nanos",
    "reverses",
    "occurred_at",
    "created_at",
    "source",
)
"""What a statement shows of an entry, and what is sealed of it. `source` is its type and id; `reverses` is empty where there is none."""

CHECKPOINT_ENTRIES: Final = 1_000
"""No more entries lie between two checkpoints of an account: so many digests a proof has at most."""

NO_SEAL: Final = bytes(32)
"""What stands for the digest of the seal before the first."""

_SIZE: Final = 32
_LEAF, _NODE = b"\x00", b"\x01"


@dataclass(frozen=True, slots=True)
class Header:
    """What a seal says, apart from its digest."""

    number: int
    previous: bytes
    root: bytes
    checkpoints: int
    entries: int
    sealed_at: datetime


def instant_text(instant: datetime) -> str:
    """An instant as it is hashed: UTC, always six decimals, `Z`."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def digest_of(cells: Sequence[str]) -> bytes:
    """The digest of an entry's cells, which are in the order of `FIELDS`."""
    return sha256(_canonical(cells)).digest()


def first_link(public_id: str) -> bytes:
    """The link before an account's first entry."""
    return sha256(f"account:{public_id}".encode()).digest()


def links(link: bytes, digests: bytes) -> Iterator[bytes]:
    """The link after each of these entries. `link`: the one before them; `digests`: theirs, one after another."""
    for start in range(0, len(digests), _SIZE):
        link = sha256(link + digests[start : start + _SIZE]).digest()
        yield link


def last_link(link: bytes, digests: bytes) -> bytes:
    """The link after the last of these entries; `link` itself where there are none."""
    for start in range(0, len(digests), _SIZE):
        link = sha256(link + digests[start : start + _SIZE]).digest()
    return link


def split(digests: bytes) -> list[bytes]:
    """Digests that stand one after another, one by one."""
    return [digests[start : start + _SIZE] for start in range(0, len(digests), _SIZE)]


def leaf(public_id: str, seq: int, link: bytes) -> bytes:
    """The leaf of a checkpoint."""
    return sha256(_LEAF + _canonical([public_id, str(seq), link.hex()])).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """The root of the tree over at least one leaf."""
    return tree(leaves)[-1][0]


def tree(leaves: Sequence[bytes]) -> list[list[bytes]]:
    """The levels of the tree over at least one leaf, from the leaves up to the root."""
    levels = [list(leaves)]
    while len(levels[-1]) > 1:
        levels.append(_level_above(levels[-1]))
    return levels


def path(levels: Sequence[Sequence[bytes]], position: int) -> list[bytes]:
    """The nodes of a tree beside the way from a leaf up to the root; a node without a neighbor adds none."""
    beside = []
    for level in levels[:-1]:
        neighbor = position ^ 1
        if neighbor < len(level):
            beside.append(level[neighbor])
        position //= 2
    return beside


def seal_digest(header: Header) -> bytes:
    """The digest of a seal."""
    said = [header.number, header.previous.hex(), header.root.hex(), header.checkpoints, header.entries, instant_text(header.sealed_at)]
    return sha256(_canonical(["seal", *map(str, said)])).digest()


def _level_above(level: list[bytes]) -> list[bytes]:
    pairs = [sha256(_NODE + left + right).digest() for left, right in zip(level[::2], level[1::2], strict=False)]
    return pairs + level[len(pairs) * 2 :]


def _canonical(cells: Sequence[str]) -> bytes:
    return json.dumps(list(cells), ensure_ascii=False, separators=(",", ":")).encode()
