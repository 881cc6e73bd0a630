"""The dashboard says which quiet jobs stand still, and of whom, and nothing where they keep up."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from accounts.models import Account
from billing_platform.console.dashboard import reports_behind
from core import clock
from credits.admin.standing import SEALED_LATE, unsealed_long
from credits.models import RevenueMark
from credits.services.adjustments import write_off
from credits.services.sealing import seal_ledger
from credits.services.written_off import book_written_off_days
from tests import factories
from tests.actors import PASSWORD, make_operator
from tests.admin.looking import text_of
from tests.spending import adjust, price, report
from usage.models import FoldMark, UsageQuarter
from usage.selectors import uncounted_long
from usage.selectors.standing import COUNTED_LATE
from usage.services.counting import count_waiting

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> Account:
    return factories.make_account()


@pytest.fixture
def boss(client: Client) -> Client:
    assert client.login(username=make_operator().email, password=PASSWORD)
    return client


def waiting(now: datetime) -> list[tuple[int, int]]:
    return [(entry.account_id, entry.seq) for entry in unsealed_long(now, 5)]


def test_an_entry_that_waits_for_its_seal_too_long_is_named(account: Account, boss: Client) -> None:
    now, other = clock.now(), factories.make_account()
    adjust(account, 5, now - timedelta(hours=2))
    seal_ledger(now=now - timedelta(hours=2))
    assert waiting(now) == []
    adjust(account, 6, now - SEALED_LATE)
    adjust(account, 7, now)
    adjust(other, 7, now)
    assert waiting(now) == []
    assert waiting(now + timedelta(microseconds=1)) == [(account.pk, 2)]
    assert waiting(now + timedelta(hours=1)) == [(account.pk, 2), (other.pk, 1)]
    assert "entry 2 is in no seal" in text_of(boss, "/admin/")
    seal_ledger(now=now)
    assert waiting(now + timedelta(hours=1)) == []
    assert "Seals, the house and the reports keep up." in text_of(boss, "/admin/")


def test_a_day_that_the_house_has_not_booked_is_named(account: Account, boss: Client) -> None:
    at = datetime(2026, 3, 10, 12, tzinfo=UTC)
    adjust(account, -5, at)
    write_off(account_id=account.pk, amount_nanos=5, reason="Tests.", actor_id=None, source_key="tests:1", now=at)
    seal_ledger(now=clock.now())
    assert "Write-offs is not booked on the house" in text_of(boss, "/admin/")
    book_written_off_days(now=clock.now(), has_time=clock.forever)
    assert "Write-offs" not in text_of(boss, "/admin/")


def test_usage_that_waits_too_long_to_be_counted_is_told(account: Account, boss: Client) -> None:
    now = clock.now()
    price(since=now - timedelta(days=1))
    report(account, "early", now=now - COUNTED_LATE)
    assert uncounted_long(now) is None
    assert uncounted_long(now + timedelta(microseconds=1)) == now - COUNTED_LATE
    assert "Counting usage is booked and not counted" in text_of(boss, "/admin/")
    count_waiting(has_time=clock.forever)
    assert "Counting usage" not in text_of(boss, "/admin/")


def test_reports_over_all_accounts_that_are_not_folded_are_told(boss: Client) -> None:
    now = clock.now()
    assert reports_behind(now) == []
    FoldMark.objects.create(pk=FoldMark.ONE, counted_at=now - timedelta(hours=1))
    RevenueMark.objects.create(pk=1, through_on=now.date() - timedelta(days=2))
    assert reports_behind(now) == []
    FoldMark.objects.update(counted_at=now - timedelta(hours=1, seconds=1))
    RevenueMark.objects.update(through_on=now.date() - timedelta(days=3))
    assert [job for job, *_ in reports_behind(now)] == ["Usage of all accounts", "Revenue"]
    FoldMark.objects.update(counted_at=now, differing=3)
    assert "3 accounts' roll-ups differ: run rebuild_rollups" in text_of(boss, "/admin/")


def test_the_last_hours_of_one_account_are_counted_when_they_are_looked_at(account: Account, boss: Client) -> None:
    price()
    report(account, "one", "two")
    text = text_of(boss, f"/admin/analytics/?period=24h&account={account.public_id}")
    assert UsageQuarter.objects.get(account=account).events == 2
    assert "Usage is folded up to" in text
