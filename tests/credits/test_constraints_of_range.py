"""An account's sums stay within 2^62 nanos whatever comes due, so that its wallet can always be read and its batches booked."""

from datetime import timedelta

import pytest

from accounts.models import Account
from core import clock
from core.money import AMOUNT_MAX_NANOS
from credits.errors import AmountOutOfRange
from credits.services.wallets import read_wallet
from tests import factories
from tests.spending import adjust

pytestmark = pytest.mark.django_db
NOW = clock.now()
HOUR_AGO = NOW - timedelta(hours=1)


@pytest.fixture
def account(db: None) -> Account:
    return factories.make_account()


def test_all_that_a_wallet_can_count_is_given_once_and_no_nano_more(account: Account) -> None:
    adjust(account, AMOUNT_MAX_NANOS)
    before = factories.books_now()
    with pytest.raises(AmountOutOfRange):
        adjust(account, 1)
    assert factories.books_now() == before


def test_what_was_spent_is_not_given_again_beyond_the_range(account: Account) -> None:
    adjust(account, AMOUNT_MAX_NANOS, HOUR_AGO)
    adjust(account, 100 - AMOUNT_MAX_NANOS, HOUR_AGO)
    with pytest.raises(AmountOutOfRange):
        factories.give(account, 1, expires_at=HOUR_AGO + timedelta(minutes=1), now=HOUR_AGO)
    assert read_wallet(account_id=account.pk, now=NOW).balance_nanos == 100


def test_grants_for_later_count_before_they_are_effective(account: Account) -> None:
    give_for_later(account, AMOUNT_MAX_NANOS - 5)
    with pytest.raises(AmountOutOfRange):
        give_for_later(account, 6)
    give_for_later(account, 5)
    view = read_wallet(account_id=account.pk, now=NOW)
    assert (view.balance_nanos, view.spent_nanos) == (0, AMOUNT_MAX_NANOS)
    assert factories.disagreements() == []


def give_for_later(account: Account, nanos: int) -> None:
    begins_at = NOW - timedelta(minutes=30)
    factories.give(account, nanos, effective_at=begins_at, expires_at=begins_at + timedelta(minutes=10), now=HOUR_AGO)


def test_an_adjustment_spends_no_more_than_can_be_counted(account: Account) -> None:
    adjust(account, -AMOUNT_MAX_NANOS)
    before = factories.books_now()
    with pytest.raises(AmountOutOfRange):
        adjust(account, -1)
    assert factories.books_now() == before
