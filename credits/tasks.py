"""Celery's part of the ledger: what the clock does is booked even where nobody reads."""

from typing import Final

from celery import shared_task

from core import clock
from core.locks import single_flight
from credits.services import revenue
from credits.services.limits import forget_old_buckets
from credits.services.sealing import seal_ledger
from credits.services.wallets import sweep_due_wallets
from credits.services.written_off import book_written_off_days

SEAL_SECONDS: Final = 60
"""So long may sealing keep a worker; the next run goes on where it ended."""
DAYS_SECONDS: Final = 600
"""So long may a day's sums keep one; likewise."""


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


@shared_task
def book_written_off() -> int:
    """Book what the operator has written off on finished days; returns how many entries. One at a time."""
    with single_flight("credits.book_written_off") as is_mine:
        return book_written_off_days(now=clock.now(), has_time=clock.within(DAYS_SECONDS)) if is_mine else 0


@shared_task
def fold_revenue() -> int:
    """Fold finished days into revenue; returns how many. One at a time."""
    with single_flight("credits.fold_revenue") as is_mine:
        return revenue.fold_revenue(now=clock.now(), has_time=clock.within(DAYS_SECONDS)) if is_mine else 0
