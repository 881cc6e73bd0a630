"""What the operator writes off is booked on the house by account and UTC day, once, however late or often the job runs."""

import itertools
from datetime import UTC, date, datetime, timedelta
from typing import Final

import pytest
from django.db import connection

from accounts.models import Account
from billing_platform.wiring import CHECKS
from credits.models import House, HouseAccount, HouseEntry
from credits.services.adjustments import write_off
from credits.services.house_days import day_behind
from credits.services.written_off import WRITTEN_OFF, book_written_off_days
from credits.tasks import book_written_off as job
from tests import factories
from tests.spending import adjust

NOON: Final = datetime(2026, 3, 10, 12, tzinfo=UTC)
DAY: Final = timedelta(days=1)
_keys = itertools.count()


def forgive(account: Account, nanos: int, at: datetime) -> None:
    """The account owes that much, and the operator bears it."""
    adjust(account, -nanos, at)
    key = f"tests:forgiven:{next(_keys)}"
    write_off(account_id=account.pk, amount_nanos=nanos, reason="Tests.", actor_id=None, source_key=key, now=at)


def book(now: datetime) -> int:
    return book_written_off_days(now=now, has_time=lambda: True)


def booked() -> list[tuple[int | None, date, int, str]]:
    entries = HouseEntry.objects.filter(house=House.WRITE_OFF).order_by("seq")
    return list(entries.values_list("account_id", "occurred_on", "amount_nanos", "source_key"))


def lies() -> list[int]:
    (check,) = (check for check in CHECKS if check.name == "write offs are booked")
    return [account_id for account_id, _ in check.find(1, 10**9)]


@pytest.fixture
def account(db: None) -> Account:
    return factories.make_account()


def test_each_account_and_finished_day_has_one_entry(account: Account) -> None:
    other, yesterday = factories.make_account(), NOON - DAY
    forgive(account, 5, yesterday.replace(hour=0))
    forgive(account, 6, yesterday.replace(hour=23, minute=59, second=59, microsecond=999_999))
    forgive(other, 7, yesterday)
    forgive(other, 100, NOON)
    before = factories.balance_of(account)
    assert book(NOON) == 2
    day = date(2026, 3, 9)
    assert booked() == [
        (account.pk, day, 11, f"write_off:{account.pk}:2026-03-09"),
        (other.pk, day, 7, f"write_off:{other.pk}:2026-03-09"),
    ]
    assert HouseAccount.objects.get(house=House.WRITE_OFF).balance_nanos == 18
    assert (book(NOON), lies(), factories.balance_of(account)) == (0, [], before)
    assert book(NOON + DAY) == 1


def test_other_entries_are_not_written_off(account: Account) -> None:
    adjust(account, 50, NOON - DAY)
    assert (book(NOON), booked(), lies()) == (0, [], [])
    assert HouseAccount.objects.get(house=House.WRITE_OFF).through_on == date(2026, 3, 9)


def test_a_day_is_behind_two_days_after_its_end(account: Account) -> None:
    forgive(account, 5, NOON)
    end = NOON.replace(hour=0) + DAY
    assert day_behind(WRITTEN_OFF, now=end + 2 * DAY - timedelta(microseconds=1)) is None
    assert day_behind(WRITTEN_OFF, now=end + 2 * DAY) == NOON.date()
    book(NOON + DAY)
    assert day_behind(WRITTEN_OFF, now=end + 2 * DAY) is None


def test_the_job_books(account: Account) -> None:
    forgive(account, 5, NOON)
    assert job() == 1
    assert [nanos for _, _, nanos, _ in booked()] == [5]


LIES: Final = (
    "UPDATE house_entry SET amount_nanos = amount_nanos + 1",
    "UPDATE house_entry SET occurred_on = occurred_on - 1",
    "UPDATE house_entry SET account_id = account_id + 1",
    "DELETE FROM house_entry",
    "UPDATE ledger_entry SET amount_nanos = amount_nanos - 1 WHERE kind = 'write_off'",
    "UPDATE ledger_entry SET created_at = created_at - interval '1 day' WHERE kind = 'write_off'",
    "DELETE FROM ledger_entry WHERE kind = 'write_off'",
)


@pytest.mark.parametrize("sql", LIES)
def test_a_day_that_does_not_fit_its_entries_is_named(account: Account, sql: str) -> None:
    forgive(account, 5, NOON - DAY)
    book(NOON)
    assert lies() == []
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(sql)
        assert cursor.rowcount > 0
        cursor.execute("SET session_replication_role = origin")
    assert account.pk in lies()
