"""Revenue is what allocations say of each finished UTC day: by hand, against a recount, twice, at once, and killed half-way."""

import itertools
import random
from datetime import UTC, date, datetime, timedelta
from typing import Final

import pytest
from django.db import connection, transaction
from django.db.models import Sum

from accounts.models import Account
from billing_platform.wiring import CHECKS
from credits.books import Source
from credits.models import REVENUE_NANOS, Category, Kind, LedgerEntry, RevenueDay, RevenueMark, RevenueTotal, Wallet
from credits.services.adjustments import write_off
from credits.services.returns import return_usage
from credits.services.revenue import fold_revenue, folded_through
from credits.services.reversals import reverse_entry
from credits.services.wallets import read_wallet
from credits.tasks import fold_revenue as job
from tests import factories
from tests.spending import adjust, price, report
from tests.threads import at_once, failures
from usage.rating import Prices

DAY: Final = timedelta(days=1)
MONDAY: Final = datetime(2026, 3, 9, 12, tzinfo=UTC)
TUESDAY: Final = MONDAY + DAY
WEDNESDAY: Final = TUESDAY + DAY
SECOND: Final = Prices(0, 0, 0, 0, 0, 0, 0, 1, 10_000)
"""One nano a second of use."""
_keys = itertools.count()


@pytest.fixture
def account(db: None) -> Account:
    factories.forget_memories()
    price("clock", SECOND, since=MONDAY - timedelta(days=30))
    return factories.make_account()


def use(account: Account, nanos: int, at: datetime) -> LedgerEntry:
    """Usage that costs so many nanos."""
    factories.end_of_transaction()
    name = f"revenue-{next(_keys)}"
    report(account, name, now=at, model="clock", input_tokens=0, seconds=nanos)
    return LedgerEntry.objects.get(account=account, source_id=name)


def pay_in(account: Account, nanos: int, at: datetime, **said: datetime) -> None:
    factories.give(account, nanos, kind=Kind.PURCHASE, category=Category.PAID, now=at, **said)  # type: ignore[arg-type]


def give_back(entry: LedgerEntry, nanos: int, at: datetime) -> None:
    source = Source("tests", "", f"tests:back:{next(_keys)}")
    return_usage(account_id=entry.account_id, seq=entry.seq, amount_nanos=nanos, source=source, now=at)


def fold(now: datetime, *, days: int = 10**9) -> int:
    left = iter(range(days))
    return fold_revenue(now=now, has_time=lambda: next(left, None) is not None)


def kept(account: Account, at: datetime) -> dict[str, int]:
    """What an account's day has, without what is 0."""
    row = RevenueDay.objects.filter(account=account, day=at.date()).values(*REVENUE_NANOS).first() or {}
    return {name.removesuffix("_nanos"): nanos for name, nanos in row.items() if nanos}


def lies() -> set[tuple[str, int]]:
    checks = [check for check in CHECKS if check.name.startswith("revenue ")]
    assert len(checks) == 2
    return {(check.name, account_id) for check in checks for account_id, _ in check.find(0, 10**9)}


def test_two_days_of_three_accounts_by_hand(account: Account) -> None:
    debtor, saver = factories.make_account(), factories.make_account()
    pay_in(account, 1_000, MONDAY)
    factories.give(account, 100, now=MONDAY)
    first = use(account, 300, MONDAY)
    give_back(first, 50, TUESDAY)
    use(account, 10, TUESDAY)

    owed = use(debtor, 70, MONDAY)
    pay_in(debtor, 40, TUESDAY)
    give_back(owed, 20, TUESDAY)
    forgive(debtor, 10, TUESDAY)

    pay_in(saver, 500, MONDAY, expires_at=MONDAY + timedelta(hours=20))
    factories.give(saver, 30, now=MONDAY, expires_at=MONDAY + timedelta(hours=20))
    use(saver, 35, MONDAY)
    read_wallet(account_id=saver.pk, now=TUESDAY)

    assert fold(WEDNESDAY) == 2
    assert kept(account, MONDAY) == {"promo": 100, "paid": 200}
    assert kept(account, TUESDAY) == {"returned_paid": 50, "paid": 10}
    assert kept(debtor, MONDAY) == {"owed": 70}
    assert kept(debtor, TUESDAY) == {"settled_paid": 40, "returned_owed": 20, "written_off": 10}
    assert kept(saver, MONDAY) == {"promo": 30, "paid": 5}
    assert kept(saver, TUESDAY) == {"breakage_paid": 495}
    totals = dict(RevenueTotal.objects.values_list("day", "paid_nanos"))
    assert totals == {MONDAY.date(): 205, TUESDAY.date(): 10}
    assert (lies(), folded_through()) == (set(), TUESDAY.date())


def forgive(account: Account, nanos: int, at: datetime) -> None:
    key = f"tests:forgiven:{next(_keys)}"
    write_off(account_id=account.pk, amount_nanos=nanos, reason="Tests.", actor_id=None, source_key=key, now=at)


def test_what_no_usage_caused_is_no_revenue(account: Account) -> None:
    adjust(account, 100, MONDAY)
    adjust(account, -30, MONDAY)
    adjust(account, -100, MONDAY)
    pay_in(account, 10, MONDAY)
    forgive(account, 5, MONDAY)
    assert fold(WEDNESDAY) == 2
    assert (RevenueDay.objects.count(), RevenueTotal.objects.count(), lies()) == (0, 0, set())


def test_usage_beyond_a_grant_is_owed_and_settled_by_its_category(account: Account) -> None:
    pay_in(account, 100, MONDAY)
    use(account, 150, MONDAY)
    factories.give(account, 20, now=TUESDAY)
    fold(WEDNESDAY)
    assert kept(account, MONDAY) == {"paid": 100, "owed": 50}
    assert kept(account, TUESDAY) == {"settled_promo": 20}
    assert lies() == set()


def test_an_expiry_that_is_undone_lowers_the_breakage_of_its_day(account: Account) -> None:
    pay_in(account, 100, MONDAY, expires_at=MONDAY + timedelta(hours=1))
    read_wallet(account_id=account.pk, now=MONDAY + timedelta(hours=2))
    expiry = LedgerEntry.objects.get(account=account, kind=Kind.EXPIRY)
    reverse_entry(
        account_id=account.pk, seq=expiry.seq, amount_nanos=60, reason="Tests.", actor_id=None, source_key="tests:unexpired", now=TUESDAY
    )
    fold(WEDNESDAY)
    assert (kept(account, MONDAY), kept(account, TUESDAY)) == ({"breakage_paid": 100}, {"breakage_paid": -60})
    assert lies() == set()


def test_a_day_is_over_an_hour_after_midnight_and_folded_once(account: Account) -> None:
    use(account, 5, MONDAY)
    midnight = TUESDAY.replace(hour=0)
    assert fold(midnight + timedelta(minutes=59, seconds=59)) == 0
    assert (RevenueDay.objects.count(), folded_through()) == (0, MONDAY.date() - DAY)
    assert [fold(midnight + timedelta(hours=1)) for _ in range(2)] == [1, 0]
    assert kept(account, MONDAY) == {"owed": 5}


def test_an_empty_platform_is_folded_through_yesterday(db: None) -> None:
    assert (fold(WEDNESDAY), folded_through()) == (0, date(2026, 3, 10))


def test_a_run_without_time_goes_on_where_it_ended(account: Account) -> None:
    for days in range(3):
        use(account, 5 + days, MONDAY + days * DAY)
    assert fold(MONDAY + 4 * DAY, days=2) == 2
    assert (folded_through(), lies()) == (TUESDAY.date(), set())
    assert fold(MONDAY + 4 * DAY) == 2
    assert list(RevenueTotal.objects.order_by("day").values_list("owed_nanos", flat=True)) == [5, 6, 7]


def test_a_fold_that_is_killed_half_way_has_done_nothing(account: Account) -> None:
    use(account, 5, MONDAY)
    fold(MONDAY)
    with transaction.atomic():
        assert fold(TUESDAY) == 1
        transaction.set_rollback(True)
    assert (RevenueDay.objects.count(), folded_through()) == (0, MONDAY.date() - DAY)
    assert (fold(TUESDAY), kept(account, MONDAY), lies()) == (1, {"owed": 5}, set())


@pytest.mark.django_db(transaction=True)
def test_folds_at_once_beside_each_other_fold_every_day_once(transactional_db: None, account: Account) -> None:
    for days in range(4):
        use(account, 5, MONDAY + days * DAY)
    outcomes = at_once(*[lambda: fold(MONDAY + 5 * DAY)] * 4, job)
    assert failures(outcomes) == []
    assert list(RevenueTotal.objects.order_by("day").values_list("owed_nanos", flat=True)) == [5] * 4
    assert (RevenueMark.objects.count(), lies()) == (1, set())


def test_a_random_history_is_its_recount_and_all_usage_is_somebodys(account: Account) -> None:
    rng, accounts = random.Random(7), [account, factories.make_account(), factories.make_account()]
    charged: list[LedgerEntry] = []
    for step in range(150):
        at, whose = MONDAY + step * timedelta(hours=1), rng.choice(accounts)
        act = rng.choice(("use", "use", "use", "pay", "give", "back", "short", "forgive"))
        if act == "use":
            charged.append(use(whose, rng.randint(1, 400), at))
        elif act == "pay":
            pay_in(whose, rng.randint(1, 700), at)
        elif act == "give":
            factories.give(whose, rng.randint(1, 300), now=at)
        elif act == "short":
            pay_in(whose, rng.randint(1, 300), at, expires_at=at + timedelta(hours=rng.randint(1, 30)))
        elif act == "forgive" and Wallet.objects.get(pk=whose.pk).debt_nanos:
            forgive(whose, 1, at)
        elif act == "back" and charged:
            give_back(charged.pop(rng.randrange(len(charged))), 1, at)
    end = MONDAY + 160 * timedelta(hours=1)
    for each in accounts:
        read_wallet(account_id=each.pk, now=end)
    fold(end + 2 * DAY)
    sums = RevenueDay.objects.aggregate(**{name: Sum(name) for name in REVENUE_NANOS})
    usage = -LedgerEntry.objects.filter(kind=Kind.USAGE).aggregate(nanos=Sum("amount_nanos"))["nanos"]
    assert sums["paid_nanos"] + sums["promo_nanos"] + sums["owed_nanos"] == usage > 0
    closed = ("settled_paid_nanos", "settled_promo_nanos", "written_off_nanos", "returned_owed_nanos")
    debt = Wallet.objects.aggregate(nanos=Sum("debt_nanos"))["nanos"]
    assert sums["owed_nanos"] - sum(sums[name] for name in closed) == debt
    returned = sum(sums[f"returned_{by}_nanos"] for by in ("paid", "promo", "owed"))
    assert returned == LedgerEntry.objects.filter(kind=Kind.USAGE_REFUND).aggregate(nanos=Sum("amount_nanos"))["nanos"]
    expired = -LedgerEntry.objects.filter(kind=Kind.EXPIRY).aggregate(nanos=Sum("amount_nanos"))["nanos"]
    assert sums["breakage_paid_nanos"] + sums["breakage_promo_nanos"] == expired
    assert all(sums[name] > 0 for name in REVENUE_NANOS if "breakage_promo" not in name), sums
    assert lies() == set()


LIES: Final = {
    "UPDATE revenue_day SET paid_nanos = paid_nanos + 1": {"revenue days recount", "revenue totals add up"},
    "UPDATE revenue_day SET breakage_promo_nanos = 1": {"revenue days recount", "revenue totals add up"},
    "UPDATE revenue_day SET day = day - 1": {"revenue days recount", "revenue totals add up"},
    "DELETE FROM revenue_day": {"revenue days recount", "revenue totals add up"},
    "UPDATE revenue_total SET owed_nanos = owed_nanos + 1": {"revenue totals add up"},
    "DELETE FROM revenue_total": {"revenue totals add up"},
    "UPDATE revenue_mark SET through_on = through_on - 2": {"revenue days recount", "revenue totals add up"},
    "DELETE FROM revenue_mark": {"revenue days recount", "revenue totals add up"},
    "UPDATE allocation SET created_at = created_at - interval '1 day'": {"revenue days recount"},
    "DELETE FROM allocation": {"revenue days recount"},
}


@pytest.mark.parametrize("sql", LIES)
def test_revenue_that_does_not_fit_its_allocations_is_named(account: Account, sql: str) -> None:
    pay_in(account, 10, MONDAY)
    use(account, 15, MONDAY)
    fold(WEDNESDAY)
    assert lies() == set()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(sql)
        assert cursor.rowcount > 0
        cursor.execute("SET session_replication_role = origin")
    assert {name for name, _ in lies()} == LIES[sql]


def test_folding_moves_no_money(account: Account) -> None:
    use(account, 5, MONDAY)
    before = factories.books_now()
    fold(WEDNESDAY)
    assert factories.books_now() == before
