"""Terms that are in force for a period: drafts, and how one takes its place between its neighbours in time."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Final, TypeVar

from django.db import transaction
from django.db.models import QuerySet

from core.clock import HasTime, within
from core.errors import Conflict, InvalidInput, NotFound
from core.locks import lock_one
from usage.errors import PriceNotDraft
from usage.models import PriceMultiplier, PriceVersion

ACTIVATION_LEAD: Final = timedelta(seconds=60)
"""Every web process re-reads the price book every 15 seconds and refuses to price by one older than 45."""

DONE_WITHIN: Final = 10.0
"""
Seconds from the instant an act is asked for until it is committed, or it is undone. The lead counts from that instant: what waited for
locks all the while would take effect before it can be read. 45 seconds and these leave five of the lead.
"""

Terms = TypeVar("Terms", PriceVersion, PriceMultiplier)


@contextmanager
def act_in_time(has_time: HasTime | None) -> Iterator[None]:
    """
    One transaction that ends soon enough for the lead to hold, or does nothing. `has_time`: whether there is still time, where the caller
    says so.

    Raises Conflict `activation_too_slow`.
    """
    has_time = has_time or within(DONE_WITHIN)
    with transaction.atomic():
        yield
        if not has_time():
            raise Conflict(
                "Others kept this waiting for too long, so that nothing was changed; try again in a minute.", code="activation_too_slow"
            )


def lock_draft(rows: QuerySet[Terms], *, called: str) -> Terms:
    """The draft among these rows, locked. `called`: its name in sentences. Raises NotFound, PriceNotDraft."""
    row = lock_one(rows)
    if row is None:
        raise NotFound(f"There is no such {called}.")
    if row.activated_at is not None:
        raise PriceNotDraft(f"This {called} is active already; make a new draft to change the price.")
    return row


def put_in_force(row: Terms, others: QuerySet[Terms], *, called: str, now: datetime) -> None:
    """
    Between its neighbours in time: the one before ends where it begins, at the latest, and it ends where the one after begins.

    `others`: the active ones of the same scope, which the caller keeps from changing meanwhile. Raises InvalidInput.
    """
    if row.ends_at is not None and row.ends_at <= row.effective_at:
        raise InvalidInput(f"This {called} would end before it takes effect.", field="ends_at")
    if others.filter(effective_at=row.effective_at).exists():
        raise InvalidInput(f"Another {called} takes effect at that instant.", field="effective_at")
    before = others.filter(effective_at__lt=row.effective_at).order_by("-effective_at").first()
    after = others.filter(effective_at__gt=row.effective_at).order_by("effective_at").first()
    if before is not None and _lasts_beyond(before, row.effective_at):
        before.ends_at = row.effective_at
        before.save(update_fields=["ends_at"])
    if after is not None and _lasts_beyond(row, after.effective_at):
        row.ends_at = after.effective_at
    row.activated_at = now
    row.save(update_fields=["effective_at", "ends_at", "activated_at"])


def _lasts_beyond(row: Terms, instant: datetime) -> bool:
    return row.ends_at is None or row.ends_at > instant
