"""Real threads, each with its own connection, spending the same credits at once: exact sums, no gap in seq, no deadlock."""

import json
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from itertools import count

import pytest
from django.db import Error

from accounts.models import Account
from billing_platform.verification import verify_ledger
from core import clock
from core.api.exception_handler import DEADLOCK_DETECTED
from core.database import sqlstate
from credits.models import Grant, LedgerEntry, Wallet
from credits.services.wallets import read_wallet, sweep_due_wallets
from tests import factories
from tests.factories import Event, event
from tests.spending import adjust, price
from tests.threads import at_once, failures, successes
from usage.models import UsageEvent
from usage.rating import Prices
from usage.services.counting import count_waiting
from usage.services.events import IngestAnswer
from usage.services.ingest import ingest

pytestmark = pytest.mark.django_db(transaction=True)
ONE_NANO = Prices(10**6, 0, 0, 0, 0, request=0, image=0, second=0, multiplier_bp=10_000)
Outcomes = list[IngestAnswer | Exception]


@pytest.fixture(autouse=True)
def nano_price(transactional_db: None) -> None:
    price("nano", ONE_NANO, since=clock.now() - timedelta(days=80))


def call(account: Account, event_id: str, nanos: int = 1, **said: object) -> Event:
    return event(account, event_id, model="nano", input_tokens=nanos, **said)


def report(events: list[Event], now: datetime | None = None) -> IngestAnswer:
    return ingest(json.dumps(events).encode(), now=now or clock.now())


def assert_nothing_failed(outcomes: list[object]) -> None:
    """No exception at all; a deadlock is named first, since it is what one looks for."""
    found = failures(outcomes)
    assert [error for error in found if isinstance(error, Error) and sqlstate(error) == DEADLOCK_DETECTED] == []
    assert found == []


def assert_exact(account: Account, balance: int) -> None:
    """The wallet's balance, and seq 1…n without a hole, adding up to it."""
    entries = list(LedgerEntry.objects.filter(account=account).order_by("seq").values_list("seq", "amount_nanos"))
    wallet = Wallet.objects.get(pk=account.pk)
    assert [seq for seq, _ in entries] == list(range(1, wallet.next_seq))
    assert (wallet.balance_nanos, sum(amount for _, amount in entries)) == (balance, balance)


def assert_silent() -> None:
    """The books prove themselves as they are, and again when everything that waits is counted."""
    assert verify_ledger(now=clock.now()).discrepancies == []
    count_waiting(has_time=lambda: True)
    assert verify_ledger(now=clock.now()).discrepancies == []


def in_step(rounds: int, *acts: Callable[[int], object]) -> list[object]:
    """Each act in a thread of its own, `rounds` times, every round begun together; the first exception ends them all."""
    barrier = threading.Barrier(len(acts))

    def run(act: Callable[[int], object]) -> None:
        try:
            for number in range(rounds):
                barrier.wait(timeout=60)
                act(number)
        except BaseException:
            barrier.abort()
            raise

    outcomes: list[object] = list(at_once(*(partial(run, act) for act in acts)))
    return [outcome for outcome in outcomes if not isinstance(outcome, threading.BrokenBarrierError)]


def test_32_threads_spend_one_account_exactly() -> None:
    account = factories.make_account()
    given = [700, 500, 50, 400]
    for number, amount in enumerate(given):
        factories.give(account, amount, priority=number)
    batches = [[[call(account, f"{thread}-{batch}-{n}") for n in range(6)] for batch in range(8)] for thread in range(32)]

    def spend(thread: int) -> int:
        return sum(report(batch).accepted for batch in batches[thread])

    outcomes = at_once(*(partial(spend, thread) for thread in range(32)))
    assert_nothing_failed(list(outcomes))
    assert successes(outcomes) == [48] * 32
    assert_exact(account, sum(given) - 32 * 48)
    assert_silent()


def test_32_threads_spend_more_than_there_is_exactly() -> None:
    account = factories.make_account()
    adjust(account, 100)
    outcomes = at_once(*(partial(report, [call(account, f"call-{thread}", 7)]) for thread in range(32)))
    assert_nothing_failed(list(outcomes))
    assert_exact(account, 100 - 32 * 7)
    assert Wallet.objects.get(pk=account.pk).debt_nanos == 32 * 7 - 100
    assert_silent()


def test_the_same_events_in_opposite_orders_a_hundred_times_never_deadlock() -> None:
    accounts = [factories.make_account() for _ in range(4)]
    rounds = [[call(account, f"{number}-{n}") for n in range(8) for account in accounts] for number in range(100)]
    told: list[IngestAnswer] = []
    outcomes = in_step(
        100,
        lambda number: told.append(report(rounds[number])),
        lambda number: told.append(report(rounds[number][::-1])),
    )
    assert_nothing_failed(outcomes)
    assert (sum(it.accepted for it in told), sum(it.duplicates for it in told)) == (3_200, 3_200)
    for account in accounts:
        assert_exact(account, -800)
    assert_silent()


def test_other_events_of_the_same_accounts_in_opposite_orders_never_deadlock() -> None:
    accounts = [factories.make_account() for _ in range(6)]
    for account in accounts:
        adjust(account, 150)

    def spend(thread: int, number: int) -> None:
        order = accounts if thread % 2 else accounts[::-1]
        assert report([call(account, f"{thread}-{number}") for account in order]).accepted == 6

    outcomes = in_step(50, *(partial(spend, thread) for thread in range(4)))
    assert_nothing_failed(outcomes)
    for account in accounts:
        assert_exact(account, 150 - 200)
    assert_silent()


def test_the_same_batch_eight_times_at_once_is_booked_once() -> None:
    account = factories.make_account()
    adjust(account, 10_000)
    batch = [call(account, f"call-{n}", n) for n in range(200)]
    outcomes = at_once(*[partial(report, batch)] * 8)
    assert_nothing_failed(list(outcomes))
    told = successes(outcomes)
    assert (sum(it.accepted for it in told), sum(it.duplicates for it in told)) == (200, 7 * 200)
    assert UsageEvent.objects.count() == 200
    assert_exact(account, 10_000 - sum(range(200)))
    assert_silent()


def test_the_same_id_with_other_content_at_once_has_one_winner() -> None:
    account = factories.make_account()
    outcomes = at_once(*(partial(report, [call(account, "same", nanos)]) for nanos in range(1, 9)))
    assert_nothing_failed(list(outcomes))
    told = successes(outcomes)
    assert sum(it.accepted for it in told) == 1
    assert [refused.code for it in told for refused in it.rejected] == ["event_id_conflict"] * 7
    assert_exact(account, -UsageEvent.objects.get().charged_nanos)


def test_usage_and_adjustments_of_one_account_at_once_add_up() -> None:
    account, other = factories.make_account(), factories.make_account()
    numbers = count()

    def spend(number: int) -> None:
        report([call(who, f"{next(numbers)}-{number}", 3) for who in (account, other)])

    def correct(amount: int, _number: int) -> None:
        adjust(account, amount)

    outcomes = in_step(20, *[spend] * 6, *(partial(correct, amount) for amount in (40, -11, 25, -60)))
    assert_nothing_failed(outcomes)
    assert_exact(account, 20 * (40 - 11 + 25 - 60) - 20 * 6 * 3)
    assert_exact(other, -20 * 6 * 3)
    assert_silent()


def seconds_of(begin: datetime, length: int) -> Iterator[datetime]:
    """Every instant at which somebody acts, twenty seconds apart."""
    return (begin + timedelta(seconds=20 * number) for number in range(length))


def test_usage_beside_grants_that_begin_and_end_books_each_change_once() -> None:
    """Thirteen minutes of the wallets' clocks: grants begin, lapse and expire while gateways report, clients read and a worker sweeps."""
    accounts = [factories.make_account() for _ in range(3)]
    begin = clock.now() - timedelta(days=1)
    for account in accounts:
        for number in range(12):
            at = begin + timedelta(seconds=40 * number + account.pk % 7)
            ends_at = at + timedelta(seconds=90) if number % 3 else None
            factories.give(account, 30, effective_at=at, expires_at=ends_at, now=begin - timedelta(minutes=1))
    instants = list(seconds_of(begin, 60))

    def spend(thread: int, number: int) -> None:
        now = instants[number]
        started_at = (now - timedelta(seconds=30 * thread)).isoformat()
        order = accounts if thread % 2 else accounts[::-1]
        report([call(account, f"{thread}-{number}", 2, occurred_at=started_at) for account in order], now)

    def read(number: int) -> None:
        for account in accounts:
            read_wallet(account_id=account.pk, now=instants[number])

    def sweep(number: int) -> None:
        sweep_due_wallets(now=instants[number])

    outcomes = in_step(60, *(partial(spend, thread) for thread in range(3)), read, read, sweep)
    assert_nothing_failed(outcomes)
    sweep_due_wallets(now=clock.now())
    assert Grant.objects.filter(booked_at=None).count() == 0
    keys = LedgerEntry.objects.exclude(kind="usage").values_list("source_key", flat=True)
    assert len(set(keys)) == len(keys) >= 3 * 12
    assert UsageEvent.objects.count() == 3 * 60 * 3
    assert_silent()


def test_sixteen_readers_of_a_due_wallet_book_its_changes_once() -> None:
    account = factories.make_account()
    begin = clock.now() - timedelta(days=2)
    for number in range(5):
        at = begin + timedelta(minutes=number)
        factories.give(account, 10, effective_at=at, expires_at=at + timedelta(hours=1), now=begin - timedelta(days=1))
    factories.give(account, 7, effective_at=begin, now=begin - timedelta(days=1))
    outcomes = at_once(*[partial(read_wallet, account_id=account.pk, now=clock.now())] * 16)
    assert_nothing_failed(list(outcomes))
    assert {view.balance_nanos for view in successes(outcomes)} == {7}
    assert LedgerEntry.objects.filter(kind="expiry").count() == 5
    assert_exact(account, 7)
    assert_silent()


def test_verification_beside_spending_raises_no_false_alarm() -> None:
    accounts = [factories.make_account() for _ in range(3)]
    for account in accounts:
        adjust(account, 1_000)
    finished = threading.Event()
    alarms: list[object] = []

    def spend(thread: int) -> None:
        try:
            for number in range(60):
                report([call(account, f"{thread}-{number}-{n}") for account in accounts for n in range(3)])
        finally:
            finished.set()

    def verify() -> int:
        runs = 0
        while not finished.is_set() or runs == 0:
            alarms.extend(verify_ledger(now=clock.now()).discrepancies)
            runs += 1
        return runs

    assert_nothing_failed(list(at_once(*(partial(spend, thread) for thread in range(4)), verify)))
    assert alarms == []
    for account in accounts:
        assert_exact(account, 1_000 - 4 * 60 * 3)
    assert_silent()
