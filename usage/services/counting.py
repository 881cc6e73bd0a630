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

EVENTS_AT_ONCE: Final = 50_000
ACCOUNTS_AT_ONCE: Final = 500

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

    In transactions of about `events_max` events, or in the caller's, who then holds the accounts' lifetime rows locked.
    """
    counted, some = 0, 1
    while some:
        with transaction.atomic(), connection.cursor() as cursor:
            lock_counts(account_ids)
            cursor.execute(_COUNT, {"accounts": account_ids, "events_max": events_max})
            (some,) = cursor.fetchone()
        counted += some
    return counted


def lock_counts(account_ids: list[int]) -> None:
    """Let nobody else count these accounts, or move their counts, until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(_WELCOME, {"accounts": account_ids})
        cursor.execute(_LOCK, {"accounts": account_ids})


def count_waiting(*, has_time: HasTime) -> int:
    """Count what waits, account by account; returns how many events. What is left, or comes meanwhile, is the next run's."""
    counted, last = 0, 0
    while has_time() and (account_ids := _waiting(after=last)):
        counted += count_accounts(account_ids)
        last = account_ids[-1]
    return counted


def _waiting(*, after: int) -> list[int]:
    waiting = UncountedBlock.objects.filter(account_id__gt=after).order_by("account_id")
    return list(waiting.values_list("account_id", flat=True).distinct()[:ACCOUNTS_AT_ONCE])
