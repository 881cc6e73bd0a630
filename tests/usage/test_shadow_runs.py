"""Shadow runs: asked for once, worked off by one worker, taken again when that one dies; and what operators see of them."""

from datetime import datetime, timedelta
from io import StringIO
from typing import Final

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.urls import reverse

from accounts.models import Account
from core import clock
from core.models import AuditRecord
from tests import factories
from tests.actors import make_operator
from tests.admin.looking import text_of
from tests.admin.pressing import fill_and_press
from tests.spending import adjust, price, report
from tests.threads import at_once, failures, successes
from usage.models import PriceVersion, ShadowRun, ShadowStatus
from usage.rating import Prices
from usage.services.prices import create_draft
from usage.services.shadow_runs import LEASE, TRIES_MAX, ask_for_shadow_run, sweep_shadow_runs, work_off

USD: Final = 10**9


def per_token(nanos: int) -> Prices:
    return Prices(nanos * 10**6, 0, 0, 0, 0, 0, 0, 0, 10_000)


def a_draft(nanos: int = 2, code: str = "plain") -> PriceVersion:
    """A draft of so many nanos an input token, of a model that costs one now."""
    active = price(code, per_token(1))
    return create_draft(model=active.model, prices=per_token(nanos), effective_at=clock.now(), now=clock.now())


def customers(*tokens: int) -> list[Account]:
    """One who has used the model each."""
    accounts = [factories.make_account() for _ in tokens]
    for account, count in zip(accounts, tokens, strict=True):
        adjust(account, USD)
        report(account, "call", model="plain", input_tokens=count)
        factories.end_of_transaction()
    return accounts


def ask(draft: PriceVersion, days: int = 7, now: datetime | None = None) -> ShadowRun:
    """Asked for, and not given to a worker: tests work it off themselves."""
    said = {"version_id": draft.pk, "days": days}
    return ask_for_shadow_run(**said, actor_id=None, reason="For the tests.", now=now or clock.now(), by_worker=False)


@pytest.mark.django_db
def test_a_run_that_is_under_way_is_not_asked_for_again() -> None:
    draft = a_draft()
    first, again, longer = ask(draft), ask(draft), ask(draft, 8)
    assert first == again
    assert first != longer
    assert AuditRecord.objects.filter(act="run_shadow").count() == 2
    work_off(run_id=first.pk, tell_time=clock.now)
    assert ask(draft) not in {first, longer}


@pytest.mark.django_db(transaction=True)
def test_asked_for_by_two_at_once_it_is_one_run() -> None:
    draft = a_draft()
    outcomes = at_once(*[lambda: ask(draft).pk] * 4)
    assert failures(outcomes) == []
    assert len(set(successes(outcomes))) == ShadowRun.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_many_workers_one_works_it_off() -> None:
    draft = a_draft()
    customers(10, 20, 30)
    run = ask(draft)
    outcomes = at_once(*[lambda: work_off(run_id=run.pk, tell_time=clock.now)] * 4)
    assert failures(outcomes) == []
    assert len([one for one in successes(outcomes) if one is not None]) == 1
    run.refresh_from_db()
    assert (run.status, run.tries, run.accounts_done, run.events_done) == ("done", 1, 3, 3)
    assert run.result is not None
    assert run.result["change_nanos"] == 60


@pytest.mark.django_db
def test_a_killed_workers_run_is_begun_anew_after_its_lease() -> None:
    draft = a_draft()
    customers(10)
    run = ask(draft)
    now = clock.now()
    ShadowRun.objects.update(status="running", lease="dead", lease_until=now + LEASE, started_at=now, tries=1, accounts_done=9)
    assert work_off(run_id=run.pk, tell_time=lambda: now) is None
    assert sweep_shadow_runs(now=now) == 0
    later = now + LEASE
    assert sweep_shadow_runs(now=later) == 1
    done = work_off(run_id=run.pk, tell_time=lambda: later)
    assert done is not None
    assert (done.status, done.tries, done.accounts_done, done.started_at) == ("done", 2, 1, now)


@pytest.mark.django_db
def test_a_worker_that_lost_its_lease_writes_nothing_more() -> None:
    draft = a_draft()
    customers(10, 20)
    run = ask(draft)

    def taken_over(_run: ShadowRun) -> None:
        ShadowRun.objects.filter(pk=run.pk).update(lease="another's")

    assert work_off(run_id=run.pk, tell_time=clock.now, say=taken_over) is None
    run.refresh_from_db()
    assert (run.status, run.lease, run.result, run.finished_at) == ("running", "another's", None, None)


@pytest.mark.django_db
def test_it_says_how_far_it_is_while_it_runs() -> None:
    draft = a_draft()
    customers(10, 20, 30)
    run = ask(draft)
    seen: list[tuple[int, int, int]] = []
    ticks = (clock.now() + number * timedelta(seconds=2) for number in range(1_000))

    def look(_run: ShadowRun) -> None:
        kept = ShadowRun.objects.get(pk=run.pk)
        assert kept.lease_until is not None
        seen.append((kept.accounts, kept.accounts_done, kept.events_done))

    work_off(run_id=run.pk, tell_time=lambda: next(ticks), say=look)
    assert seen[0] == (3, 0, 0)
    assert seen[-1] == (3, 3, 3)
    assert (3, 1, 1) in seen
    assert seen == sorted(seen)


@pytest.mark.django_db
def test_a_mistake_is_kept_as_the_runs_problem() -> None:
    run = ask(a_draft())

    def break_it(_run: ShadowRun) -> None:
        raise ZeroDivisionError("a secret")

    with pytest.raises(ZeroDivisionError):
        work_off(run_id=run.pk, tell_time=clock.now, say=break_it)
    run.refresh_from_db()
    assert (run.status, run.problem, run.lease, run.result) == ("failed", "ZeroDivisionError", "", None)
    assert run.finished_at is not None
    assert work_off(run_id=run.pk, tell_time=clock.now) is None


@pytest.mark.django_db
def test_a_run_that_kills_its_workers_fails_in_the_end() -> None:
    run = ask(a_draft())
    now = clock.now()
    ShadowRun.objects.update(status="running", lease="dead", lease_until=now, started_at=now, tries=TRIES_MAX)
    assert sweep_shadow_runs(now=now) == 0
    run.refresh_from_db()
    assert (run.status, run.problem) == ("failed", "Its workers ended without a word, again and again.")


@pytest.mark.django_db
def test_a_run_whose_job_was_lost_is_asked_for_again() -> None:
    run = ask(a_draft())
    assert sweep_shadow_runs(now=run.created_at) == 0
    assert sweep_shadow_runs(now=run.created_at + timedelta(minutes=1)) == 1


@pytest.mark.django_db
def test_a_run_outlives_the_draft_that_was_thrown_away() -> None:
    draft = a_draft()
    run, waiting = ask(draft), ask(draft, 8)
    work_off(run_id=run.pk, tell_time=clock.now)
    draft.delete()
    run.refresh_from_db()
    assert (run.version, run.status) == (None, "done")
    assert work_off(run_id=waiting.pk, tell_time=clock.now) is None
    waiting.refresh_from_db()
    assert (waiting.status, waiting.problem) == ("failed", "The draft was thrown away.")


BROKEN: Final = (
    ("shadow_run_of_some_days", "UPDATE usage_shadowrun SET days = 0 WHERE status = 'done'"),
    ("shadow_run_of_some_days", "UPDATE usage_shadowrun SET days = 91 WHERE status = 'done'"),
    ("shadow_run_stands_as_it_says", "UPDATE usage_shadowrun SET result = NULL WHERE status = 'done'"),
    ("shadow_run_stands_as_it_says", "UPDATE usage_shadowrun SET status = 'running' WHERE status = 'waiting'"),
    ("shadow_run_stands_as_it_says", "UPDATE usage_shadowrun SET status = 'failed', result = NULL WHERE status = 'done'"),
    ("shadow_run_stands_as_it_says", "UPDATE usage_shadowrun SET result = '{}' WHERE status = 'waiting'"),
    ("shadow_run_one_under_way", "UPDATE usage_shadowrun SET days = 7 WHERE status = 'waiting'"),
)


@pytest.mark.django_db
@pytest.mark.parametrize(("rule", "sql"), BROKEN)
def test_a_rule_of_the_database_refuses_a_run_that_is_none(rule: str, sql: str) -> None:
    draft = a_draft()
    work_off(run_id=ask(draft).pk, tell_time=clock.now)
    ask(draft)
    ask(draft, 8)
    before = list(ShadowRun.objects.order_by("pk").values_list())
    with pytest.raises(DatabaseError, match=rule), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)
    assert list(ShadowRun.objects.order_by("pk").values_list()) == before


@pytest.mark.django_db
def test_the_command_prints_progress_and_the_result() -> None:
    draft = a_draft(3)
    one, two = customers(1_000, 500)
    out, err = StringIO(), StringIO()
    call_command("shadow_run", str(draft.pk), "--days", "2", stdout=out, stderr=err)
    assert "0 of 2 accounts, 0 events" in err.getvalue()
    assert "2 of 2 accounts, 2 events" in err.getvalue()
    lines = out.getvalue().splitlines()
    assert "Revenue: $0.0000015 → $0.0000045" in lines
    assert "Change: $0.000003 (+200.00 %)" in lines
    assert f"More: account {one.pk}: $0.000001 → $0.000003" in lines
    assert f"More: account {two.pk}: $0.0000005 → $0.0000015" in lines
    with pytest.raises(CommandError, match="no such price version"):
        call_command("shadow_run", "999999")
    with pytest.raises(CommandError, match="1 to 90"):
        call_command("shadow_run", str(draft.pk), "--days", "91")


class Impatient(StringIO):
    """Reads progress, and sees the sweep give the run up meanwhile."""

    def write(self, text: str) -> int:
        ShadowRun.objects.filter(finished_at=None).update(tries=TRIES_MAX)
        sweep_shadow_runs(now=clock.now() + 2 * LEASE)
        return super().write(text)


@pytest.mark.django_db
def test_the_command_says_why_a_run_has_failed() -> None:
    draft = a_draft()
    customers(1_000)
    with pytest.raises(CommandError, match="failed: Its workers ended without a word"):
        call_command("shadow_run", str(draft.pk), "--days", "2", stderr=Impatient())


@pytest.mark.django_db
def test_the_command_says_that_somebody_else_works_on_a_run() -> None:
    draft = a_draft()
    known = ask(draft)
    ShadowRun.objects.filter(pk=known.pk).update(status=ShadowStatus.RUNNING, lease="hers", lease_until=clock.now() + LEASE)
    with pytest.raises(CommandError, match=f"Shadow run {known.pk} is being worked on by somebody else"):
        call_command("shadow_run", str(draft.pk), "--days", "7")


def dialog_of(draft: PriceVersion) -> str:
    return reverse("admin:usage_priceversion_shadow_run", args=(draft.pk,))


@pytest.mark.django_db
def test_an_operator_asks_for_a_run_and_reads_it_before_the_activation() -> None:
    draft = a_draft(3)
    (account,) = customers(1_000)
    boss = Client()
    boss.force_login(make_operator())
    activate = reverse("admin:usage_priceversion_activate", args=(draft.pk,))
    assert "none was run" in text_of(boss, activate)

    answer = fill_and_press(boss, dialog_of(draft), days=7, reason="Because of ticket 4711.")
    run = ShadowRun.objects.get()
    assert answer.headers["HX-Redirect"] == f"/admin/usage/shadowrun/{run.pk}/change/"
    assert (run.status, run.days, run.version_id) == (ShadowStatus.WAITING, 7, draft.pk)
    assert "over 7 days: 0 of 0 accounts so far" in text_of(boss, activate)
    assert "waiting" in text_of(boss, answer.headers["HX-Redirect"])

    work_off(run_id=run.pk, tell_time=clock.now)
    assert "Change $0.000002 (+200.00 %)" in text_of(boss, activate)
    shown = text_of(boss, answer.headers["HX-Redirect"])
    assert f"account {account.pk} $0.000001 $0.000003 $0.000002" in shown
    assert "1 of 1" in shown
    assert "$0.000002 (+200.00 %) 0 customers" in text_of(boss, "/admin/usage/shadowrun/")


@pytest.mark.django_db
def test_a_run_of_no_days_or_too_many_is_refused_in_the_dialog() -> None:
    draft = a_draft()
    boss = Client()
    boss.force_login(make_operator())
    for days in (0, 91, "x"):
        answer = fill_and_press(boss, dialog_of(draft), days=days, reason="Because of ticket 4711.")
        assert answer.status_code == 200
    assert not ShadowRun.objects.exists()
