"""Usage over all accounts is the sum of their quarter-hours by UTC day, however late an event comes, however often the job runs."""

import itertools
import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Final

import pytest
from django.db import connection, transaction
from django.db.models import F, Sum

from accounts.models import Account
from billing_platform.wiring import CHECKS
from core.models import AuditRecord
from tests import factories
from tests.spending import price, report
from tests.threads import at_once, failures
from usage.models import AccountDay, FoldedAccount, FoldMark, PlatformDay, PlatformHour, UsageLifetime, UsageQuarter
from usage.rating import Prices
from usage.services import counting
from usage.services.counting import count_account
from usage.services.platform_days import counted_at, fold_platform_usage
from usage.services.rebuilding import check_rollups, rebuild_rollups
from usage.tasks import fold_platform_usage as job

DAY: Final = timedelta(days=1)
MONDAY: Final = datetime(2026, 3, 9, 12, tzinfo=UTC)
TUESDAY: Final = MONDAY + DAY
SECOND: Final = Prices(0, 0, 0, 0, 0, 0, 0, 1, 10_000)
"""One nano a second of use."""
_keys = itertools.count()


@pytest.fixture
def account(db: None) -> Account:
    factories.forget_memories()
    for code in ("clock", "bell"):
        price(code, SECOND, since=MONDAY - timedelta(days=60))
    return factories.make_account()


def use(account: Account, nanos: int, at: datetime, *, booked: datetime | None = None, **said: object) -> None:
    factories.end_of_transaction()
    usual: dict[str, object] = {"model": "clock", "input_tokens": 2, "seconds": nanos, "occurred_at": at.isoformat()}
    report(account, f"platform-{next(_keys)}", now=booked or at, **(usual | said))


def fold(now: datetime, *, accounts: Callable[[], bool] = lambda: True) -> int:
    return fold_platform_usage(now=now, has_time=accounts)


def refund_whole(account: Account, at: datetime) -> None:
    """What a refund of all of an account's usage in a quarter-hour does to the roll-ups."""
    count_account(account.pk)
    quarters = UsageQuarter.objects.filter(account=account, starts_at__lte=at, starts_at__gt=at - timedelta(minutes=15))
    nanos = sum(quarters.values_list("cost_nanos", flat=True))
    quarters.update(status="refunded", cost_nanos=0, costed_nanos=0)
    UsageLifetime.objects.filter(account=account).update(cost_nanos=F("cost_nanos") - nanos)


def platform() -> dict[tuple[date, str, str], tuple[int, int, int]]:
    rows = PlatformDay.objects.exclude(events=0).values_list("day", "model__code", "status", "events", "input_tokens", "cost_nanos")
    return {(day, model, status): (events, tokens, nanos) for day, model, status, events, tokens, nanos in rows}


def lies() -> set[tuple[str, int]]:
    checks = [check for check in CHECKS if check.name in {"account days recount", "platform days add up"}]
    assert len(checks) == 2
    return {(check.name, account_id) for check in checks for account_id, _ in check.find(0, 10**9)}


def test_two_days_of_two_accounts_by_hand(account: Account) -> None:
    other = factories.make_account()
    use(account, 5, MONDAY)
    use(account, 7, MONDAY + timedelta(minutes=20))
    use(other, 11, MONDAY, model="bell")
    use(other, 13, TUESDAY, status="failed")
    assert fold(TUESDAY) == 2
    monday, tuesday = MONDAY.date(), TUESDAY.date()
    assert platform() == {
        (monday, "clock", "success"): (2, 4, 12),
        (monday, "bell", "success"): (1, 2, 11),
        (tuesday, "clock", "failed"): (1, 2, 13),
    }
    assert list(AccountDay.objects.filter(account=account).values_list("day", "events", "cost_nanos")) == [(monday, 2, 12)]
    hours = set(PlatformHour.objects.values_list("starts_at", "events", "cost_nanos"))
    assert hours == {(MONDAY, 2, 12), (MONDAY, 1, 11), (TUESDAY, 1, 13)}
    assert (counted_at(), lies()) == (TUESDAY, set())


def test_what_is_folded_is_not_folded_again(account: Account) -> None:
    use(account, 5, MONDAY)
    assert [fold(MONDAY), fold(MONDAY + timedelta(minutes=15))] == [1, 0]
    use(account, 6, MONDAY + timedelta(minutes=16))
    assert fold(MONDAY + timedelta(minutes=30)) == 1
    assert platform() == {(MONDAY.date(), "clock", "success"): (2, 4, 11)}
    assert (counted_at(), lies()) == (MONDAY + timedelta(minutes=30), set())


def test_an_event_that_comes_a_month_late_is_counted_on_its_day(account: Account) -> None:
    use(account, 5, MONDAY)
    fold(MONDAY)
    old = MONDAY - timedelta(days=30)
    use(account, 6, old, booked=TUESDAY)
    use(account, 7, TUESDAY)
    assert fold(TUESDAY) == 1
    days = {day.isoformat(): nanos for (day, *_), (_, _, nanos) in platform().items()}
    assert days == {"2026-02-07": 6, "2026-03-09": 5, "2026-03-10": 7}
    assert lies() == set()


def test_usage_that_was_refunded_later_leaves_its_day(account: Account) -> None:
    use(account, 5, MONDAY)
    fold(MONDAY)
    fold(TUESDAY + 5 * DAY)
    refund_whole(account, MONDAY)
    assert fold(TUESDAY + 6 * DAY) == 1
    assert platform() == {(MONDAY.date(), "clock", "refunded"): (1, 2, 0)}
    assert lies() == set()


def test_a_refund_and_a_late_event_of_the_same_cost_do_not_hide_each_other(account: Account) -> None:
    use(account, 5, MONDAY)
    fold(TUESDAY + DAY)
    refund_whole(account, MONDAY)
    use(account, 5, MONDAY, booked=TUESDAY + DAY, model="bell")
    fold(TUESDAY + 2 * DAY)
    assert platform() == {(MONDAY.date(), "clock", "refunded"): (1, 2, 0), (MONDAY.date(), "bell", "success"): (1, 2, 5)}
    assert lies() == set()


def test_hours_older_than_a_day_are_forgotten(account: Account) -> None:
    use(account, 5, MONDAY)
    fold(MONDAY + timedelta(hours=24, minutes=59))
    assert PlatformHour.objects.get().starts_at == MONDAY
    fold(MONDAY + timedelta(hours=25))
    assert not PlatformHour.objects.exists()


def test_a_run_without_time_says_nothing_and_the_next_goes_on(account: Account) -> None:
    use(account, 5, MONDAY)
    count_account(account.pk)
    left = iter([True, True, False])  # Asked before counting, the first fold and the second.
    assert fold(MONDAY, accounts=lambda: next(left)) == 1
    assert (counted_at(), lies()) == (None, set())
    assert (fold(MONDAY), counted_at()) == (0, MONDAY)
    assert platform() == {(MONDAY.date(), "clock", "success"): (1, 2, 5)}


def test_a_fold_that_is_killed_half_way_has_counted_nothing(account: Account) -> None:
    use(account, 5, MONDAY)
    with transaction.atomic():
        assert fold(MONDAY) == 1
        transaction.set_rollback(True)
    assert (platform(), FoldedAccount.objects.count()) == ({}, 0)
    assert (fold(MONDAY), lies()) == (1, set())


@pytest.mark.django_db(transaction=True)
def test_folds_at_once_beside_usage_count_everything_once(transactional_db: None, account: Account) -> None:
    accounts = [account, *(factories.make_account() for _ in range(3))]

    def spend(whose: Account) -> int:
        for minute in range(8):
            use(whose, 3, MONDAY + timedelta(minutes=minute))
        return 0

    acts: list[Callable[[], int]] = [lambda whose=whose: spend(whose) for whose in accounts]  # type: ignore[misc]
    outcomes = at_once(*acts, *[lambda: fold(MONDAY)] * 3, job)
    assert failures(outcomes) == []
    fold(MONDAY + timedelta(hours=1))
    assert platform() == {(MONDAY.date(), "clock", "success"): (32, 64, 96)}
    assert lies() == set()


def test_a_random_history_is_its_recount(account: Account) -> None:
    rng, accounts = random.Random(11), [account, factories.make_account(), factories.make_account()]
    for step in range(60):
        now, whose = MONDAY + step * timedelta(hours=3), rng.choice(accounts)
        at = now - rng.choice((timedelta(), timedelta(), timedelta(hours=30), timedelta(days=20)))
        use(whose, rng.randint(0, 50), at, booked=now, model=rng.choice(("clock", "bell")), status=rng.choice(("success", "failed")))
        if rng.random() < 0.2:
            refund_whole(whose, at)
        if rng.random() < 0.4:
            fold(now)
            assert lies() == set()
    fold(MONDAY + timedelta(hours=200))
    assert lies() == set()
    counts = ("events", "input_tokens", "cost_nanos")
    sums = {model: tuple(model.objects.aggregate(*(Sum(name) for name in counts)).values()) for model in (UsageQuarter, PlatformDay)}
    assert sums[UsageQuarter] == sums[PlatformDay]


LIES: Final = {
    "UPDATE usage_account_day SET cost_nanos = cost_nanos + 1": {"account days recount", "platform days add up"},
    "UPDATE usage_account_day SET input_tokens = 1": {"account days recount", "platform days add up"},
    "UPDATE usage_account_day SET api_key_id = 9": {"account days recount"},
    "UPDATE usage_account_day SET day = day - 1": {"account days recount", "platform days add up"},
    "DELETE FROM usage_account_day": {"account days recount", "platform days add up"},
    "UPDATE usage_folded SET events = events + 1": {"account days recount"},
    "UPDATE usage_platform_day SET provider_cost_nanos = 1": {"platform days add up"},
    "UPDATE usage_platform_day SET status = 'failed'": {"platform days add up"},
    "DELETE FROM usage_platform_day": {"platform days add up"},
}


@pytest.mark.parametrize("sql", LIES)
def test_a_day_that_does_not_fit_its_quarters_is_named(account: Account, sql: str) -> None:
    use(account, 5, MONDAY)
    fold(MONDAY)
    assert lies() == set()
    with connection.cursor() as cursor:
        cursor.execute(sql)
        assert cursor.rowcount > 0
    assert {name for name, _ in lies()} == LIES[sql]


def quarters_lie(account: Account) -> None:
    """A quarter-hour of another day, which the lifetime does not show."""
    use(account, 5, MONDAY)
    use(account, 7, MONDAY + timedelta(hours=13))
    count_account(account.pk)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE usage_quarter SET starts_at = starts_at - interval '3 days' WHERE cost_nanos = 5")
        assert cursor.rowcount == 1


def rebuild(now: datetime) -> tuple[list[int], dict[str, int]]:
    found = rebuild_rollups(reason="Tests.", now=now)
    return found.accounts, found.rows


def test_what_was_folded_from_a_lie_is_folded_anew_when_the_lie_is_mended(account: Account) -> None:
    quarters_lie(account)
    fold(TUESDAY)
    assert rebuild(TUESDAY) == ([account.pk], {"usage_quarter": 2, "usage_account_day": 2})
    days = list(AccountDay.objects.order_by("day").values_list("day", "events", "cost_nanos"))
    assert days == [(MONDAY.date(), 1, 5), (TUESDAY.date(), 1, 7)]
    assert platform() == {(day, "clock", "success"): (events, 2, nanos) for day, events, nanos in days}
    assert (lies(), rebuild(TUESDAY)) == (set(), ([], {}))
    assert fold(TUESDAY + timedelta(hours=1)) == 0


def test_a_lie_behind_usage_that_is_not_folded_yet_is_folded_anew_too(account: Account) -> None:
    quarters_lie(account)
    fold(TUESDAY)
    use(account, 9, TUESDAY + 3 * DAY)
    count_account(account.pk)
    rebuild(TUESDAY + 3 * DAY)
    fold(TUESDAY + 4 * DAY)
    assert lies() == set()


@pytest.mark.parametrize("sql", LIES)
def test_a_day_that_does_not_fit_its_quarters_is_told_and_mended_by_a_rebuild(account: Account, sql: str) -> None:
    use(account, 5, MONDAY)
    fold(MONDAY)
    before = platform()
    with connection.cursor() as cursor:
        cursor.execute(sql)
    told: list[str] = []
    assert check_rollups(now=MONDAY, say=told.append).rows.keys() <= {"usage_account_day", "usage_platform_day"}
    assert told
    assert {name for name, _ in lies()} == LIES[sql]
    rebuild(MONDAY)
    assert (lies(), platform(), rebuild(MONDAY)) == (set(), before, ([], {}))
    kept = AuditRecord.objects.filter(act="rebuild_rollups")
    assert kept.exists()
    assert all(one.reason == "Tests." and one.before["differences"] for one in kept if one.before)


def test_an_account_whose_quarters_are_not_its_lifetime_is_folded_as_they_say_and_told(
    account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    use(account, 5, MONDAY)
    count_account(account.pk)
    UsageQuarter.objects.update(events=3)
    assert fold(MONDAY) == 1
    assert platform() == {(MONDAY.date(), "clock", "success"): (3, 2, 5)}
    assert (FoldMark.objects.get().differing, counted_at()) == (1, MONDAY)
    assert f"account {account.pk}: its quarter-hours are not its lifetime" in caplog.text
    rebuild(MONDAY)
    assert platform() == {(MONDAY.date(), "clock", "success"): (1, 2, 5)}
    fold(TUESDAY)
    assert (FoldMark.objects.get().differing, lies()) == (0, set())


def test_a_lifetime_that_counts_nothing_yet_is_neither_folded_nor_a_lie(account: Account) -> None:
    use(account, 5, MONDAY)
    counting.lock_counts([account.pk])
    assert UsageLifetime.objects.get().events == 0
    assert fold(MONDAY, accounts=iter([False, True, True]).__next__) == 0
    assert (FoldedAccount.objects.count(), lies()) == (0, set())
    FoldedAccount.objects.create(account=account, events=0, cost_nanos=0)
    assert lies() == set()


def test_what_is_not_folded_yet_is_no_lie(account: Account) -> None:
    use(account, 5, MONDAY)
    fold(MONDAY)
    use(account, 6, MONDAY)
    assert lies() == set()


def test_folding_moves_no_money(account: Account) -> None:
    use(account, 5, MONDAY)
    count_account(account.pk)
    before = factories.books_now()
    fold(MONDAY)
    assert factories.books_now() == before
