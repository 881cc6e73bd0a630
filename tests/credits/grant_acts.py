"""Acts on grants as operators and payments do them; after each the books must agree, and a refusal must move nothing."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

import pytest

from accounts.models import Account
from core.errors import BillingError
from credits.models import Allocation, Category, Grant, Kind, LedgerEntry, Wallet
from credits.services.clawbacks import ClawBack, ClawBackKind, claw_back, undo_claw_back
from credits.services.grants import freeze_grant, release_grant, void_grant
from credits.services.reversals import reverse_entry
from credits.services.wallets import read_wallet
from tests import factories
from tests.spending import OPERATOR, adjust

NOON: Final = datetime(2026, 3, 10, 12, tzinfo=UTC)
SECOND: Final = timedelta(seconds=1)
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
_keys = itertools.count(1)
Done = TypeVar("Done")


def paid(account: Account, nanos: int, *, now: datetime = NOON, expires_at: datetime | None = None, priority: int = 0) -> Grant:
    """A grant that money was paid for."""
    return factories.give(account, nanos, kind=Kind.PURCHASE, category=Category.PAID, now=now, expires_at=expires_at, priority=priority)


def spend(account: Account, nanos: int, now: datetime = NOON) -> LedgerEntry:
    """Take credits in burn-down order, into debt if need be."""
    return agreed(adjust(account, -nanos, now))


def void(grant: Grant, now: datetime = NOON) -> Grant:
    done = void_grant(account_id=grant.account_id, grant_id=grant.pk, reason="Tests.", actor_id=OPERATOR, now=now)
    return agreed(done)


def freeze(grant: Grant, nanos: int | None = None, *, now: datetime = NOON, part: str | None = None) -> Grant:
    frozen = freeze_grant(
        account_id=grant.account_id,
        grant_id=grant.pk,
        reason="Tests.",
        actor_id=OPERATOR,
        now=now,
        amount_nanos=nanos,
        part=part,
    )
    return agreed(frozen)


def release(grant: Grant, now: datetime = NOON) -> Grant:
    done = release_grant(account_id=grant.account_id, grant_id=grant.pk, reason="Tests.", actor_id=OPERATOR, now=now)
    return agreed(done)


def claw(grant: Grant, nanos: int, *, now: datetime = NOON, kind: ClawBackKind = Kind.REFUND, key: str | None = None) -> ClawBack:
    key = key or f"refund:{next(_keys)}:{grant.pk}"
    return agreed(claw_back(account_id=grant.account_id, grant_id=grant.pk, amount_nanos=nanos, key=key, kind=kind, now=now))


def unclaw(entry: LedgerEntry | None, *, now: datetime = NOON, key: str | None = None) -> LedgerEntry:
    assert entry is not None
    key = key or f"refund_failed:{next(_keys)}"
    return agreed(undo_claw_back(account_id=entry.account_id, seq=entry.seq, key=key, now=now))


def reverse(entry: LedgerEntry, nanos: int | None = None, *, now: datetime = NOON, key: str | None = None) -> LedgerEntry:
    key = key or f"reversal:{next(_keys)}"
    done = reverse_entry(
        account_id=entry.account_id,
        seq=entry.seq,
        amount_nanos=nanos,
        reason="Tests.",
        actor_id=OPERATOR,
        source_key=key,
        now=now,
    )
    return agreed(done)


def agreed(done: Done) -> Done:
    """What an act returned, once every invariant has been checked."""
    found = factories.disagreements()
    assert not found, found
    return done


def wallet(account: Account, now: datetime = NOON) -> Wallet:
    """The wallet as of `now`, with what is due booked."""
    read_wallet(account_id=account.pk, now=now)
    return agreed(Wallet.objects.get(pk=account.pk))


def left(grant: Grant) -> int:
    """What remains of it in the database."""
    return Grant.objects.get(pk=grant.pk).remaining_nanos


def kinds(account: Account) -> list[tuple[str, int]]:
    """Every entry as kind and amount, the oldest first."""
    return list(LedgerEntry.objects.filter(account=account).order_by("seq").values_list("kind", "amount_nanos"))


def payers(entry: LedgerEntry | None) -> list[tuple[int | None, int]]:
    """Which grants covered an entry first, and how much each; None is debt."""
    assert entry is not None
    rows = Allocation.objects.filter(account=entry.account_id, role="pay", entry_seq=entry.seq).order_by("from_nanos")
    return [(row.grant_id, row.to_nanos - row.from_nanos) for row in rows]


@contextmanager
def refused(code: str) -> Iterator[None]:
    """What is done inside must be refused with this code, and must move nothing, whatever was due."""
    before = factories.books_now()
    with pytest.raises(BillingError) as refusal:
        yield
    assert refusal.value.stable_code == code
    assert factories.books_now() == before
