"""Refunds beside each other and beside everything that moves the same event, wallet and roll-ups. Real threads."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial

import pytest

from accounts.models import Account
from core import clock
from core.errors import BillingError
from credits.models import LedgerEntry, Wallet
from credits.services import trials
from credits.services.adjustments import write_off
from credits.services.wallets import read_wallet, sweep_due_wallets
from tests import factories
from tests.concurrency.test_spending import ONE_NANO, assert_exact, assert_nothing_failed, assert_silent, call, report
from tests.spending import OPERATOR, adjust, price, refund
from tests.threads import at_once, failures, successes
from usage.models import UsageDay, UsageEvent
from usage.services.counting import count_account
from usage.services.refunds import event_locked

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def nano_price(transactional_db: None) -> None:
    price("nano", ONE_NANO, since=clock.now() - timedelta(days=80))


@pytest.fixture
def account(nano_price: None) -> Iterator[Account]:
    yield factories.make_account()
    assert_silent()


def codes(outcomes: list[object]) -> set[str]:
    return {error.stable_code if isinstance(error, BillingError) else repr(error) for error in failures(outcomes)}


def given_back(account: Account) -> int:
    return sum(LedgerEntry.objects.filter(account=account, kind="usage_refund").values_list("amount_nanos", flat=True))


def test_eight_refunds_of_one_event_never_give_back_more_than_it_charged(account: Account) -> None:
    adjust(account, 60)
    report([call(account, "one", 100), call(account, "two", 7)])
    acts = [partial(refund, account, "one", 9 if number % 4 else None, key=f"back-{number}") for number in range(8)]
    outcomes: list[object] = list(at_once(*acts))
    assert codes(outcomes) <= {"nothing_to_refund", "more_than_was_taken"}
    assert given_back(account) == UsageEvent.objects.get(event_id="one").refunded_nanos == 100
    assert_exact(account, 60 - 7)


def test_eight_refunds_by_one_key_are_one(account: Account) -> None:
    adjust(account, 100)
    report([call(account, "one", 40)])
    outcomes = at_once(*[partial(refund, account, "one", 10, key="back")] * 8)
    assert_nothing_failed(list(outcomes))
    assert sum(not done.given.is_repeat for done in successes(outcomes)) == 1
    assert len({done.given.entry.pk for done in successes(outcomes)}) == 1
    assert_exact(account, 70)


def test_refunds_beside_batches_of_the_same_rows_and_the_same_events(account: Account) -> None:
    adjust(account, 10_000)
    known = [call(account, f"known-{number}", 3) for number in range(20)]
    report(known)

    def send(thread: int) -> None:
        for number in range(10):
            report([*known[::-1], *(call(account, f"{thread}-{number}-{n}", 2) for n in range(3))])

    def give_back(thread: int) -> None:
        for number in range(thread, 20, 4):
            refund(account, f"known-{number}", None if number % 2 else 1)

    outcomes = at_once(*(partial(send, thread) for thread in range(4)), *(partial(give_back, thread) for thread in range(4)))
    assert_nothing_failed(list(outcomes))
    assert_exact(account, 10_000 - 20 * 3 - 4 * 10 * 3 * 2 + 10 * 3 + 10)
    count_account(account.pk)
    assert dict(UsageDay.objects.values_list("status", "events")) == {"success": 10 + 120, "refunded": 10}


def test_refunds_beside_write_offs_share_the_debt(account: Account) -> None:
    report([call(account, "one", 100)])

    def forgive(number: int) -> None:
        write_off(account_id=account.pk, amount_nanos=11, reason="T.", actor_id=OPERATOR, source_key=f"w-{number}", now=clock.now())

    acts: list[Callable[[], object]] = [partial(forgive, number) for number in range(6)]
    acts += [partial(refund, account, "one", 13, key=f"back-{number}") for number in range(6)]
    outcomes = at_once(*acts)
    assert codes(list(outcomes)) <= {"nothing_to_refund", "more_than_was_taken", "more_than_the_debt"}
    wallet = Wallet.objects.get(pk=account.pk)
    forgiven = sum(LedgerEntry.objects.filter(account=account, kind="write_off").values_list("amount_nanos", flat=True))
    assert (wallet.debt_nanos, wallet.balance_nanos) == (100 - forgiven - given_back(account), -100 + forgiven + given_back(account))
    assert UsageEvent.objects.get().refunded_nanos == given_back(account) > 0


def test_refunds_beside_expiry_go_into_the_grant_or_into_its_compensation(account: Account) -> None:
    begin = clock.now() - timedelta(hours=2)
    factories.give(account, 500, expires_at=begin + timedelta(minutes=30), now=begin)
    report([call(account, f"call-{number}", 20, occurred_at=begin.isoformat()) for number in range(12)], begin)
    instants = [begin + timedelta(minutes=10 * number) for number in range(12)]

    def look(number: int) -> None:
        for now in instants[number::3]:
            read_wallet(account_id=account.pk, now=now)
            sweep_due_wallets(now=now)

    def give_back(thread: int) -> None:
        for number in range(thread, 12, 4):
            refund(account, f"call-{number}", now=instants[number])

    outcomes = at_once(*(partial(look, number) for number in range(3)), *(partial(give_back, thread) for thread in range(4)))
    assert_nothing_failed(list(outcomes))
    assert given_back(account) == 240
    assert dict(UsageDay.objects.values_list("status", "events")) == {"refunded": 12}


def test_a_dialog_that_looks_at_the_wallet_around_its_refund_never_deadlocks_with_another_refund(account: Account) -> None:
    adjust(account, 1_000)
    report([call(account, "one", 200)])
    barrier = threading.Barrier(4)

    def by_dialog(thread: int) -> None:
        for number in range(10):
            barrier.wait(timeout=60)
            key, now = f"dialog-{thread}-{number}", clock.now()
            with event_locked(account_id=account.pk, event_id="one"):
                trials.do(lambda key=key, now=now: refund(account, "one", 1, key=key, now=now), account_id=account.pk, now=now)  # type: ignore[misc]

    def by_key(thread: int) -> None:
        for number in range(10):
            barrier.wait(timeout=60)
            refund(account, "one", 1, key=f"key-{thread}-{number}")

    outcomes = at_once(*(partial(act, thread) for thread in range(2) for act in (by_dialog, by_key)))
    assert_nothing_failed(list(outcomes))
    assert_exact(account, 1_000 - 200 + 40)
