"""Real threads that ask for, capture and void the same credits at once: never more reserved than there is, never settled twice."""

import json
from datetime import timedelta
from functools import partial

import pytest

from accounts.models import Account
from billing_platform.verification import verify_ledger
from core import clock
from core.errors import BillingError
from credits.errors import HeldByOtherRequests, HoldAlreadyCaptured, HoldVoided
from credits.models import Hold, HoldStatus, LedgerEntry, Wallet
from credits.services.holds import HoldTerms, HoldView, open_hold, void_hold
from credits.services.wallets import sweep_due_wallets
from tests import factories
from tests.spending import price
from tests.threads import at_once, failures, successes
from usage.models import UsageEvent
from usage.rating import Prices
from usage.services.captures import Captured, CaptureRequest, capture
from usage.services.events import IngestAnswer
from usage.services.ingest import ingest

pytestmark = pytest.mark.django_db(transaction=True)
USD = 10**9
ONE_NANO = Prices(10**6, 0, 0, 0, 0, request=0, image=0, second=0, multiplier_bp=10_000)


@pytest.fixture
def account(transactional_db: None) -> Account:
    price("nano", ONE_NANO, since=clock.now() - timedelta(days=80))
    made = factories.make_account()
    factories.give(made, USD)
    return made


def hold(account: Account, nanos: int, key: str | None = None, seconds: int = 600) -> HoldView:
    lasts = timedelta(seconds=seconds)
    found, *_ = open_hold(account_id=account.pk, terms=HoldTerms(nanos, lasts, hold_key=key), now=clock.now())
    return found


def settle(account: Account, held: HoldView, event_id: str, nanos: int) -> Captured:
    asked = CaptureRequest(account=account.public_id, event_id=event_id, model="nano", input_tokens=nanos)
    return capture(asked, hold=held.public_id, now=clock.now())


def report(account: Account, held: HoldView, event_id: str, nanos: int) -> IngestAnswer:
    said = factories.event(account, event_id, model="nano", input_tokens=nanos, hold=held.public_id)
    return ingest(json.dumps([said]).encode(), now=clock.now())


def assert_proven() -> None:
    assert verify_ledger(now=clock.now()).discrepancies == []


def test_fifty_holds_at_once_on_a_dollar_never_reserve_more_than_it(account: Account) -> None:
    outcomes = at_once(*[partial(hold, account, 30_000_000)] * 50)
    assert len(successes(outcomes)) == 33
    assert {type(error) for error in failures(outcomes)} == {HeldByOtherRequests}
    assert Wallet.objects.get(pk=account.pk).reserved_nanos == 990_000_000
    assert_proven()


def test_one_hold_key_asked_for_twenty_times_at_once_is_one_hold(account: Account) -> None:
    outcomes = at_once(*[partial(hold, account, 30_000_000, "call")] * 20)
    assert failures(outcomes) == []
    assert len({found.public_id for found in successes(outcomes)}) == Hold.objects.count() == 1
    assert_proven()


def test_fifty_captures_of_one_hold_at_once_settle_once(account: Account) -> None:
    held = hold(account, USD // 2)
    outcomes = at_once(*[partial(settle, account, held, "call", 400_000_000)] * 50)
    assert failures(outcomes) == []
    done = successes(outcomes)
    assert (sum(not one.is_repeat for one in done), {one.charged_nanos for one in done}) == (1, {400_000_000})
    assert factories.balance_of(account) == 600_000_000
    assert_proven()


def test_fifty_calls_that_claim_one_hold_at_once_settle_it_once(account: Account) -> None:
    held = hold(account, USD // 2)
    outcomes = at_once(*[partial(settle, account, held, f"call-{number}", 400_000_000) for number in range(50)])
    assert len(successes(outcomes)) == 1
    assert {type(error) for error in failures(outcomes)} == {HoldAlreadyCaptured}
    assert UsageEvent.objects.count() == 1
    assert factories.balance_of(account) == 600_000_000
    assert_proven()


@pytest.mark.parametrize("round_", range(10))
def test_a_capture_and_the_event_of_one_hold_at_once_charge_once(account: Account, round_: int) -> None:
    held = hold(account, USD // 2)
    outcomes = at_once(
        *[partial(settle, account, held, "call", 400_000_000)] * 4,
        *[partial(report, account, held, "call", 400_000_000)] * 4,
    )
    assert failures(outcomes) == []
    reports = [one for one in successes(outcomes) if isinstance(one, IngestAnswer)]
    captures = [one for one in successes(outcomes) if isinstance(one, Captured)]
    assert sum(one.accepted for one in reports) + sum(not one.is_repeat for one in captures) == 1
    assert sum(one.duplicates for one in reports) == 4 - sum(one.accepted for one in reports)
    assert factories.balance_of(account) == 600_000_000
    assert_proven()


@pytest.mark.parametrize("round_", range(10))
def test_of_a_capture_and_a_void_at_once_one_wins(account: Account, round_: int) -> None:
    held = hold(account, USD // 2)
    outcomes = at_once(
        *[partial(settle, account, held, "call", 400_000_000)] * 2,
        *[partial(void_hold, account_id=account.pk, public_id=held.public_id, now=clock.now())] * 2,
    )
    refused = {type(error) for error in failures(outcomes)}
    status = Hold.objects.get().status
    assert refused == ({HoldVoided} if status == HoldStatus.VOIDED else {HoldAlreadyCaptured})
    assert factories.balance_of(account) == (USD if status == HoldStatus.VOIDED else 600_000_000)
    assert_proven()


@pytest.mark.parametrize("round_", range(5))
def test_a_hold_that_ends_while_it_is_captured_is_settled_or_late_and_charged_once(account: Account, round_: int) -> None:
    held = hold(account, USD // 2, seconds=1)
    ended = held.expires_at + timedelta(seconds=1)
    asked = CaptureRequest(account=account.public_id, event_id="call", model="nano", input_tokens=400_000_000)
    outcomes = at_once(
        partial(capture, asked, hold=held.public_id, now=held.opened_at),
        partial(sweep_due_wallets, now=ended),
        partial(capture, asked, hold=held.public_id, now=ended),
    )
    assert failures(outcomes) == []
    event, found = UsageEvent.objects.get(), Hold.objects.get()
    assert (event.flag, found.status) in {(None, HoldStatus.CAPTURED), ("late", HoldStatus.EXPIRED)}
    assert LedgerEntry.objects.filter(account=account, kind="usage").count() == 1
    assert factories.balance_of(account) == 600_000_000
    assert_proven()


def test_holds_and_spending_at_once_never_promise_what_is_spent(account: Account) -> None:
    def spend(number: int) -> IngestAnswer:
        said = factories.event(account, f"call-{number}", model="nano", input_tokens=50_000_000)
        return ingest(json.dumps([said]).encode(), now=clock.now())

    outcomes = at_once(*[partial(hold, account, 50_000_000)] * 15, *[partial(spend, number) for number in range(10)])
    assert [error for error in failures(outcomes) if not isinstance(error, BillingError)] == []
    wallet = Wallet.objects.get(pk=account.pk)
    assert (wallet.balance_nanos, wallet.debt_nanos) == (500_000_000, 0)
    # Usage is always booked; what was held before it came may now be more than is left, what was held after it is not.
    assert wallet.reserved_nanos == 50_000_000 * len([one for one in successes(outcomes) if isinstance(one, HoldView)])
    assert_proven()
