"""What operators see of verifications: the last result, what disagreed, an account in doubt; and how they begin one."""

from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from accounts.models import User
from core import clock, verification_runs
from core.models import AuditRecord, VerificationRun
from core.verification import HOUSE, Discrepancy
from credits.services.doubts import mark_doubts
from tests.admin.house import House, every_row, in_role, logged_in
from tests.admin.looking import queries, shown, text_of
from tests.admin.pressing import fill_and_press

REASON = "Because of ticket 4711."
RUNS = "/admin/core/verificationrun/"


def begin(now: datetime) -> VerificationRun:
    return verification_runs.begin_run(asked_by=VerificationRun.AskedBy.NIGHTLY, account_id=None, checks=30, now=now)


def whole(now: datetime, *found: Discrepancy) -> VerificationRun:
    run = begin(now)
    verification_runs.keep_findings(run, found)
    verification_runs.count_range(run, accounts=1_200, entries=3_400_000, now=now)
    return verification_runs.finish_run(run, late_wallets=0, now=now)


def test_the_dashboard_says_that_there_was_no_verification_yet(house: House, boss: Client) -> None:
    assert "Overdue no result for 26 hours: is beat running, and a worker?" in text_of(boss, "/admin/")


def test_the_dashboard_shows_the_last_result_of_all_books(house: House, boss: Client) -> None:
    whole(clock.now())
    text = text_of(boss, "/admin/")
    assert "Last result everything agrees" in text
    assert "Overdue no result" not in text
    whole(clock.now(), Discrepancy(house.account.pk, 1, "balances chain", "entry 2"))
    assert "Last result 1 disagreements" in text_of(boss, "/admin/")


def test_the_dashboard_warns_of_a_verification_that_is_old(house: House, boss: Client) -> None:
    whole(clock.now() - timedelta(hours=26, minutes=1))
    text = text_of(boss, "/admin/")
    assert "Overdue no result for 26 hours" in text
    assert "Last result everything agrees" in text


def test_the_dashboard_shows_where_a_run_is_and_warns_when_it_stands_still(house: House, boss: Client) -> None:
    now = clock.now()
    whole(now)
    run = begin(now)
    verification_runs.say_progress(run, check="pays tile", low=-(2**63), high=9_000, now=now)
    assert "Running pays tile, accounts the first to 9000" in text_of(boss, "/admin/")
    verification_runs.say_progress(run, check="pays tile", low=9_001, high=2**63 - 1, now=now - timedelta(minutes=11))
    text = text_of(boss, "/admin/")
    assert "No progress for ten minutes, at pays tile, accounts 9001 to the last" in text
    assert "Running pays tile" not in text


def test_nobody_sees_verifications_without_the_permission(house: House, clerk: Client) -> None:
    whole(clock.now())
    assert "Verification of the books" not in text_of(clerk, "/admin/")
    assert clerk.get(RUNS).status_code == 403


def test_the_list_answers_by_its_filters_newest_first(house: House, boss: Client) -> None:
    one_account = VerificationRun.objects.get()
    good, failed = whole(clock.now()), begin(clock.now())
    verification_runs.fail_run(failed, problem="OperationalError", now=clock.now())
    assert shown(boss, RUNS) == [str(run) for run in (failed, good, one_account)]
    assert shown(boss, RUNS, state="all_books") == [str(failed), str(good)]
    assert shown(boss, RUNS, state="one_account") == [str(one_account)]
    assert shown(boss, RUNS, state="disagrees") == [str(one_account)]
    assert shown(boss, RUNS, state="failed") == [str(failed)]
    assert shown(boss, RUNS, state="running") == []
    assert shown(boss, RUNS, q=house.account.public_id) == [str(one_account)]
    text = text_of(boss, RUNS)
    assert "failed: OperationalError" in text
    assert "1,200 3,400,000" in text


def test_a_runs_page_shows_what_disagreed_and_leads_to_the_accounts(house: House, boss: Client) -> None:
    run = whole(clock.now(), Discrepancy(house.account.pk, 1, "balances chain", "entry <2>"), Discrepancy(HOUSE, 1, "house", "entry 3"))
    url = f"{RUNS}{run.pk}/change/"
    text, html = text_of(boss, url), boss.get(url).content.decode()
    assert f"account {house.account.pk} 1 balances chain entry <2>" in text
    assert "the house 1 house entry 3" in text
    assert f"/admin/accounts/account/{house.account.pk}/change/" in html
    assert f"/admin/core/verificationfinding/?run__id__exact={run.pk}" in html
    assert "entry <2>" not in html
    assert len(shown(boss, "/admin/core/verificationfinding/", run__id__exact=str(run.pk))) == 2


def test_lists_cost_the_same_for_many_rows(house: House, boss: Client) -> None:
    for url in (RUNS, "/admin/core/verificationfinding/"):
        with queries() as few:
            boss.get(url)
        for _ in range(30):
            whole(clock.now(), Discrepancy(house.account.pk, 1, "balances chain", "entry 2"))
        with queries() as many:
            boss.get(url)
        assert len(many) == len(few), url


def test_the_accounts_page_shows_doubts_and_what_was_found(house: House, boss: Client) -> None:
    url = f"/admin/accounts/account/{house.account.pk}/change/"
    text = text_of(boss, url)
    assert "Books disagree since" not in text
    assert "entry 2: balance 7 after 5 and 1" in text
    mark_doubts(account_ids=[house.account.pk], now=clock.now())
    assert "Books disagree since" in text_of(boss, url)


def test_an_operator_has_the_books_verified(house: House, boss: Client) -> None:
    account = reverse("admin:accounts_account_verify", args=(house.account.pk,))
    for url, account_id in ((account, house.account.pk), (reverse("admin:core_verificationrun_verify_all"), None)):
        assert "HX-Redirect" in fill_and_press(boss, url, reason=REASON)
        audit = AuditRecord.objects.order_by("-id")[0]
        assert (audit.act, audit.account_id, audit.reason, audit.actor_id) == ("verify_books", account_id, REASON, house.boss.pk)


@pytest.mark.parametrize(
    ("role", "may_one", "may_all"), [("support", False, False), ("billing operations", True, False), ("finance", True, True)]
)
def test_each_role_may_verify_what_it_should(house: House, role: str, may_one: bool, may_all: bool) -> None:  # noqa: FBT001
    browser = in_role(role)
    one = reverse("admin:accounts_account_verify", args=(house.account.pk,))
    before = every_row()
    for url, may in ((one, may_one), (reverse("admin:core_verificationrun_verify_all"), may_all)):
        assert browser.get(url).status_code == (200 if may else 403), url
    assert every_row() == before


def test_verifying_one_account_is_a_permission_of_its_own(house: House) -> None:
    person = User.objects.create_user("auditor@example.com", "x", is_staff=True)
    person.user_permissions.set(Permission.objects.filter(codename__in=("verify_account", "view_account")))
    browser = logged_in(person)
    assert browser.get(reverse("admin:accounts_account_verify", args=(house.account.pk,))).status_code == 200
    assert browser.get(reverse("admin:accounts_account_adjust_balance", args=(house.account.pk,))).status_code == 403
    assert browser.get(reverse("admin:core_verificationrun_verify_all")).status_code == 403


def test_the_houses_entries_are_listed(house: House, boss: Client) -> None:
    text = text_of(boss, "/admin/credits/houseentry/")
    assert "absorbed" in text.lower()
    assert "$0.000000005" in text
    assert shown(boss, "/admin/credits/houseentry/", q=house.account.public_id) == ["entry absorbed/1"]
    assert "$0.000000005" in text_of(boss, "/admin/credits/houseaccount/")
