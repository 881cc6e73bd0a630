"""What a capture costs beyond its hold: the customer's debt, or the operator's to bear; booked by each of the three ways."""

import json
from dataclasses import dataclass
from datetime import timedelta

import pytest

from accounts.models import Account
from core import clock
from credits.models import HouseEntry, Policy, Wallet
from credits.services.holds import HoldTerms, open_hold
from credits.services.policies import set_policy
from credits.services.wallets import read_wallet
from tests import factories
from tests.spending import price
from usage.models import UsageEvent
from usage.rating import Prices
from usage.services.absorbed import book_absorbed_days
from usage.services.captures import CaptureRequest, capture
from usage.services.ingest import ingest

pytestmark = pytest.mark.django_db
NOW = clock.now()
ONE_NANO = Prices(10**6, 0, 0, 0, 0, request=0, image=0, second=0, multiplier_bp=10_000)


@dataclass(frozen=True)
class Case:
    """Credits, what other holds keep, this hold, what its call cost; and what the customer must then be charged."""

    policy: Policy
    credits: int
    others: int
    held: int
    cost: int
    charged: int


CASES = {
    "within the hold": Case(Policy.DEBT, 100, 0, 40, 30, 30),
    "beyond it, and available": Case(Policy.DEBT, 100, 0, 40, 90, 90),
    "beyond all there is": Case(Policy.DEBT, 100, 0, 40, 140, 140),
    "into what others hold": Case(Policy.DEBT, 100, 60, 40, 90, 90),
    "absorbing: within the hold": Case(Policy.ABSORB, 100, 0, 40, 30, 30),
    "absorbing: beyond it, and available": Case(Policy.ABSORB, 100, 0, 40, 90, 90),
    "absorbing: beyond all there is": Case(Policy.ABSORB, 100, 0, 40, 140, 100),
    "absorbing: what others hold is not taken": Case(Policy.ABSORB, 100, 50, 40, 90, 50),
    "absorbing: all of the rest is held": Case(Policy.ABSORB, 100, 60, 40, 90, 40),
    "absorbing: a call that cost nothing": Case(Policy.ABSORB, 100, 60, 40, 0, 0),
}
WAYS = ("capture", "event", "lapsing")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", CASES)
def test_an_excess_is_borne_by_whom_the_policy_names(name: str, way: str) -> None:
    case = CASES[name]
    account = an_account(case, is_lapsing=way == "lapsing")
    lasts = timedelta(minutes=5)
    if case.others:
        open_hold(account_id=account.pk, terms=HoldTerms(case.others, lasts), now=NOW)
    hold, *_ = open_hold(account_id=account.pk, terms=HoldTerms(case.held, lasts), now=NOW)
    # The third way: between opening and capture a grant has begun to lapse, which takes the rules in memory.
    now = NOW + timedelta(minutes=2) if way == "lapsing" else NOW
    factories.end_of_transaction()
    if way == "event":
        said = factories.event(account, "call", model="nano", input_tokens=case.cost, hold=hold.public_id)
        assert ingest(json.dumps([said]).encode(), now=now).accepted == 1
    else:
        asked = CaptureRequest(account=account.public_id, event_id="call", model="nano", input_tokens=case.cost)
        capture(asked, hold=hold.public_id, now=now)
    event = UsageEvent.objects.get(account=account)
    assert (event.charged_nanos, event.absorbed_nanos, event.flag) == (case.charged, case.cost - case.charged, None)
    wallet = Wallet.objects.get(pk=account.pk)
    assert (wallet.debt_nanos, wallet.reserved_nanos) == (max(0, case.charged - case.credits), case.others)
    assert wallet.balance_nanos == case.credits - case.charged
    assert factories.disagreements() == []


def an_account(case: Case, *, is_lapsing: bool) -> Account:
    """One with these credits; a few of them in a grant that ends in a minute, where some are to lapse."""
    price("nano", ONE_NANO, since=NOW - timedelta(days=80))
    account = factories.make_account()
    if is_lapsing:
        factories.give(account, 7, expires_at=NOW + timedelta(minutes=1), now=NOW)
    factories.give(account, case.credits - (7 if is_lapsing else 0), now=NOW)
    set_policy(account_id=account.pk, policy=case.policy, reason="Tests.", actor_id=None, now=NOW)
    return account


def test_what_was_absorbed_is_booked_on_the_house_the_day_after() -> None:
    account = an_account(Case(Policy.ABSORB, 100, 0, 40, 140, 100), is_lapsing=False)
    hold, *_ = open_hold(account_id=account.pk, terms=HoldTerms(40, timedelta(minutes=5)), now=NOW)
    asked = CaptureRequest(account=account.public_id, event_id="call", model="nano", input_tokens=140)
    capture(asked, hold=hold.public_id, now=NOW)
    assert book_absorbed_days(now=NOW + timedelta(days=2), has_time=clock.forever) == 1
    entry = HouseEntry.objects.get()
    assert (entry.account_id, entry.amount_nanos, entry.occurred_on) == (account.pk, 40, NOW.date())
    assert read_wallet(account_id=account.pk, now=NOW).balance_nanos == 0
    assert factories.disagreements() == []
