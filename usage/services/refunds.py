"""Giving back what an event charged: the ledger's entry, the event and its counts, in one transaction."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Collate
from django.db.models.lookups import Exact

from core.audit import record_act
from core.errors import NotFound
from core.locks import lock_one
from core.money import usd_text
from credits.books import Source
from credits.errors import NothingToRefund
from credits.services.returns import UsageReturn, look_at_returns, return_usage, usage_seq
from usage.models import UsageEvent
from usage.selectors import EVENT_ID_COLLATION, get_event
from usage.services.counting import count_account, count_accounts

_COUNT: Final = (Path(__file__).resolve().parent.parent / "sql" / "refund_event.sql").read_text()


@dataclass(frozen=True, slots=True)
class Refund:
    """The event as it stands, and what went back."""

    event: UsageEvent
    given: UsageReturn


@dataclass(frozen=True, slots=True)
class RefundEntry:
    """A ledger entry that gave back a part of what an event charged."""

    id: int
    seq: int
    amount_nanos: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class RefundsSoFar:
    """What may still be given back of an event, in nanos, and what was, the oldest first."""

    left_nanos: int
    entries: list[RefundEntry]


def refund_event(
    *, account_id: int, event_id: str, amount_nanos: int | None, source_key: str, reason: str, actor_id: int | None, now: datetime
) -> Refund:
    """
    Give back the last `amount_nanos` of what an event charged (None: all that is left) to the grants that paid it, and count it so.

    What belonged to a grant that has ended comes as a compensation grant, what is still owed lowers the debt; what was written off or
    absorbed was the operator's and stays it. Leaves an audit row with `reason`. The same `source_key` again changes nothing and has the
    first entry. `actor_id` None: a platform key, or the command line.

    Raises NotFound, NothingToRefund, Conflict `more_than_was_taken`, SourceKeyReused, AmountOutOfRange.
    """
    with event_locked(account_id=account_id, event_id=event_id) as event:
        given = return_usage(
            account_id=account_id,
            seq=_seq_of(event),
            amount_nanos=amount_nanos,
            source=Source("usage_event", event_id, source_key),
            now=now,
            actor_id=actor_id,
        )
        if not given.is_repeat:
            count_accounts([account_id])  # What is counted later would be counted net of this refund, and so twice.
            _count(event, given.entry.amount_nanos)
            _record(event, given, actor_id=actor_id, reason=reason)
        return Refund(get_event(account_id=account_id, event_id=event_id), given)


def look_at_refunds(*, event: UsageEvent, now: datetime) -> RefundsSoFar:
    """What was given back of an event's charge so far, and what may still be. Read without a lock."""
    if not event.charged_nanos:
        return RefundsSoFar(0, [])
    left, entries = look_at_returns(account_id=event.account_id, seq=_seq_of(event), now=now)
    return RefundsSoFar(left, [RefundEntry(entry.pk, entry.seq, entry.amount_nanos, entry.created_at) for entry in entries])


@contextmanager
def event_locked(*, account_id: int, event_id: str) -> Iterator[UsageEvent]:
    """
    A transaction that holds the event's row. It comes before the wallet's lock (ARCHITECTURE.md, "Lock order"), so whoever looks at the
    wallet around a refund takes this first. Raises NotFound.

    What waits is counted before, in transactions of its own, so that little is left for the refund to count under the wallet's lock.
    A caller who is in a transaction has counted before it: the lifetime row's lock comes after the wallet's.
    """
    if not connection.in_atomic_block:
        count_account(account_id)
    with transaction.atomic():
        named = UsageEvent.objects.filter(Exact(Collate(F("event_id"), EVENT_ID_COLLATION), event_id), account_id=account_id)
        event = lock_one(named) if "\0" not in event_id else None
        if event is None:
            raise NotFound("There is no such usage event in this account.")
        yield event


def _seq_of(event: UsageEvent) -> int:
    """Raises NothingToRefund where it has no entry, for it charged nothing."""
    if not event.charged_nanos:
        raise NothingToRefund("This event charged nothing, so there is nothing to give back.")
    return usage_seq(account_id=event.account_id, event_id=event.event_id, booked_since=event.created_at)


def _count(event: UsageEvent, amount_nanos: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, {"account": event.account_id, "event": event.event_id, "amount": amount_nanos})


def _record(event: UsageEvent, given: UsageReturn, *, actor_id: int | None, reason: str) -> None:
    entry = given.entry
    shown = {"event_id": event.event_id, "charged_usd": usd_text(event.charged_nanos)}
    balances = entry.balance_after_nanos - entry.amount_nanos, entry.balance_after_nanos
    refunded = event.refunded_nanos, event.refunded_nanos + entry.amount_nanos
    before, after = (
        shown | {"refunded_usd": usd_text(given_back), "balance_usd": usd_text(balance)}
        for given_back, balance in zip(refunded, balances, strict=True)
    )
    record_act(
        actor_id=actor_id,
        act="refund_usage_event",
        object_type="usage_event",
        object_id=str(event.pk),
        account_id=event.account_id,
        reason=reason,
        before=before,
        after=after,
        now=entry.created_at,
    )
