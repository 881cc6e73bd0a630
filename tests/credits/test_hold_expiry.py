"""Holds that end by their time: all at once, by whoever looks first, and their limits with them."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Account
from core import clock
from core.errors import Unaffordable
from core.models import AuditRecord
from credits.models import Duration, Hold, Strategy, Wallet
from credits.services.holds import HoldTerms, open_hold, void_hold
from credits.services.limits import LimitTerms, read_limit, set_limit
from credits.services.wallets import read_wallet, sweep_due_wallets
from tests import factories
from tests.spending import OPERATOR

pytestmark = pytest.mark.django_db
NOW = clock.now()
MINUTE = timedelta(minutes=1)


@pytest.fixture
def account(db: None) -> Account:
    made = factories.make_account()
    factories.give(made, 1_000, now=NOW)
    return made


def hold(account: Account, nanos: int, lasts: timedelta = MINUTE, after: timedelta = timedelta()) -> str:
    found, *_ = open_hold(account_id=account.pk, terms=HoldTerms(nanos, lasts), now=NOW + after)
    return found.public_id


def test_a_hold_keeps_until_its_end_and_not_a_microsecond_longer(account: Account) -> None:
    hold(account, 400)
    assert read_wallet(account_id=account.pk, now=NOW + MINUTE - timedelta(microseconds=1)).reserved_nanos == 400
    assert read_wallet(account_id=account.pk, now=NOW + MINUTE).reserved_nanos == 0
    assert Hold.objects.get().status == "expired"
    assert factories.disagreements() == []


def test_an_expired_hold_that_is_voided_stays_expired(account: Account) -> None:
    name = hold(account, 400)
    view, left = void_hold(account_id=account.pk, public_id=name, now=NOW + MINUTE)
    assert (view.status, left.available_nanos, left.reserved_nanos) == ("expired", 1_000, 0)


def test_an_operators_void_leaves_an_audit_row_only_where_it_freed_something(account: Account) -> None:
    name, ended = hold(account, 400, 2 * MINUTE), hold(account, 100)
    for public_id in (ended, name, name):
        void_hold(account_id=account.pk, public_id=public_id, now=NOW + MINUTE, actor_id=OPERATOR, reason="A call that never came.")
    record = AuditRecord.objects.get()
    assert (record.act, record.object_type, record.object_id, record.reason) == ("void_hold", "hold", name, "A call that never came.")
    assert (record.before, record.after["status"]) == ({"available_usd": "0.0000006"}, "voided")


def test_the_sweep_ends_holds_that_nobody_asks_for(account: Account) -> None:
    hold(account, 400)
    assert sweep_due_wallets(now=NOW + MINUTE) == 1
    wallet = Wallet.objects.get(pk=account.pk)
    assert (wallet.reserved_nanos, wallet.next_change_at) == (0, None)


def test_hundreds_of_holds_end_by_as_many_statements_as_one(account: Account) -> None:
    hold(account, 1)
    with CaptureQueriesContext(connection) as one:
        read_wallet(account_id=account.pk, now=NOW + MINUTE)
    for _ in range(300):
        hold(account, 1, after=MINUTE)
    hold(account, 1, lasts=5 * MINUTE, after=MINUTE)
    with CaptureQueriesContext(connection) as many:
        view = read_wallet(account_id=account.pk, now=NOW + 2 * MINUTE)
    assert len(many) == len(one)
    assert (view.reserved_nanos, Hold.objects.filter(status="expired").count()) == (1, 301)
    assert factories.disagreements() == []


def test_a_hold_that_ends_counts_against_no_limit_any_more(account: Account) -> None:
    terms = LimitTerms(500, Duration.DAILY, Strategy.SLIDING)
    set_limit(account_id=account.pk, terms=terms, actor_id=None, reason="Tests.", now=NOW)
    hold(account, 400)
    before = factories.books_now()
    with pytest.raises(Unaffordable) as refused:
        hold(account, 101)
    assert refused.value.stable_code == "spending_limit_reached"
    assert factories.books_now() == before
    limit = read_limit(account_id=account.pk, api_key_id=None, now=NOW + MINUTE)
    assert limit is not None
    assert limit.used_nanos == 0
    hold(account, 500, after=MINUTE)
    assert factories.disagreements() == []


def test_what_expires_before_the_hold_ends_is_not_promised_to_it(account: Account) -> None:
    factories.give(account, 50, expires_at=NOW + 10 * MINUTE, now=NOW)
    before = factories.books_now()
    with pytest.raises(Unaffordable):
        hold(account, 1_001, lasts=21 * MINUTE)
    assert factories.books_now() == before
    hold(account, 1_001, lasts=20 * MINUTE)
