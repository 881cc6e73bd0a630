"""Reads the proof of one entry: everything that leads from its cells to the digest of a seal, for somebody who trusts nobody."""

from dataclasses import dataclass
from typing import Final

from django.db import connection

from core.errors import InvariantViolation
from credits import chains
from credits.books import chain
from credits.chains import Stretch
from credits.errors import NotSealedYet
from credits.models import Checkpoint, Seal
from credits.selectors import get_entry

SEALED_WITHIN_SECONDS: Final = 300
"""How often the ledger is sealed."""

_CELLS: Final = f"SELECT {', '.join(chains.CELLS)} FROM ledger_entry e WHERE e.account_id = %(account)s AND e.seq = %(seq)s"  # noqa: S608


@dataclass(frozen=True, slots=True)
class Proof:
    """
    Why a seal covers an entry. `entry` has the cells by name; `following` are the digests of the entries after it, up to the
    checkpoint; `path` are the nodes beside the way from the checkpoint's leaf to the seal's root.
    """

    account: str
    entry: dict[str, str]
    link_before: bytes
    link: bytes
    following: list[bytes]
    checkpoint: Checkpoint
    path: list[bytes]
    seal: Seal
    newest: Seal


def read_proof(*, account_id: int, public_id: str, entry_id: int) -> Proof:
    """
    The proof of one of the account's entries, by its published id.

    Raises NotFound for an id that is not this account's, NotSealedYet (`retry_after` seconds) while no seal covers it.
    """
    seq = get_entry(account_id=account_id, entry_id=entry_id).seq
    checkpoint = chains.checkpoint_over(account_id=account_id, seq=seq)
    newest = chains.newest_seal()
    seal = None if checkpoint is None else Seal.objects.filter(number=checkpoint.seal_id).first()
    if checkpoint is None or newest is None or seal is None:
        message = f"The entry is not sealed yet; that happens within {SEALED_WITHIN_SECONDS // 60} minutes."
        raise NotSealedYet(message, retry_after=SEALED_WITHIN_SECONDS)
    before = chains.checkpoint_before(account_id=account_id, public_id=public_id, seq=seq)
    (digests,) = chains.read_digests([Stretch(account_id, before.seq, checkpoint.seq)])
    if digests is None:
        msg = f"account {account_id}: an entry between {before.seq + 1} and {checkpoint.seq} is missing"
        raise InvariantViolation(msg)
    each = chain.split(digests)
    link_before = chain.last_link(before.link, b"".join(each[: seq - before.seq - 1]))
    return Proof(
        account=public_id,
        entry=_entry(account_id, seq),
        link_before=link_before,
        link=chain.last_link(link_before, each[seq - before.seq - 1]),
        following=each[seq - before.seq :],
        checkpoint=checkpoint,
        path=chain.path(chains.tree_of(seal), checkpoint.position),
        seal=seal,
        newest=newest,
    )


def _entry(account_id: int, seq: int) -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute(_CELLS, {"account": account_id, "seq": seq})
        return {name: str(value) for name, value in zip(chain.FIELDS, cursor.fetchone(), strict=True)}
