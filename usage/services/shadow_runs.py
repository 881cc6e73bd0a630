"""
Asking for shadow runs, and working them off: by whoever holds the lease, which is renewed as long as there is progress.

A worker that was killed leaves a lease that dies; the run then begins anew, since it has written nothing but how far it was.
"""

import logging
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import Q, QuerySet

from core.audit import record_act
from core.errors import InvalidInput, NotFound
from core.jobs import enqueue
from core.locks import lock_one
from usage.models import DAYS_MAX, PriceVersion, ShadowRun, ShadowStatus
from usage.services.shadow import Customer, Tally, Trial, accounts_with_usage, events_of, trial_of

logger = logging.getLogger(__name__)

Clock = Callable[[], datetime]
Say = Callable[[ShadowRun], None]

LEASE: Final = timedelta(minutes=10)
"""Longer than the database needs to put the events of one account in order."""
TELL_EVERY: Final = timedelta(seconds=1)
"""How often a run says how far it is, at most."""
TRIES_MAX: Final = 3
SWEPT_AFTER: Final = timedelta(minutes=1)
"""A fresh run is the business of the job that was sent when it was asked for; the sweep takes what that job did not."""
_TASK: Final = "usage.tasks.run_shadow"
_UNDER_WAY: Final = (ShadowStatus.WAITING, ShadowStatus.RUNNING)


class LeaseLostError(Exception):
    """Another worker has taken the run, or it is gone: nothing more is written."""


def ask_for_shadow_run(
    *, version_id: int, days: int, actor_id: int | None, reason: str, now: datetime, by_worker: bool = True
) -> ShadowRun:
    """
    A replay of the last `days` days (1 to 90) by a price version, to be worked off by a worker. One that is under way is not asked for
    again: it is returned.

    Raises NotFound (no such version), InvalidInput `out_of_range`.
    """
    if not 1 <= days <= DAYS_MAX:
        raise InvalidInput(f"A shadow run goes over 1 to {DAYS_MAX} days.", code="out_of_range", field="days")
    with transaction.atomic():
        version = lock_one(PriceVersion.objects.filter(pk=version_id))
        if version is None:
            raise NotFound("There is no such price version.")
        known = ShadowRun.objects.filter(version=version, days=days, status__in=_UNDER_WAY).first()
        if known is not None:
            return known
        run = ShadowRun.objects.create(version=version, days=days, asked_by_id=actor_id, created_at=now)
        record_act(
            actor_id=actor_id,
            act="run_shadow",
            object_type="price_version",
            object_id=str(version.pk),
            reason=reason,
            after={"days": days, "run": run.pk},
            now=now,
        )
        if by_worker:
            enqueue(_TASK, run_id=run.pk)
    return run


def work_off(*, run_id: int, tell_time: Clock, say: Say | None = None) -> ShadowRun | None:
    """
    Claim a run and replay it. None where somebody else has it, or it has ended. `say` is called whenever the run says how far it is.

    A mistake is kept as the run's problem, and raised. Whoever lost the lease meanwhile writes nothing.
    """
    lease = _claim(run_id, tell_time())
    if lease is None:
        return None
    work = _Work(run_id, lease, tell_time, say)
    try:
        work.replay()
    except LeaseLostError:
        logger.warning("Shadow run %s was taken over by another worker.", run_id)
        return None
    except Exception as error:
        work.fail(type(error).__name__)
        raise
    return ShadowRun.objects.get(pk=run_id)


def sweep_shadow_runs(*, now: datetime) -> int:
    """Ask again for runs whose job was lost or whose worker died; returns how many. One that ended so three times has failed."""
    dead = Q(status=ShadowStatus.RUNNING, lease_until__lte=now)
    ShadowRun.objects.filter(dead, tries__gte=TRIES_MAX).update(
        status=ShadowStatus.FAILED,
        lease="",
        lease_until=None,
        finished_at=now,
        problem="Its workers ended without a word, again and again.",
    )
    left = dead | Q(status=ShadowStatus.WAITING, created_at__lte=now - SWEPT_AFTER)
    run_ids = list(ShadowRun.objects.filter(left).order_by("pk").values_list("pk", flat=True))
    for run_id in run_ids:
        enqueue(_TASK, expires_seconds=int(SWEPT_AFTER.total_seconds()), run_id=run_id)
    return len(run_ids)


def _claim(run_id: int, now: datetime) -> str | None:
    """One UPDATE decides: of two workers the second finds the row changed."""
    lease = secrets.token_hex(16)
    free = Q(status=ShadowStatus.WAITING) | Q(status=ShadowStatus.RUNNING, lease_until__lte=now)
    with transaction.atomic():
        run = lock_one(ShadowRun.objects.filter(free, pk=run_id))
        if run is None:
            return None
        run.status, run.lease, run.lease_until = ShadowStatus.RUNNING, lease, now + LEASE
        run.tries, run.started_at = run.tries + 1, run.started_at or now
        run.accounts = run.accounts_done = run.events_done = 0
        run.save()
    return lease


class _Work:
    """One run in the hands of the holder of its lease."""

    def __init__(self, run_id: int, lease: str, tell_time: Clock, say: Say | None) -> None:
        self._mine: QuerySet[ShadowRun] = ShadowRun.objects.filter(pk=run_id, lease=lease, status=ShadowStatus.RUNNING)
        self._tell_time, self._say = tell_time, say
        self._told_at: datetime | None = None
        self._accounts = self._accounts_done = self._events_done = 0

    def replay(self) -> None:
        """Account by account; raises LeaseLostError."""
        run = self._mine.select_related("version").first()
        if run is None:
            raise LeaseLostError
        if run.version is None:
            self.fail("The draft was thrown away.")
            raise LeaseLostError
        trial, tally = trial_of(run.version, days=run.days, until=run.created_at), Tally()
        accounts = accounts_with_usage(trial)
        self._accounts = len(accounts)
        self._tell()
        for account_id in accounts:
            self._replay_account(account_id, trial, tally)
        self._tell()
        self._end(status=ShadowStatus.DONE, result=tally.result())

    def fail(self, problem: str) -> None:
        """It ended by a mistake."""
        self._mine.update(status=ShadowStatus.FAILED, problem=problem[:200], lease="", lease_until=None, finished_at=self._tell_time())

    def _replay_account(self, account_id: int, trial: Trial, tally: Tally) -> None:
        customer = Customer(account_id)
        for events in events_of(account_id, trial):
            for event in events:
                tally.take(trial, customer, event)
            self._events_done += len(events)
            self._tell_sometimes()
        tally.close(customer)
        self._accounts_done += 1
        self._tell_sometimes()

    def _tell_sometimes(self) -> None:
        if self._told_at is None or self._tell_time() - self._told_at >= TELL_EVERY:
            self._tell()

    def _tell(self) -> None:
        now = self._tell_time()
        self._told_at = now
        self._write(accounts=self._accounts, accounts_done=self._accounts_done, events_done=self._events_done, lease_until=now + LEASE)
        if self._say is not None and (run := self._mine.first()) is not None:
            self._say(run)

    def _end(self, **values: object) -> None:
        self._write(**values, lease="", lease_until=None, finished_at=self._tell_time())

    def _write(self, **values: object) -> None:
        if not self._mine.update(**values):
            raise LeaseLostError
