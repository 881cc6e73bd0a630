"""Grants that come again each period: dates of calendars, missed periods, each once for ever."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from accounts.models import Account
from core.errors import NotFound
from credits.books.periods import Every, begun, first_day, period
from credits.models import Book, Category, Grant, Kind
from credits.services.recurring import Series, issue_due_periods
from tests import factories
from tests.credits.grant_acts import agreed, kinds, spend, wallet

MONTHLY = Series(
    name="plan:sub_1",
    anchor=date(2026, 1, 31),
    every=Every.MONTH,
    amount_nanos=100,
    kind=Kind.PLAN_GRANT,
    book=Book.PROMO,
    category=Category.PROMO,
    source_type="tests",
    source_id="sub_1",
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def issue(account: Account, now: str, series: Series = MONTHLY, most: int = 100) -> list[str]:
    """The keys of what was issued."""
    return [grant.source_key for grant in agreed(issue_due_periods(account_id=account.pk, series=series, now=at(now), most=most))]


# Calendars


@pytest.mark.parametrize(
    ("anchor", "every", "days"),
    [
        ("2026-01-31", "month", ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"]),
        ("2024-01-30", "month", ["2024-01-30", "2024-02-29", "2024-03-30"]),
        ("2025-11-30", "month", ["2025-11-30", "2025-12-30", "2026-01-30", "2026-02-28", "2026-03-30"]),
        ("2024-02-29", "year", ["2024-02-29", "2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"]),
        ("2026-12-31", "day", ["2026-12-31", "2027-01-01", "2027-01-02"]),
        ("2026-12-28", "week", ["2026-12-28", "2027-01-04", "2027-01-11"]),
    ],
)
def test_periods_are_counted_from_the_anchor(anchor: str, every: str, days: list[str]) -> None:
    start = date.fromisoformat(anchor)
    assert [first_day(start, Every(every), number).isoformat() for number in range(len(days))] == days


@pytest.mark.parametrize("every", list(Every))
@pytest.mark.parametrize("anchor", [date(2024, 1, 31), date(2024, 2, 29), date(2023, 12, 1), date(2024, 3, 30)])
def test_a_period_has_begun_on_its_first_day_and_not_on_the_day_before(anchor: date, every: Every) -> None:
    """Counted day by day over more than four years, beside a plain count of first days."""
    firsts = [first_day(anchor, every, number) for number in range(1_600)]
    for days in range(-40, 1_500):
        today = anchor + timedelta(days=days)
        assert begun(anchor, every, today) == sum(1 for first in firsts if first <= today), today


def test_periods_begin_at_local_midnights_and_have_no_gap_over_a_change_of_clocks() -> None:
    days = [period(date(2026, 3, 28), Every.DAY, number, zone="Europe/Berlin") for number in range(3)]
    assert [one.starts_at.isoformat() for one in days] == [
        "2026-03-27T23:00:00+00:00",
        "2026-03-28T23:00:00+00:00",
        "2026-03-29T22:00:00+00:00",
    ]
    assert [one.ends_at for one in days[:2]] == [one.starts_at for one in days[1:]]


# Issuing


@pytest.mark.django_db
def test_a_period_is_issued_once_with_its_dates() -> None:
    account = factories.make_account()
    assert issue(account, "2026-01-30T23:59:59") == []
    assert issue(account, "2026-01-31T00:00:00") == ["plan:sub_1:2026-01-31"]
    assert issue(account, "2026-02-27T12:00:00") == []
    grant = Grant.objects.get(account=account)
    assert (grant.effective_at, grant.expires_at, grant.amount_nanos) == (at("2026-01-31"), at("2026-02-28"), 100)
    assert (grant.kind, grant.category, grant.source_type, grant.source_id) == ("plan_grant", "promo", "tests", "sub_1")


@pytest.mark.django_db
def test_missed_periods_are_issued_one_by_one_the_oldest_first() -> None:
    account = factories.make_account()
    issue(account, "2026-01-31")
    assert issue(account, "2026-04-10") == [f"plan:sub_1:2026-{day}" for day in ("02-28", "03-31")]
    assert kinds(account) == [("plan_grant", 100), ("expiry", -100), ("plan_grant", 100), ("plan_grant", 100)]


@pytest.mark.django_db
def test_a_period_that_was_over_before_it_was_issued_keeps_its_full_length() -> None:
    account = factories.make_account()
    spend(account, 30, at("2026-02-01"))
    issue(account, "2026-03-10")
    late, current = Grant.objects.filter(account=account).order_by("pk")
    assert (late.effective_at, late.expires_at) == (at("2026-01-31"), at("2026-03-10") + timedelta(days=28))
    assert (current.effective_at, current.expires_at) == (at("2026-02-28"), at("2026-03-31"))
    assert wallet(account, at("2026-03-10")).balance_nanos == 170


@pytest.mark.django_db
def test_a_call_issues_a_bounded_number_and_the_next_goes_on() -> None:
    account = factories.make_account()
    daily = replace(MONTHLY, every=Every.DAY, expires=False)
    assert [len(issue(account, "2026-02-09", daily, most=4)) for _ in range(4)] == [4, 4, 2, 0]
    assert wallet(account, at("2026-02-09")).balance_nanos == 1_000


@pytest.mark.django_db
def test_no_period_begins_on_the_last_day_or_after() -> None:
    account = factories.make_account()
    ending = replace(MONTHLY, until=date(2026, 3, 31))
    assert issue(account, "2026-12-01", ending) == ["plan:sub_1:2026-01-31", "plan:sub_1:2026-02-28"]
    assert issue(account, "2026-12-01", replace(MONTHLY, name="never", until=MONTHLY.anchor)) == []


@pytest.mark.django_db
def test_a_change_of_amount_concerns_what_is_not_issued_yet() -> None:
    account = factories.make_account()
    issue(account, "2026-02-01")
    assert issue(account, "2026-03-01", replace(MONTHLY, amount_nanos=7)) == ["plan:sub_1:2026-02-28"]
    assert [nanos for kind, nanos in kinds(account) if kind == "plan_grant"] == [100, 7]


@pytest.mark.django_db
def test_days_are_the_accounts_and_no_day_comes_twice_after_a_change_of_zone() -> None:
    account = factories.make_account(zone="Pacific/Kiritimati")
    daily = replace(MONTHLY, every=Every.DAY, anchor=date(2026, 5, 1))
    assert issue(account, "2026-04-30T09:59:59", daily) == []
    assert issue(account, "2026-04-30T10:00:00", daily) == ["plan:sub_1:2026-05-01"]
    Account.objects.filter(pk=account.pk).update(zone="Pacific/Niue")
    assert issue(account, "2026-05-01T12:00:00", daily) == []
    assert issue(account, "2026-05-02T11:00:00", daily) == ["plan:sub_1:2026-05-02"]


@pytest.mark.django_db
def test_an_account_that_is_not_there_gets_nothing() -> None:
    with pytest.raises(NotFound):
        issue_due_periods(account_id=1, series=MONTHLY, now=at("2026-02-01"))
    assert Grant.objects.count() == 0
