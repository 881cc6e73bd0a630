"""Celery's part of the composition root."""

import logging

from celery import shared_task

from billing_platform import verification
from core import clock, idempotency

logger = logging.getLogger(__name__)


@shared_task
def forget_idempotent_requests() -> int:
    """Forget answers that nobody may ask for any more."""
    return idempotency.forget_old(now=clock.now())


@shared_task
def verify_ledger() -> int:
    """The nightly proof. Every discrepancy is logged as an error; returns how many."""
    result = verification.verify_ledger(now=clock.now())
    for found in result.discrepancies:
        logger.error("ledger disagrees: account %s, invariant %s, %s", found.account_id, found.invariant, found.detail)
    if result.late_wallets:
        logger.warning("%s wallets are overdue", result.late_wallets)
    return len(result.discrepancies)
