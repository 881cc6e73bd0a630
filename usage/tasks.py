"""Celery's part of metering."""

from typing import Final

from celery import shared_task

from core import clock
from core.locks import single_flight
from usage.services import absorbed, counting, platform_days, shadow_runs

COUNT_SECONDS: Final = 60
JOB_SECONDS: Final = 600
"""So long may a day's sums keep a worker; the next run goes on where it ended."""
_HOURS: Final = 12 * 3600
"""Ninety days of everybody's usage take their time: longer than the half hour after which other jobs are ended."""


@shared_task
def book_absorbed_days() -> int:
    """Book what the operator bears of finished days; returns how many entries. One at a time."""
    with single_flight("usage.book_absorbed_days") as is_mine:
        return absorbed.book_absorbed_days(now=clock.now(), has_time=clock.within(JOB_SECONDS)) if is_mine else 0


@shared_task(time_limit=_HOURS)
def run_shadow(*, run_id: int) -> None:
    """Replay usage by a price that an operator tries out. By whoever claims the run first."""
    shadow_runs.work_off(run_id=run_id, tell_time=clock.now)


@shared_task
def sweep_shadow_runs() -> int:
    """Take up shadow runs that were left behind."""
    return shadow_runs.sweep_shadow_runs(now=clock.now())


@shared_task
def count_events() -> int:
    """Bring roll-ups up to what is booked, of accounts for which it is time; returns how many events. One at a time."""
    with single_flight("usage.count_events") as is_mine:
        return counting.count_due(now=clock.now(), has_time=clock.within(COUNT_SECONDS)) if is_mine else 0


@shared_task
def fold_platform_usage() -> int:
    """Fold what was used since the last run into the platform's roll-ups; returns of how many accounts. One at a time."""
    return platform_days.fold_platform_usage(now=clock.now(), has_time=clock.within(JOB_SECONDS))
