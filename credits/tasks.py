"""Celery's part of the ledger: what the clock does is booked even where nobody reads."""

from celery import shared_task

from core import clock
from credits.services.wallets import sweep_due_wallets


@shared_task
def book_due_changes() -> int:
    """Book activations, lapses and expiries that are due; returns of how many accounts."""
    return sweep_due_wallets(now=clock.now())
