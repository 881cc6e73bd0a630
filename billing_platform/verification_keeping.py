"""
Verification as it is run in production: one at a time, its progress and its result kept, and the accounts that disagree marked.

The checks themselves write nothing (`billing_platform.verification`); what is written here is written between them.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from django.db import DatabaseError, transaction

import credits.reconciliation
from billing_platform.verification import Watcher, verify_ledger
from billing_platform.wiring import CHECKS
from core import verification_runs
from core.audit import record_act
from core.jobs import enqueue
from core.locks import single_flight
from core.models import VerificationRun
from core.verification import Check, Discrepancy
from credits.services.doubts import clear_doubts, mark_doubts

Clock = Callable[[], datetime]
AskedBy = VerificationRun.AskedBy


@dataclass(slots=True)
class Kept:
    """A run as it was kept, with its discrepancies as they were found."""

    run: VerificationRun
    found: list[Discrepancy] = field(default_factory=list)


def keep_verification(
    *, asked_by: str, tell_time: Clock, account_id: int | None = None, say: Callable[[str], None] | None = None
) -> Kept | None:
    """
    Verify one account, or all (None), and keep how it went. None: another such run is going on, and nothing was done.

    `tell_time` is asked again and again, since a run is long. `say` gets a line whenever a check begins. What ends a run early is kept
    as its problem, and raised.
    """
    with single_flight(f"verify_ledger {_of(account_id)}") as is_mine:
        if not is_mine:
            return None
        run = verification_runs.begin_run(asked_by=asked_by, account_id=account_id, checks=len(CHECKS), now=tell_time())
        keeper = _Keeper(run, tell_time, say)
        try:
            result = verify_ledger(now=tell_time(), account_id=account_id, watcher=keeper)
        except BaseException as error:
            # A database that is away is likely to be the reason, and cannot be told: the row is then buried by the next run.
            with suppress(DatabaseError):
                verification_runs.fail_run(run, problem=type(error).__name__, now=tell_time())
            raise
        run = verification_runs.finish_run(run, late_wallets=result.late_wallets, now=tell_time())
    return Kept(run, result.discrepancies)


def ask_for_verification(*, account_id: int | None, actor_id: int, reason: str, now: datetime) -> None:
    """An operator wants the books verified now, of one account or all: kept in the audit trail, done by a worker."""
    with transaction.atomic():
        record_act(
            actor_id=actor_id,
            act="verify_books",
            object_type="ledger" if account_id is None else "account",
            object_id=_of(account_id),
            account_id=account_id,
            reason=reason,
            now=now,
        )
        enqueue("billing_platform.tasks.verify_now", account_id=account_id)


def _of(account_id: int | None) -> str:
    """What is verified, by name; 0 is the house, and not all."""
    return "all" if account_id is None else str(account_id)


class _Keeper(Watcher):
    """Writes down how a run goes, and marks the accounts that it found."""

    def __init__(self, run: VerificationRun, tell_time: Clock, say: Callable[[str], None] | None) -> None:
        self._run, self._tell_time, self._say = run, tell_time, say
        self._range: tuple[int, int] | None = None
        self._range_began_at = run.started_at

    def begins(self, check: Check, low: int, high: int) -> None:
        now = self._tell_time()
        if self._range != (low, high):
            self._range, self._range_began_at = (low, high), now
        verification_runs.say_progress(self._run, check=check.name, low=low, high=high, now=now)
        if self._say is not None:
            self._say(f"accounts {low}…{high}: {check.name}")

    def found(self, discrepancies: list[Discrepancy]) -> None:
        if discrepancies:
            verification_runs.keep_findings(self._run, discrepancies)
            mark_doubts(account_ids={one.account_id for one in discrepancies}, now=self._tell_time())

    def covered(self, low: int, high: int, disagreeing: set[int]) -> None:
        accounts, entries = credits.reconciliation.count_entries(low, high)
        verification_runs.count_range(self._run, accounts=accounts, entries=entries, now=self._tell_time())
        # What was marked while this range was looked at is another run's knowledge, and younger than ours.
        clear_doubts(low=low, high=high, but=disagreeing, before=self._range_began_at)
