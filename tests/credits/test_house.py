"""House accounts: booked once by key, chained, append-only, and apart from every customer's."""

from datetime import UTC, date, datetime, timedelta
from typing import Final

import pytest
from django.db import IntegrityError, connection, transaction

from billing_platform.wiring import CHECKS
from core.locks import locked
from core.verification import HOUSE
from credits.errors import AmountOutOfRange, SourceKeyReused
from credits.models import House, HouseAccount, HouseEntry, Wallet
from credits.services.house import HouseItem, book_house, booked_through, close_days
from tests import factories
from tests.factories import books_now
from tests.threads import at_once, failures

NOW: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY: Final = date(2026, 2, 28)
HOUSE_CHECKS: Final = ("house balances chain", "house time follows seq", "absorbed days are booked")


def book(*amounts: int, house: House = House.TAX, now: datetime = NOW, first: int = 1) -> int:
    items = [HouseItem(amount, f"tests:{place}", DAY) for place, amount in enumerate(amounts, start=first)]
    return book_house(house=house, items=items, now=now)


def rows(house: House = House.TAX) -> list[tuple[int, int, int]]:
    return list(HouseEntry.objects.filter(house=house).order_by("seq").values_list("seq", "amount_nanos", "balance_after_nanos"))


def lies(low: int = -(2**63), high: int = 2**63 - 1) -> list[tuple[str, int]]:
    """Which checks of the house disagree, and about whom."""
    return [(check.name, account_id) for check in CHECKS if check.name in HOUSE_CHECKS for account_id, _ in check.find(low, high)]


@pytest.mark.django_db
def test_each_house_account_counts_its_own_entries_and_sums_them() -> None:
    assert book(5, -2) == 2
    assert book(7, first=3) == 1
    assert book(1, house=House.PROVIDER_FEE) == 1
    assert rows() == [(1, 5, 5), (2, -2, 3), (3, 7, 10)]
    assert rows(House.PROVIDER_FEE) == [(1, 1, 1)]
    assert lies() == []


@pytest.mark.django_db
def test_what_is_booked_is_not_booked_again() -> None:
    book(5, 6)
    assert book(5, 6, 7) == 1
    assert rows() == [(1, 5, 5), (2, 6, 11), (3, 7, 18)]


@pytest.mark.django_db
def test_a_known_key_with_another_amount_books_nothing() -> None:
    book(5)
    with pytest.raises(SourceKeyReused):
        book(6, 7)
    assert rows() == [(1, 5, 5)]
    assert HouseAccount.objects.get(house=House.TAX).next_seq == 2


@pytest.mark.django_db
def test_a_key_twice_in_one_call_is_one_thing_or_refused() -> None:
    same, other = HouseItem(5, "tests:1", DAY), HouseItem(6, "tests:1", DAY)
    with pytest.raises(SourceKeyReused):
        book_house(house=House.TAX, items=[same, other], now=NOW)
    assert not HouseAccount.objects.exists()
    assert book_house(house=House.TAX, items=[same, same], now=NOW) == 1
    assert rows() == [(1, 5, 5)]


@pytest.mark.django_db
def test_nothing_is_not_booked() -> None:
    with pytest.raises(AmountOutOfRange):
        book(5, 0)
    assert rows() == []


@pytest.mark.django_db
def test_time_never_falls_though_a_clock_does() -> None:
    book(5)
    book(6, first=2, now=NOW - timedelta(hours=1))
    assert set(HouseEntry.objects.values_list("created_at", flat=True)) == {NOW}
    assert lies() == []


@pytest.mark.django_db
def test_days_are_closed_forwards_only() -> None:
    close_days(house=House.TAX, through=DAY, now=NOW)
    close_days(house=House.TAX, through=DAY - timedelta(days=1), now=NOW)
    assert booked_through(House.TAX) == DAY
    assert booked_through(House.ABSORBED) is None


@pytest.mark.django_db
def test_no_wallet_is_touched() -> None:
    account = factories.make_account()
    factories.give(account, 100)
    before = books_now()
    book_house(house=House.ABSORBED, items=[HouseItem(5, "tests:1", DAY, account.pk)], now=NOW)
    after = books_now()
    assert {table for table in before if before[table] != after[table]} == {"house_account", "house_entry"}


@pytest.mark.django_db(transaction=True)
def test_the_house_is_never_booked_within_a_customers_transaction() -> None:
    account = factories.make_account()
    factories.give(account, 100)
    with transaction.atomic():
        list(locked(Wallet.objects.filter(pk=account.pk)))
        with pytest.raises(RuntimeError, match="durable"):
            book(5)
    assert rows() == []


@pytest.mark.django_db(transaction=True)
def test_of_twenty_who_book_at_once_each_finds_its_place_and_no_key_is_booked_twice() -> None:
    outcomes = at_once(*[lambda place=place: book(3, first=place % 10) for place in range(20)])
    assert failures(outcomes) == []
    assert sum(int(str(outcome)) for outcome in outcomes) == 10
    assert rows() == [(seq, 3, 3 * seq) for seq in range(1, 11)]
    assert lies() == []


LIES: Final = {
    "a balance": ("house balances chain", "UPDATE house_entry SET balance_after_nanos = 9 WHERE seq = 1"),
    "an amount": ("house balances chain", "UPDATE house_entry SET amount_nanos = 9 WHERE seq = 2"),
    "a gap": ("house balances chain", "DELETE FROM house_entry WHERE seq = 2"),
    "a last entry that is missing": ("house balances chain", "DELETE FROM house_entry WHERE seq = 3"),
    "all entries missing": ("house balances chain", "DELETE FROM house_entry WHERE house = 'tax'"),
    "an account that is missing": ("house balances chain", "DELETE FROM house_account WHERE house = 'tax'"),
    "an account's balance": ("house balances chain", "UPDATE house_account SET balance_nanos = 0 WHERE house = 'tax'"),
    "an account's next seq": ("house balances chain", "UPDATE house_account SET next_seq = 9 WHERE house = 'tax'"),
    "time that falls": ("house time follows seq", "UPDATE house_entry SET created_at = created_at - interval '1 day' WHERE seq = 3"),
    "time ahead of the account": ("house time follows seq", "UPDATE house_account SET clock_at = clock_at - interval '1 day'"),
}


def corrupt(sql: str) -> None:
    """Change rows past triggers, as a hand in the database would."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(sql)
        assert cursor.rowcount > 0
        cursor.execute("SET session_replication_role = origin")


@pytest.mark.django_db
@pytest.mark.parametrize("name", LIES)
def test_one_row_of_the_house_that_lies_is_named(name: str) -> None:
    check, sql = LIES[name]
    book(5, 6, 7)
    book(1, house=House.WRITE_OFF)
    assert lies() == []
    corrupt(sql)
    assert set(lies()) == {(check, HOUSE)}
    assert set(lies(HOUSE, HOUSE)) == {(check, HOUSE)}
    assert lies(1, 10**9) == []


REFUSED: Final[dict[str, dict[str, int | str]]] = {
    "house_entry_once_per_seq": {"seq": 1},
    "house_entry_counts_from_one": {"seq": 0},
    "house_entry_once_per_source_key": {"source_key": "tests:1"},
    "house_entry_moves_something": {"amount_nanos": 0},
    "house_entry_of_a_known_house": {"house": "mouse"},
}


@pytest.mark.django_db
@pytest.mark.parametrize("rule", REFUSED)
def test_a_rule_of_the_database_refuses_the_entry_that_breaks_it(rule: str) -> None:
    book(5)
    good: dict[str, int | str] = {"house": "tax", "seq": 2, "amount_nanos": 1, "balance_after_nanos": 6, "source_key": "x"}
    values = [*(good | REFUSED[rule]).values()]
    sql = "INSERT INTO house_entry (house, seq, amount_nanos, balance_after_nanos, source_key, occurred_on, created_at)"
    with pytest.raises(IntegrityError, match=rule), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"{sql} VALUES (%s, %s, %s, %s, %s, '2026-01-01', now())", values)
    assert rows() == [(1, 5, 5)]


FORBIDDEN: Final = (
    ("append-only", "UPDATE house_entry SET amount_nanos = 1"),
    ("append-only", "DELETE FROM house_entry"),
    ("append-only", "DELETE FROM house_account"),
    ("house_account_counts_from_one", "UPDATE house_account SET next_seq = 0"),
    ("house_account_known", "INSERT INTO house_account (house, balance_nanos, next_seq, clock_at) VALUES ('mouse', 0, 1, now())"),
)


@pytest.mark.django_db
@pytest.mark.parametrize(("rule", "sql"), FORBIDDEN)
def test_the_database_refuses(rule: str, sql: str) -> None:
    book(5)
    before = books_now()
    with pytest.raises(IntegrityError, match=rule), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)
    assert books_now() == before
