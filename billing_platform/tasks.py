"""Celery's part of the composition root."""

import logging
from typing import Final

from celery import shared_task

from billing_platform.verification_keeping import AskedBy, keep_verification
from core import clock, idempotency, verification_runs

logger = logging.getLogger(__name__)

_HOURS: Final = 12 * 3600
"""All books take their time: longer than the half hour after which other jobs are ended."""


@shared_task
def forget_idempotent_requests() -> int:
    """Forget answers that nobody may ask for any more."""
    return idempotency.forget_old(now=clock.now())


@shared_task(time_limit=_HOURS)
def verify_ledger() -> int | None:
    """The nightly verification, and the end of what is kept of very old ones. Returns how many discrepancies."""
    verification_runs.forget_old_runs(now=clock.now())
    return _verify(AskedBy.NIGHTLY, None)


@shared_task(time_limit=_HOURS)
def verify_now(*, account_id: int | None) -> int | None:
    """A verification that an operator has asked for, of one account or all. Returns how many discrepancies."""
    return _verify(AskedBy.OPERATOR, account_id)


def _verify(asked_by: AskedBy, account_id: int | None) -> int | None:
    """Every discrepancy is logged as an error. None where another such run is going on."""
    kept = keep_verification(asked_by=asked_by, tell_time=clock.now, account_id=account_id)
    if kept is None:
        logger.warning("a verification was not begun: another one is going on")
        return None
    for found in kept.found:
        logger.error("ledger disagrees: %s", found)
    if kept.run.late_wallets:
        logger.warning("%s wallets are overdue", kept.run.late_wallets)
    return len(kept.found)
