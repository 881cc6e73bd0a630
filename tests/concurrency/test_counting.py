"""Roll-ups are counted after booking: once, whoever counts, whatever is booked, given back or killed meanwhile."""

import random
import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final

import pytest
from django.db import OperationalError, connection, transaction

import usage
from accounts.models import Account
from billing_platform.verification import verify_ledger
from core import clock
from tests import factories
from tests.concurrency.test_counts import held, wait_until, wait_until_somebody_waits
from tests.concurrency.test_spending import ONE_NANO, assert_nothing_failed, assert_silent, call, report
from tests.spending import adjust, price, refund
from tests.threads import at_once
from tests.usage.counting import Sums, sums_everywhere
from usage.models import UncountedBlock, UsageDay, UsageEvent, UsageLifetime
from usage.services import counting
from usage.services.rebuilding import check_rollups, rebuild_rollups

pytestmark = pytest.mark.django_db(transaction=True)

BATCHES: Final = 40
MODELS: Final = ("nano", *(f"nano-{number}" for number in range(9)))
"""Many, so that two who count one account at once have many rows to wait for each other at."""
SQL: Final = Path(usage.__path__[0]) / "sql"
WAITS: Final = "wait_event_type = 'Lock' AND datname = current_database()"


@pytest.fixture(autouse=True)
def nano_price(transactional_db: None) -> None:
    for model in MODELS:
        price(model, ONE_NANO, since=clock.now() - timedelta(days=80))


def spender() -> Account:
    account = factories.make_account()
    adjust(account, 100_000)
    return account


def send(account: Account, name: str, *, events: int = 5) -> None:
    report([call(account, f"{name}-{number}", 2) for number in range(events)])


def test_what_is_booked_waits_until_somebody_counts_it_and_is_counted_once() -> None:
    account = spender()
    send(account, "a")
    send(account, "b", events=1)
    assert (UncountedBlock.objects.count(), UsageDay.objects.count()) == (2, 0)
    assert_all_proven()
    assert counting.count_accounts([account.pk]) == 6
    assert (UncountedBlock.objects.count(), counting.count_accounts([account.pk])) == (0, 0)
    assert sums_everywhere(account) == Sums(6, 12, 12)
    assert_silent()


def test_a_count_takes_so_many_events_at_a_time_and_goes_on() -> None:
    account = spender()
    for number in range(5):
        send(account, f"batch-{number}")
    assert counting.count_accounts([account.pk], events_max=7) == 25
    assert sums_everywhere(account) == Sums(25, 50, 50)
    assert_silent()


def test_between_two_transactions_of_a_count_nothing_is_alarmed_at_or_mended() -> None:
    accounts = [spender(), spender()]
    for account in accounts:
        send(account, "a")
    ids = [account.pk for account in accounts]
    with held("SELECT FROM wallet WHERE account_id = %s FOR UPDATE", accounts[0]), connection.cursor() as cursor:
        counting.lock_counts(ids)
        cursor.execute((SQL / "count_uncounted.sql").read_text(), {"accounts": ids, "events_max": 1})
        assert cursor.fetchone() == (1, 5)
    assert list(UsageLifetime.objects.order_by("account_id").values_list("events", flat=True)) == [5, 0]
    assert_all_proven()
    assert rebuild_rollups(reason="Tests.", now=clock.now()).accounts == []
    assert sums_everywhere(accounts[1]) == Sums(5, 10, 10)
    assert_silent()


def assert_all_proven() -> None:
    """As it is, before anything more is counted."""
    assert verify_ledger(now=clock.now()).discrepancies == []


def test_a_mark_without_events_does_not_end_a_count() -> None:
    account = spender()
    UncountedBlock.objects.create(account=account, block=0, received_at=clock.now(), events=7)
    send(account, "a")
    assert counting.count_accounts([account.pk], events_max=7) == 5
    assert UncountedBlock.objects.count() == 0
    assert_silent()


MARK_LIES: Final = {
    "an event too many": "UPDATE usage_uncounted SET events = events + 1 WHERE account_id = %s",
    "another time": "UPDATE usage_uncounted SET received_at = received_at + interval '1 microsecond' WHERE account_id = %s",
    "another block": "UPDATE usage_uncounted SET block = block + 1 WHERE account_id = %s",
    "an event booked at another time": "UPDATE usage_event SET created_at = 'yesterday' WHERE account_id = %s AND event_id = 'a-2'",
    "an event that is gone": "DELETE FROM usage_event WHERE account_id = %s AND event_id = 'a-2'",
}


@pytest.mark.parametrize("lie", MARK_LIES)
def test_a_mark_that_does_not_match_its_events_is_named(lie: str) -> None:
    account, other = spender(), spender()
    send(account, "a")
    send(other, "b")
    assert_all_proven()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(MARK_LIES[lie], [account.pk])
        assert cursor.rowcount == 1
    found = verify_ledger(now=clock.now()).discrepancies
    assert (account.pk, 12, "marks match events") in {(one.account_id, one.invariant, one.check) for one in found}
    assert {one.account_id for one in found} == {account.pk}


def test_what_waits_is_counted_by_groups_of_accounts_with_so_many_events() -> None:
    accounts = [spender() for _ in range(4)]
    for account, events in zip(accounts, (5, 1, 9, 2), strict=True):
        send(account, "a", events=events)
    turns = iter([True, True, False])
    assert counting.count_waiting(has_time=lambda: next(turns), events_max=6) == 15
    assert list(UncountedBlock.objects.values_list("account_id", flat=True)) == [accounts[3].pk]


def test_a_refund_counts_what_waits_before_it_waits_for_the_wallet() -> None:
    account = spender()
    send(account, "a")
    seen: list[int] = []

    def hold_the_wallet() -> None:
        with held("SELECT FROM wallet WHERE account_id = %s FOR UPDATE", account):
            wait_until_somebody_waits()
            seen.append(UncountedBlock.objects.count())

    def give_back() -> None:
        wait_until("EXISTS (SELECT FROM pg_locks WHERE relation = 'wallet'::regclass AND mode = 'RowShareLock')")
        refund(account, "a-0")

    assert_nothing_failed(list(at_once(hold_the_wallet, give_back)))
    assert seen == [0]
    assert sums_everywhere(account) == Sums(5, 10, 8)
    assert_silent()


def book(accounts: list[Account], thread: int) -> None:
    for number in range(BATCHES):
        rng = random.Random(number * 7 + thread)
        named = {model: rng.sample(accounts, 2) for model in rng.sample(MODELS, 5)}
        report([call(account, f"{thread}-{number}-{model}", 2) | {"model": model} for model, chosen in named.items() for account in chosen])


def give_back_some() -> None:
    event = UsageEvent.objects.filter(refunded_nanos=0).order_by("?").first()
    if event is not None:
        refund(Account.objects.get(pk=event.account_id), event.event_id, random.choice([1, None]))
    assert not check_rollups(now=clock.now()).accounts


def count_all() -> None:
    for account_id in UncountedBlock.objects.values_list("account_id", flat=True).distinct():
        counting.count_account(account_id)
    counting.count_waiting(has_time=lambda: True)


def test_everybody_counts_and_gives_back_while_batches_come_and_nothing_is_counted_twice() -> None:
    accounts = [spender() for _ in range(3)]
    over = threading.Event()

    def until_over(act: Callable[[], None]) -> None:
        while not over.is_set():
            act()

    def book_all() -> None:
        try:
            assert_nothing_failed(list(at_once(*(partial(book, accounts, thread) for thread in range(3)))))
        finally:
            over.set()

    assert_nothing_failed(list(at_once(book_all, *(partial(until_over, act) for act in (count_all, count_all, give_back_some)))))
    for account in accounts:
        assert sums_everywhere(account).events == UsageEvent.objects.filter(account=account).count()
    assert UsageEvent.objects.filter(refunded_nanos__gt=0).exists()
    assert_silent()


def test_a_count_that_is_killed_in_the_middle_leaves_its_marks() -> None:
    account = spender()
    send(account, "first")
    assert counting.count_accounts([account.pk]) == 5
    send(account, "second")

    def kill() -> None:
        with held("SELECT FROM usage_day WHERE account_id = %s FOR UPDATE", account):
            wait_until_somebody_waits()
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
                )
        wait_until("NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')")

    def count() -> int:
        wait_until("EXISTS (SELECT FROM pg_locks WHERE relation = 'usage_day'::regclass AND mode = 'RowShareLock')")
        return counting.count_accounts([account.pk])

    killed, _ = at_once(count, kill)
    assert isinstance(killed, OperationalError)
    assert UncountedBlock.objects.count() == 1
    assert sums_everywhere(account) == Sums(10, 20, 20)
    assert_silent()


def test_a_refund_counts_what_was_booked_before_it() -> None:
    account = spender()
    send(account, "a")
    refund(account, "a-0", 1)
    refund(account, "a-1")
    assert UncountedBlock.objects.count() == 0
    assert sums_everywhere(account) == Sums(5, 10, 7)
    assert dict(UsageDay.objects.values_list("status", "events")) == {"success": 4, "refunded": 1}
    assert_silent()


def test_the_job_takes_what_has_waited_long_and_what_is_much_and_leaves_the_rest() -> None:
    now = clock.now()
    old, busy, fresh = (spender() for _ in range(3))
    report([call(old, "old")], now=now - counting.WAITS_AT_MOST)
    for number in range(3):
        send(busy, f"busy-{number}", events=4)
    send(fresh, "fresh")
    assert counting.count_due(now=now, has_time=lambda: True, events_max=12) == 1 + 12
    assert set(UncountedBlock.objects.values_list("account_id", flat=True)) == {fresh.pk}
    assert_silent()


def test_an_account_that_cannot_be_counted_stops_nobody_else() -> None:
    first, damaged, last = (spender() for _ in range(3))
    for account in (first, damaged, last):
        send(account, "a")
        counting.count_account(account.pk)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE usage_lifetime SET input_tokens = %s WHERE account_id = %s", [2**63 - 1, damaged.pk])
    for account in (first, damaged, last):
        send(account, "b")
    assert counting.count_waiting(has_time=lambda: True) == 10
    assert set(UncountedBlock.objects.values_list("account_id", flat=True)) == {damaged.pk}
    assert sums_everywhere(last) == Sums(10, 20, 20)
