"""
Roll-ups of what was booked, made after it, many batches at once.

A batch leaves one mark per account (`usage_uncounted`); counting takes marks away and adds their events to the roll-ups in one
statement. Whoever reads an account's roll-ups counts first, so a report never lacks what was booked before it was asked for. Measured
reason: docs/adr/0027-roll-ups-are-counted-after-booking.md.
"""

from pathlib import Path
from typing import Final

from django.db import connection, transaction

from core.clock import HasTime
from usage.models import UncountedBlock

EVENTS_AT_ONCE: Final = 20_000
"""About so many are counted in one transaction, whosever they are: nobody waits longer than that takes for a lifetime row."""
MARKS_AT_ONCE: Final = 5_000
"""So many marks are looked at to find whose events are counted together."""

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


def count_waiting(*, has_time: HasTime, events_max: int = EVENTS_AT_ONCE) -> int:
    """
    Count what waits, by groups of accounts that together have about `events_max` events; returns how many events.

    What is left, or comes meanwhile, is the next run's.
    """
    counted, last = 0, 0
    while has_time() and (account_ids := _waiting(after=last, events_max=events_max)):
        counted += count_accounts(account_ids, events_max=events_max)
        last = account_ids[-1]
    return counted


def _waiting(*, after: int, events_max: int) -> list[int]:
    """The next accounts with something to be counted, together of about `events_max` events, or one that has more."""
    marks = UncountedBlock.objects.filter(account_id__gt=after).order_by("account_id", "block")
    found: dict[int, None] = {}
    events = 0
    for account_id, more in marks.values_list("account_id", "events")[:MARKS_AT_ONCE]:
        if events >= events_max and account_id not in found:
            break
        found[account_id] = None
        events += more
    return list(found)
