"""Every verification leaves its result; the newest says how the verification of all accounts stands."""

from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from core import verification_runs as runs
from core.models import VerificationFinding, VerificationRun
from core.verification import Discrepancy

NOW: Final = datetime(2026, 3, 1, 3, 15, tzinfo=UTC)
State = VerificationRun.State


def begin(account_id: int | None = None, now: datetime = NOW) -> VerificationRun:
    return runs.begin_run(asked_by=VerificationRun.AskedBy.NIGHTLY, account_id=account_id, checks=30, now=now)


def whole(account_id: int | None = None, now: datetime = NOW, *, found: int = 0) -> VerificationRun:
    run = begin(account_id, now)
    runs.keep_findings(run, [Discrepancy(7, 1, "balances chain", f"entry {number}") for number in range(found)])
    return runs.finish_run(run, late_wallets=0, now=now)


@pytest.mark.django_db
def test_a_run_says_where_it_is_and_what_it_has_looked_at() -> None:
    run = begin()
    for check in ("balances chain", "pays tile"):
        runs.say_progress(run, check=check, low=1, high=500, now=NOW + timedelta(minutes=1))
    runs.count_range(run, accounts=400, entries=9_000, now=NOW + timedelta(minutes=2))
    runs.count_range(run, accounts=3, entries=10, now=NOW + timedelta(minutes=3))
    run.refresh_from_db()
    assert (run.state, run.at_check, run.range_low, run.range_high) == (State.RUNNING, "pays tile", 1, 500)
    assert (run.checks_run, run.accounts, run.entries, run.progress_at) == (2, 403, 9_010, NOW + timedelta(minutes=3))


@pytest.mark.django_db
def test_findings_decide_the_result() -> None:
    assert (whole().state, whole(found=1).state) == (State.OK, State.DISAGREES)
    found = VerificationFinding.objects.get()
    assert (found.account_id, found.invariant, found.check_name, found.detail) == (7, 1, "balances chain", "entry 0")


@pytest.mark.django_db
def test_a_thousand_findings_are_kept_and_all_are_counted() -> None:
    run = whole(found=999)
    runs.keep_findings(run, [Discrepancy(8, 2, "pays tile", "x" * 9_999)] * 5)
    run.refresh_from_db()
    assert (run.findings.count(), run.discrepancies) == (1_000, 1_004)
    assert len(run.findings.get(account_id=8).detail) == runs.DETAIL_MAX


@pytest.mark.django_db
def test_a_run_that_failed_stays_where_it_was() -> None:
    run = begin()
    runs.say_progress(run, check="pays tile", low=1, high=500, now=NOW)
    runs.fail_run(run, problem="OperationalError", now=NOW + timedelta(minutes=1))
    run.refresh_from_db()
    assert (run.state, run.problem, run.at_check, run.finished_at) == (
        State.FAILED,
        "OperationalError",
        "pays tile",
        NOW + timedelta(minutes=1),
    )


@pytest.mark.django_db
def test_a_run_buries_what_died_before_it_and_nothing_of_another_account() -> None:
    dead, other, told = begin(), begin(account_id=7), whole(account_id=7)
    begin(now=NOW + timedelta(days=1))
    for run in (dead, other, told):
        run.refresh_from_db()
    assert (dead.state, dead.problem) == (State.FAILED, "It ended without a word.")
    assert (other.state, told.state) == (State.FAILED, State.OK)
    alone = begin(account_id=8)
    begin(account_id=9)
    alone.refresh_from_db()
    assert alone.state == State.RUNNING


@pytest.mark.django_db
def test_the_verification_is_stale_after_26_hours_and_where_there_was_none() -> None:
    assert runs.health(now=NOW).is_stale
    last = whole()
    assert runs.health(now=NOW + timedelta(hours=26)) == runs.Health(last, None, None, is_stale=False)
    assert runs.health(now=NOW + timedelta(hours=26, seconds=1)).is_stale


@pytest.mark.django_db
def test_neither_a_run_over_one_account_nor_one_that_failed_counts_as_verification() -> None:
    whole()
    later = NOW + timedelta(hours=27)
    whole(account_id=7, now=later)
    runs.fail_run(begin(now=later), problem="x", now=later)
    assert runs.health(now=later).is_stale
    whole(now=later, found=1)
    assert not runs.health(now=later).is_stale


@pytest.mark.django_db
def test_a_run_without_progress_for_ten_minutes_is_silent() -> None:
    run = begin()
    at = NOW + timedelta(minutes=5)
    runs.say_progress(run, check="pays tile", low=1, high=500, now=at)
    health = runs.health(now=at + timedelta(minutes=10))
    assert (health.running, health.silent) == (run, None)
    health = runs.health(now=at + timedelta(minutes=10, seconds=1))
    assert (health.running, health.silent) == (None, run)


@pytest.mark.django_db
def test_old_runs_are_forgotten_but_never_the_newest_over_all_books() -> None:
    old, newest = whole(found=2), whole()
    whole(account_id=7)
    at = NOW + runs.KEPT
    assert runs.forget_old_runs(now=at) == 0
    assert runs.forget_old_runs(now=at + timedelta(seconds=1)) == 2
    assert list(VerificationRun.objects.all()) == [newest]
    assert not VerificationFinding.objects.filter(run_id=old.pk).exists()
