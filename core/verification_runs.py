"""
The results of verification, kept: a row per run, which says while it runs where it is, and a row per discrepancy.

Each write is a short transaction of its own: the checks are in other ones, which only read.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import F

from core.models import VerificationFinding, VerificationRun
from core.verification import Discrepancy

FINDINGS_MAX: Final = 1_000
KEPT: Final = timedelta(days=400)
STALE_AFTER: Final = timedelta(hours=26)
"""A day, and the time that a night's run may take more than the one before."""
SILENT_AFTER: Final = timedelta(minutes=10)
DETAIL_MAX: Final = 2_000

_RUNNING: Final = VerificationRun.State.RUNNING
_TOLD: Final = (VerificationRun.State.OK, VerificationRun.State.DISAGREES)


@dataclass(frozen=True, slots=True)
class Health:
    """
    How the verification of all accounts stands. `last`: the newest run that came to a result. `running`: one that works now.

    `silent`: one that has said nothing for ten minutes. `is_stale`: no result for 26 hours, or none at all.
    """

    last: VerificationRun | None
    running: VerificationRun | None
    silent: VerificationRun | None
    is_stale: bool


def begin_run(*, asked_by: str, account_id: int | None, checks: int, now: datetime) -> VerificationRun:
    """A new run over one account, or over all (None). What an earlier one left unfinished has died: its caller holds the only claim."""
    with transaction.atomic():
        dead = VerificationRun.objects.filter(account_id=account_id, state=_RUNNING)
        dead.update(state=VerificationRun.State.FAILED, problem="It ended without a word.", finished_at=now)
        return VerificationRun.objects.create(
            asked_by=asked_by, account_id=account_id, checks=checks, started_at=now, progress_at=now, state=_RUNNING
        )


def say_progress(run: VerificationRun, *, check: str, low: int, high: int, now: datetime) -> None:
    """The run is about to look at these accounts by that check."""
    VerificationRun.objects.filter(pk=run.pk).update(
        at_check=check, range_low=low, range_high=high, progress_at=now, checks_run=F("checks_run") + 1
    )


def count_range(run: VerificationRun, *, accounts: int, entries: int, now: datetime) -> None:
    """Every check was run over so many accounts, which have so many entries."""
    rows = VerificationRun.objects.filter(pk=run.pk)
    rows.update(accounts=F("accounts") + accounts, entries=F("entries") + entries, progress_at=now)


def keep_findings(run: VerificationRun, found: Iterable[Discrepancy]) -> None:
    """Keep these discrepancies with the run, as far as there is room, and count them all."""
    rows = [
        VerificationFinding(
            run=run, account_id=one.account_id, invariant=one.invariant, check_name=one.check, detail=one.detail[:DETAIL_MAX]
        )
        for one in found
    ]
    with transaction.atomic():
        room = FINDINGS_MAX - VerificationFinding.objects.filter(run=run).count()
        VerificationFinding.objects.bulk_create(rows[: max(0, room)])
        VerificationRun.objects.filter(pk=run.pk).update(discrepancies=F("discrepancies") + len(rows))


def finish_run(run: VerificationRun, *, late_wallets: int, now: datetime) -> VerificationRun:
    """The run came to a result, which its findings decide. Returns it as it is kept."""
    run.refresh_from_db()
    run.state = VerificationRun.State.DISAGREES if run.discrepancies else VerificationRun.State.OK
    run.late_wallets, run.finished_at, run.progress_at = late_wallets, now, now
    run.at_check, run.range_low, run.range_high = "", None, None
    run.save()
    return run


def fail_run(run: VerificationRun, *, problem: str, now: datetime) -> None:
    """The run ended before it knew. `problem` is shown to operators; where it was stays on the row."""
    rows = VerificationRun.objects.filter(pk=run.pk, state=_RUNNING)
    rows.update(state=VerificationRun.State.FAILED, problem=problem[:200], finished_at=now)


def forget_old_runs(*, now: datetime) -> int:
    """Delete runs of more than 400 days ago with their findings, but never the newest over all accounts; returns how many."""
    newest = VerificationRun.objects.filter(account_id=None).order_by("-id").values("pk")[:1]
    old = VerificationRun.objects.filter(started_at__lt=now - KEPT).exclude(pk__in=newest)
    return old.delete()[1].get(VerificationRun._meta.label, 0)


def is_silent(run: VerificationRun, *, now: datetime) -> bool:
    """Whether it says that it runs, and has shown no progress for ten minutes."""
    return run.state == _RUNNING and run.progress_at < now - SILENT_AFTER


def health(*, now: datetime) -> Health:
    """How the verification of all accounts stands; a run over a single one does not count."""
    newest = VerificationRun.objects.filter(account_id=None).order_by("-id")
    last, running = newest.filter(state__in=_TOLD).first(), newest.filter(state=_RUNNING).first()
    silent = running if running is not None and is_silent(running, now=now) else None
    is_stale = last is None or last.finished_at is None or last.finished_at < now - STALE_AFTER
    return Health(last, None if silent else running, silent, is_stale)
