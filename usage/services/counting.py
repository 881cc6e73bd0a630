"""
Roll-ups of what was booked, made after it, many batches at once.

A batch leaves one mark per account (`usage_uncounted`); counting takes marks away and adds their events to the roll-ups in one
statement. Whoever reads an account's roll-ups counts first, so a report never lacks what was booked before it was asked for. Measured
reason: docs/adr/0027-roll-ups-are-counted-after-booking.md.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from django.db import DatabaseError, connection, transaction
from django.db.models import F, Min, Q, QuerySet, Sum

from core.clock import HasTime
from usage.models import UncountedBlock

EVENTS_AT_ONCE: Final = 20_000
"""About so many are counted in one transaction, whosever they are: nobody waits longer than that takes for a lifetime row."""
ROWS_AT_ONCE: Final = 5_000
"""So many rows are looked at to find whose events are counted together."""
WAITS_AT_MOST: Final = timedelta(minutes=5)
"""Reports count for themselves; what nobody reads may wait so long."""

logger = logging.getLogger(__name__)

_SQL: Final = Path(__file__).resolve().parent.parent / "sql"
_WELCOME: Final = (_SQL / "count_welcome.sql").read_text()
_LOCK: Final = (_SQL / "count_lock.sql").read_text()
_COUNT: Final = (_SQL / "count_uncounted.sql").read_text()


def count_account(account_id: int) -> None:
    """Bring one account's roll-ups up to what is booked now, before they are read. One look-up where nothing waits."""
    if UncountedBlock.objects.filter(account_id=account_id).exists():
        count_accounts([account_id])


def count_accounts(account_ids: list[int], *, events_max: int = EVENTS_AT_ONCE) -> int:
    """
    Bring the roll-ups of these accounts up to what is booked; returns how many events were counted.

    In transactions of about `events_max` events, until no mark is left; or in the caller's, who then holds the accounts' lifetime rows
    locked.
    """
    counted, marks = 0, 1
    while marks:
        with transaction.atomic(), connection.cursor() as cursor:
            lock_counts(account_ids)
            cursor.execute(_COUNT, {"accounts": account_ids, "events_max": events_max})
            marks, events = cursor.fetchone()
        counted += events
    return counted


def lock_counts(account_ids: list[int]) -> None:
    """Let nobody else count these accounts, or move their counts, until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(_WELCOME, {"accounts": account_ids})
        cursor.execute(_LOCK, {"accounts": account_ids})


def count_due(*, now: datetime, has_time: HasTime, events_max: int = EVENTS_AT_ONCE) -> int:
    """
    Count the accounts with much to be counted, so that no report of theirs takes long, and those that have waited for `WAITS_AT_MOST`;
    returns how many events. The longer an account waits, the more of its events share a row of a roll-up.
    """
    due = UncountedBlock.objects.values("account_id").annotate(waiting=Sum("events"), oldest=Min("received_at"))
    due = due.filter(Q(waiting__gte=events_max) | Q(oldest__lte=now - WAITS_AT_MOST)).order_by("account_id")
    return _count_in_groups(lambda after: due.filter(account_id__gt=after), has_time, events_max)


def count_waiting(*, has_time: HasTime, events_max: int = EVENTS_AT_ONCE) -> int:
    """Count everything that waits; returns how many events. What is left, or comes meanwhile, is the next run's."""
    marks = UncountedBlock.objects.values("account_id").annotate(waiting=F("events")).order_by("account_id", "block")
    return _count_in_groups(lambda after: marks.filter(account_id__gt=after), has_time, events_max)


Waiting = Callable[[int], "QuerySet[Any, Any]"]
"""Rows of `account_id` and `waiting` events behind an account, by account."""


def _count_in_groups(waiting: Waiting, has_time: HasTime, events_max: int) -> int:
    counted, last = 0, 0
    while has_time() and (account_ids := _group(waiting(last), events_max)):
        counted += _count_group(account_ids, events_max)
        last = account_ids[-1]
    return counted


def _group(waiting: "QuerySet[Any, Any]", events_max: int) -> list[int]:
    """The next accounts, together of about `events_max` events, or one that has more."""
    found: dict[int, None] = {}
    events = 0
    for row in waiting[:ROWS_AT_ONCE]:
        if events >= events_max and row["account_id"] not in found:
            break
        found[row["account_id"]] = None
        events += row["waiting"]
    return list(found)


def _count_group(account_ids: list[int], events_max: int) -> int:
    """Where a group fails its accounts are taken one by one, so that a damaged one is logged and stops nobody else."""
    try:
        return count_accounts(account_ids, events_max=events_max)
    except DatabaseError:
        if len(account_ids) == 1:
            logger.exception("the events of account %s cannot be counted", account_ids[0])
            return 0
        return sum(_count_group([account_id], events_max) for account_id in account_ids)
