"""An account's sums stay within 2^62 nanos whatever comes due, so that its wallet can always be read and its batches booked."""

import json
from datetime import timedelta

import pytest

from accounts.models import Account
from core import clock
from core.money import AMOUNT_MAX_NANOS
from credits.errors import AmountOutOfRange
from credits.services.wallets import read_wallet
from tests import factories
from tests.spending import adjust, price
from usage.rating import Prices
from usage.services.events import IngestAnswer
from usage.services.ingest import ingest

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


def send(*calls: tuple[Account, str, int]) -> IngestAnswer:
    """One batch of calls at a nano a token."""
    price("nano", Prices(10**6, 0, 0, 0, 0, 0, 0, 0, 10_000))
    factories.forget_memories()
    events = [{"account": account.public_id, "event_id": name, "model": "nano", "input_tokens": nanos} for account, name, nanos in calls]
    return ingest(json.dumps(events).encode(), now=NOW)


def test_what_is_due_is_counted_before_a_batch_is_booked_up_to_the_bound(account: Account) -> None:
    """An expiry that falls due with a batch takes the room first: the batch's item is refused alone, and nobody else's is."""
    other = factories.make_account()
    factories.give(account, AMOUNT_MAX_NANOS - 5, expires_at=HOUR_AGO + timedelta(minutes=1), now=HOUR_AGO)
    answer = send((account, "too-much", 6), (other, "an-innocent-one", 6), (account, "just-enough", 5))
    assert [(refusal.event_id, refusal.code) for refusal in answer.rejected] == [("too-much", "spent_out_of_range")]
    assert read_wallet(account_id=account.pk, now=NOW).spent_nanos == AMOUNT_MAX_NANOS
    assert factories.disagreements() == []


def test_usage_beside_a_lapsing_grant_leaves_room_for_its_expiry(account: Account) -> None:
    ended_at = NOW - timedelta(minutes=5)
    factories.give(account, AMOUNT_MAX_NANOS - 5, expires_at=ended_at, now=HOUR_AGO)
    answer = send((account, "too-much", 6), (account, "just-enough", 5))
    assert [refusal.event_id for refusal in answer.rejected] == ["too-much"]
    assert read_wallet(account_id=account.pk, now=NOW + timedelta(hours=1)).spent_nanos == AMOUNT_MAX_NANOS
    assert factories.disagreements() == []
