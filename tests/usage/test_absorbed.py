"""What the operator bears is booked on the house by account and UTC day, once, however late or often the job runs."""

import itertools
from datetime import UTC, date, datetime, timedelta
from typing import Final
from uuid import uuid4

import pytest
from django.db import connection

from accounts.models import Account
from billing_platform.wiring import CHECKS
from core import clock
from credits.models import House, HouseAccount, HouseEntry
from tests import factories
from tests.spending import price
from tests.threads import at_once, failures
from usage.models import UsageEvent
from usage.services.absorbed import book_absorbed_days
from usage.tasks import book_absorbed_days as job

NOON: Final = datetime(2026, 3, 10, 12, tzinfo=UTC)
_ids = itertools.count(1)


def absorb(account: Account, nanos: int, at: datetime) -> None:
    """An event that came at that instant, of which the operator bears all."""
    number = next(_ids)
    UsageEvent.objects.create(
        id=10**9 + number,
        account=account,
        event_id=f"absorbed-{number}",
        fingerprint=uuid4(),
        model_id=price().model_id if not UsageEvent.objects.exists() else UsageEvent.objects.first().model_id,  # type: ignore[union-attr]
        status="success",
        **dict.fromkeys(("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens"), 0),
        requests=0,
        images=0,
        seconds=0,
        cost_nanos=nanos,
        charged_nanos=0,
        absorbed_nanos=nanos,
        local_date=at.date(),
        occurred_at=at,
        created_at=at,
    )


def book(now: datetime, *, chunks: int = 10**9) -> int:
    """Run the job at that instant; it has time for so many bookings."""
    left = iter(range(chunks))
    return book_absorbed_days(now=now, has_time=lambda: next(left, None) is not None)


def booked() -> list[tuple[int | None, date, int, str]]:
    entries = HouseEntry.objects.filter(house=House.ABSORBED).order_by("seq")
    return list(entries.values_list("account_id", "occurred_on", "amount_nanos", "source_key"))


def lies() -> list[int]:
    (check,) = (check for check in CHECKS if check.name == "absorbed days are booked")
    return [account_id for account_id, _ in check.find(1, 10**9)]


@pytest.mark.django_db
def test_each_account_and_finished_day_has_one_entry() -> None:
    one, two = factories.make_account(), factories.make_account()
    yesterday = NOON - timedelta(days=1)
    absorb(one, 5, yesterday.replace(hour=0))
    absorb(one, 6, yesterday.replace(hour=23, minute=59, second=59, microsecond=999_999))
    absorb(two, 7, yesterday)
    absorb(two, 100, NOON)
    assert book(NOON) == 2
    day = date(2026, 3, 9)
    assert booked() == [(one.pk, day, 11, f"absorbed:{one.pk}:2026-03-09"), (two.pk, day, 7, f"absorbed:{two.pk}:2026-03-09")]
    assert HouseAccount.objects.get(house=House.ABSORBED).balance_nanos == 18
    assert (book(NOON), lies()) == (0, [])


@pytest.mark.django_db
def test_missed_days_are_caught_up_and_empty_ones_are_passed_over() -> None:
    account = factories.make_account()
    for days in (1, 3, 200):
        absorb(account, days, NOON - timedelta(days=days))
    assert book(NOON) == 3
    assert [(day, nanos) for _, day, nanos, _ in booked()] == [(date(2025, 8, 22), 200), (date(2026, 3, 7), 3), (date(2026, 3, 9), 1)]
    assert HouseAccount.objects.get(house=House.ABSORBED).through_on == date(2026, 3, 9)
    assert lies() == []


@pytest.mark.django_db
def test_a_day_is_over_a_quarter_of_an_hour_after_midnight() -> None:
    account, midnight = factories.make_account(), NOON.replace(hour=0)
    absorb(account, 5, midnight - timedelta(seconds=1))
    assert book(midnight + timedelta(minutes=14, seconds=59)) == 0
    assert book(midnight + timedelta(minutes=15)) == 1


@pytest.mark.django_db
def test_a_run_without_time_goes_on_where_it_ended() -> None:
    account = factories.make_account()
    for days in (1, 2, 3):
        absorb(account, days, NOON - timedelta(days=days))
    assert book(NOON, chunks=2) == 2
    assert lies() == []
    assert book(NOON) == 1
    assert [nanos for _, _, nanos, _ in booked()] == [3, 2, 1]


@pytest.mark.django_db(transaction=True)
def test_two_jobs_at_once_book_every_day_once() -> None:
    account = factories.make_account()
    absorb(account, 5, clock.now() - timedelta(days=2))
    outcomes = at_once(*[lambda: book(clock.now())] * 4, job)
    assert failures(outcomes) == []
    assert [nanos for _, _, nanos, _ in booked()] == [5]
    assert lies() == []


LIES: Final = (
    "UPDATE house_entry SET amount_nanos = amount_nanos + 1",
    "UPDATE house_entry SET occurred_on = occurred_on - 1",
    "UPDATE house_entry SET account_id = account_id + 1",
    "DELETE FROM house_entry",
    "UPDATE usage_event SET absorbed_nanos = absorbed_nanos - 1, cost_nanos = cost_nanos - 1",
    "UPDATE usage_event SET created_at = created_at - interval '1 day'",
    """INSERT INTO house_entry (house, seq, amount_nanos, balance_after_nanos, source_key, account_id, occurred_on, created_at)
    SELECT house, 2, 1, 6, 'another', account_id, occurred_on, created_at FROM house_entry""",
)


@pytest.mark.django_db
@pytest.mark.parametrize("sql", LIES)
def test_a_day_that_does_not_fit_its_events_is_named(sql: str) -> None:
    account = factories.make_account()
    absorb(account, 5, NOON - timedelta(days=1))
    book(NOON)
    assert lies() == []
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(sql)
        assert cursor.rowcount > 0
        cursor.execute("SET session_replication_role = origin")
    assert account.pk in lies()


@pytest.mark.django_db
def test_a_day_that_is_not_booked_yet_is_no_lie() -> None:
    account = factories.make_account()
    absorb(account, 5, NOON - timedelta(days=2))
    book(NOON - timedelta(days=1))
    absorb(account, 6, NOON - timedelta(days=1))
    assert lies() == []
