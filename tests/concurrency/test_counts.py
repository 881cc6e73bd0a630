"""Roll-ups = events = entries = wallets when batches overlap, and when the process that books them is killed in the middle."""

import json
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Final

import pytest
from django.db import connection, transaction

from accounts.models import Account
from core import clock
from tests import factories
from tests.concurrency.test_single_acts import hear, start_spender, tell
from tests.concurrency.test_spending import ONE_NANO, assert_exact, assert_nothing_failed, assert_silent, call, report
from tests.factories import Event
from tests.spending import adjust, price, refund
from tests.threads import at_once, successes
from tests.usage.counting import Sums, sums_everywhere
from usage.models import UsageEvent

pytestmark = pytest.mark.django_db(transaction=True)
PATIENCE_SECONDS: Final = 60

CATCHES: Final = {
    "at the wallet": "SELECT FROM wallet WHERE account_id = %s FOR UPDATE",
    "at the grant": "SELECT FROM credit_grant WHERE account_id = %s FOR UPDATE",
}
"""Rows that keep a batch from going on: what it wrote before is there, and not committed."""


@pytest.fixture(autouse=True)
def nano_price(transactional_db: None) -> None:
    price("nano", ONE_NANO, since=clock.now() - timedelta(days=80))


def test_overlapping_batches_of_eight_threads_in_their_own_orders_count_every_event_once() -> None:
    accounts = [factories.make_account() for _ in range(5)]
    for account in accounts:
        adjust(account, 2_000)
    events = [call(account, f"call-{number}", 1 + number % 7) for number in range(60) for account in accounts]

    def send(thread: int) -> tuple[int, int]:
        rng = random.Random(thread)
        mine = rng.sample(events, 250)
        answers = [report(mine[start : start + 50]) for start in range(0, 250, 50)]
        assert all(not answer.rejected for answer in answers)
        return sum(answer.accepted for answer in answers), sum(answer.duplicates for answer in answers)

    outcomes = at_once(*(partial(send, thread) for thread in range(8)))
    assert_nothing_failed(list(outcomes))
    report(events)
    tokens = sum(1 + number % 7 for number in range(60))
    for account in accounts:
        assert sums_everywhere(account) == Sums(60, tokens, tokens)
        assert_exact(account, 2_000 - tokens)
    told = successes(outcomes)
    assert sum(accepted + duplicates for accepted, duplicates in told) == 8 * 250
    assert sum(accepted for accepted, _ in told) <= UsageEvent.objects.count() == 300
    assert_silent()


def test_a_process_that_is_killed_in_the_middle_of_its_batches_counts_nothing_twice_and_loses_nothing() -> None:
    accounts = [factories.make_account() for _ in range(3)]
    now = clock.now()
    for account in accounts:
        adjust(account, 10_000)
    report([call(account, "first", 1, occurred_at=now.isoformat()) for account in accounts])
    sent: list[list[Event]] = []
    for number, catch in enumerate(CATCHES):
        batches = [
            [call(account, f"{number}-{batch}-{n}", 2, occurred_at=now.isoformat()) for n in range(20) for account in accounts[:most]]
            for batch, most in enumerate((2, 2, 3, 3))
        ]
        booked = UsageEvent.objects.count()
        kill_in_the_middle(batches, CATCHES[catch], accounts[2])
        assert UsageEvent.objects.count() == booked + 80, catch
        sent += batches
    assert_counts(accounts, [1 + 2 * 40 * len(CATCHES)] * 2 + [1])
    answers = [report(batch) for batch in sent]
    assert [(answer.accepted, answer.duplicates) for answer in answers] == [(0, 40), (0, 40), (60, 0), (60, 0)] * len(CATCHES)
    assert_counts(accounts, [1 + 2 * 80 * len(CATCHES)] * 2 + [1 + 2 * 40 * len(CATCHES)])
    refund(accounts[2], "0-2-0")
    assert sums_everywhere(accounts[2]).cost == 2 * 40 * len(CATCHES) - 1
    assert_silent()


def assert_counts(accounts: list[Account], costs: list[int]) -> None:
    for account, cost in zip(accounts, costs, strict=True):
        assert sums_everywhere(account) == Sums((cost + 1) // 2, cost, cost)
        assert_exact(account, 10_000 - cost)
    assert_silent()


def kill_in_the_middle(batches: list[list[Event]], lock: str, account: Account) -> None:
    """Another process books them, until it waits for this account's row; there it is killed."""
    spender = start_spender([json.dumps(batch, separators=(",", ":")).encode() for batch in batches])
    with spender:
        assert hear(spender) == b"ready"
        with held(lock, account):
            tell(spender, b"go")
            wait_until_somebody_waits()
            spender.kill()
            spender.wait(timeout=PATIENCE_SECONDS)
    wait_until_nobody_waits()


@contextmanager
def held(lock: str, account: Account) -> Iterator[None]:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(lock, [account.pk])
            assert cursor.rowcount >= 1
        yield


def wait_until_somebody_waits() -> None:
    wait_until("EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')")


def wait_until_nobody_waits() -> None:
    """The dead process's backend finds out that it has nobody to answer, and takes everything back."""
    others = "datname = current_database() AND pid <> pg_backend_pid()"
    wait_until(f"NOT EXISTS (SELECT FROM pg_stat_activity WHERE {others} AND xact_start IS NOT NULL)")


def wait_until(condition: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT pg_stat_clear_snapshot(), {condition}")
            if cursor.fetchone()[1]:
                return
        assert time.monotonic() < deadline, f"waited in vain: {condition}"
        time.sleep(0.05)
