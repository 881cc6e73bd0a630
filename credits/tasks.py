"""Celery's part of the ledger: what the clock does is booked even where nobody reads."""

from typing import Final

from celery import shared_task

from core import clock
from credits.services.limits import forget_old_buckets
from credits.services.sealing import seal_ledger
from credits.services.wallets import sweep_due_wallets

SEAL_SECONDS: Final = 60
"""So long may sealing keep a worker; the next run goes on where it ended."""


@shared_task
def book_due_changes() -> int:
    """Book activations, lapses and expiries that are due; returns of how many accounts."""
    return sweep_due_wallets(now=clock.now())


@shared_task
def seal_entries() -> int:
    """Seal what was booked since the last run. One at a time: the second of two does nothing."""
    return seal_ledger(now=clock.now(), has_time=clock.within(SEAL_SECONDS))


@shared_task
def forget_limit_buckets() -> int:
    """Delete what spending limits counted in windows that are over; returns how many buckets."""
    return forget_old_buckets(now=clock.now())
