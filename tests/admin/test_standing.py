"""The dashboard says which quiet jobs stand still, and of whom, and nothing where they keep up."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from accounts.models import Account
from core import clock
from credits.admin.standing import SEALED_LATE, unsealed_long
from credits.services.adjustments import write_off
from credits.services.sealing import seal_ledger
from credits.services.written_off import book_written_off_days
from tests import factories
from tests.actors import PASSWORD, make_operator
from tests.admin.looking import text_of
from tests.spending import adjust

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
    assert "Seals and the house keep up." in text_of(boss, "/admin/")


def test_a_day_that_the_house_has_not_booked_is_named(account: Account, boss: Client) -> None:
    at = datetime(2026, 3, 10, 12, tzinfo=UTC)
    adjust(account, -5, at)
    write_off(account_id=account.pk, amount_nanos=5, reason="Tests.", actor_id=None, source_key="tests:1", now=at)
    seal_ledger(now=clock.now())
    assert "Write-offs is not booked on the house" in text_of(boss, "/admin/")
    book_written_off_days(now=clock.now(), has_time=clock.forever)
    assert "Write-offs" not in text_of(boss, "/admin/")
