"""Celery's part of payments. A job that is lost is asked for again by a sweeper; none of them is needed for money to be right."""

from datetime import timedelta
from typing import Final

from celery import shared_task

from core import clock
from core.errors import BillingError
from core.locks import single_flight
from payments.services import inbox, mirror, reconciler

JOB_SECONDS: Final = 15
"""So long may a job of housekeeping keep a worker from money; the next run goes on where it ended."""


@shared_task
def process_event(*, event_pk: int) -> str | None:
    """Claim and apply one provider event."""
    outcome = inbox.process_event(event_pk=event_pk, now=clock.now())
    return None if outcome is None else outcome.value


@shared_task
def sweep_events() -> int:
    """Take up events that were left behind."""
    return inbox.sweep_events(now=clock.now())


@shared_task
def mirror_events() -> int:
    """Bring dj-stripe's copies up to date. One at a time."""
    with single_flight("payments.mirror_events") as is_mine:
        return mirror.mirror_events(now=clock.now(), has_time=clock.within(JOB_SECONDS)) if is_mine else 0


@shared_task
def reconcile_attempts() -> int:
    """Ask providers after attempts that nobody told us about. One at a time."""
    with single_flight("payments.reconcile_attempts") as is_mine:
        return reconciler.reconcile_attempts(now=clock.now(), has_time=clock.within(JOB_SECONDS)) if is_mine else 0


@shared_task(autoretry_for=(BillingError,), retry_backoff=10, retry_backoff_max=600, max_retries=5)
def retire_attempt(*, attempt_id: int) -> None:
    """Close the page of an attempt whose order waits for no money any more."""
    reconciler.retire_attempt(attempt_id=attempt_id, now=clock.now())


@shared_task
def read_provider_feed() -> int:
    """Read what Stripe says happened since the last reading. One at a time."""
    return _read_feed(reconciler.FEED_OVERLAP, clock.within(JOB_SECONDS))


@shared_task
def reread_provider_feed() -> int:
    """Read the last days once more: what a list showed late, or a clock that was wrong left out, is found then."""
    # Cut short it would begin anew the next night: it takes the time it needs, once.
    return _read_feed(reconciler.FEED_REREAD, clock.forever)


def _read_feed(back: timedelta, has_time: clock.HasTime) -> int:
    with single_flight("payments.read_feed") as is_mine:
        return reconciler.read_feeds(now=clock.now(), back=back, has_time=has_time) if is_mine else 0


@shared_task
def forget_payloads() -> int:
    """Empty old payloads."""
    return inbox.forget_payloads(now=clock.now())
