"""Setting limits, what counts against them, and what a refund, a zone or a change of terms does to what was counted."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from django.db import connection

from accounts.models import Account
from accounts.services.api_keys import issue_api_key
from core import ids
from core.errors import NotFound
from core.models import AuditRecord
from core.money import AMOUNT_MAX_NANOS
from credits.errors import AmountOutOfRange
from credits.models import LedgerEntry, LimitBucket, LimitNotice, SpendingLimit, Wallet
from credits.reconciliation import CHECKS
from credits.services.limits import (
    Duration,
    LimitTerms,
    LimitView,
    Strategy,
    forget_old_buckets,
    list_limits,
    read_limit,
    remove_limit,
    set_limit,
)
from tests import actors, factories, spending
from tests.spending import price, report
from usage.rating import Prices

pytestmark = pytest.mark.django_db

USD: Final = 1_000_000_000
NOON: Final = datetime(2026, 3, 4, 12, tzinfo=UTC)
"""A Wednesday."""


@pytest.fixture(autouse=True)
def no_memories() -> Iterator[None]:
    factories.forget_memories()
    yield
    factories.forget_memories()


@pytest.fixture
def account(db: None) -> Account:
    """An account of UTC with $100, and a model that costs $1 per thousand tokens of input."""
    made = actors.make_person("alice").account
    price(prices=Prices(1_000 * USD, 0, 0, 0, 0, 0, 0, 0, 10_000), since=NOON - timedelta(days=400))
    factories.give(made, 100 * USD, now=NOON - timedelta(days=100))
    return made


def limit(account: Account, dollars: int, duration: str = "daily", strategy: str = "fixed", **more: Any) -> LimitView:
    now = more.pop("now", NOON)
    terms = LimitTerms(dollars * USD, Duration(duration), Strategy(strategy), **more)
    return set_limit(account_id=account.pk, terms=terms, actor_id=actors_id(account), reason="Tests.", now=now)


def actors_id(account: Account) -> int | None:
    return account.personal_of_id


def spend(account: Account, dollars: int, at: datetime = NOON, event_id: str | None = None, **said: object) -> LedgerEntry:
    """A call that costs so much, booked then."""
    factories.end_of_transaction()
    said_id = event_id or ids.new_public_id()
    report(account, said_id, now=at, input_tokens=dollars * 1_000, **said)
    return LedgerEntry.objects.get(account=account, source_id=said_id)


def refund(entry: LedgerEntry, dollars: int, at: datetime = NOON) -> None:
    spending.refund(entry.account, entry.source_id, dollars * USD, now=at)


def used(account: Account, at: datetime = NOON, api_key_id: int | None = None) -> int:
    """Dollars counted; the check that recounts agrees at every look."""
    view = read_limit(account_id=account.pk, api_key_id=api_key_id, now=at)
    assert view is not None
    assert disagreements() == []
    dollars, rest = divmod(view.used_nanos, USD)
    assert rest == 0
    return dollars


def audited() -> int:
    return AuditRecord.objects.filter(object_type="spending_limit").count()


def disagreements() -> list[tuple[int, str]]:
    recount = next(check for check in CHECKS if check.name == "limit buckets recount")
    return list(recount.find(1, 2**62))


def blocking(account: Account, dollars: int, at: datetime = NOON, api_key_id: int | None = None) -> tuple[Any, ...] | None:
    """What stops a hold of so much: (limit, key, dollars allowed, dollars used, when it would fit)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM limit_blocking(%s, %s, %s, %s)", [account.pk, api_key_id, dollars * USD, at])
        row = cursor.fetchone()
    return None if row is None else (row[0], row[1], row[2] // USD, row[3] // USD, row[4])


def test_a_limit_counts_what_was_spent_before_it_was_set(account: Account) -> None:
    spend(account, 7, NOON - timedelta(days=1))
    spend(account, 3, NOON - timedelta(hours=2))

    made = limit(account, 10)

    assert (made.used_nanos, made.remaining_nanos) == (3 * USD, 7 * USD)
    assert made.counts_since == datetime(2026, 3, 4, tzinfo=UTC)
    assert made.resets_at == datetime(2026, 3, 5, tzinfo=UTC)
    assert disagreements() == []


def test_usage_is_added_and_never_refused(account: Account) -> None:
    limit(account, 10)
    spend(account, 8)
    spend(account, 8)

    assert used(account) == 16
    assert read_limit(account_id=account.pk, api_key_id=None, now=NOON).remaining_nanos == 0  # type: ignore[union-attr]


def test_an_account_without_limits_counts_nothing(account: Account) -> None:
    spend(account, 8)

    assert read_limit(account_id=account.pk, api_key_id=None, now=NOON) is None
    assert not LimitBucket.objects.exists()
    assert not Wallet.objects.get(pk=account.pk).has_limits
    assert blocking(account, 10**6) is None


def test_what_fits_exactly_is_let_through_and_a_dollar_more_is_not(account: Account) -> None:
    made = limit(account, 10)
    spend(account, 8)

    assert blocking(account, 2) is None
    assert blocking(account, 3) == (made.id, None, 10, 8, datetime(2026, 3, 5, tzinfo=UTC))
    assert blocking(account, 3, datetime(2026, 3, 5, tzinfo=UTC)) is None


def test_a_key_is_stopped_by_its_own_limit_and_by_the_account_s_before_it(account: Account) -> None:
    key = issue_api_key(account_id=account.pk, name="k", scopes=["usage:read"], actor_id=actors_id(account) or 0, now=NOON).key
    limit(account, 10)
    own = limit(account, 5, api_key_id=key.pk)
    spend(account, 4, api_key=key.public_id)
    spend(account, 1)

    assert (used(account), used(account, api_key_id=key.pk)) == (5, 4)
    assert blocking(account, 2) is None
    assert blocking(account, 2, api_key_id=key.pk) == (own.id, key.pk, 5, 4, datetime(2026, 3, 5, tzinfo=UTC))
    stopped = blocking(account, 6, api_key_id=key.pk)
    assert stopped is not None
    assert stopped[1] is None


def test_a_sliding_limit_says_when_the_amount_would_fit(account: Account) -> None:
    limit(account, 10, strategy="sliding", now=NOON - timedelta(days=1))
    spend(account, 4, NOON - timedelta(hours=20))
    spend(account, 4, NOON - timedelta(hours=10))
    spend(account, 1, NOON)

    assert blocking(account, 1) is None
    first = blocking(account, 5)
    second = blocking(account, 6)
    never = blocking(account, 11)
    assert first is not None
    assert second is not None
    assert never is not None
    assert first[4] == NOON + timedelta(hours=4, minutes=5)
    assert second[4] == NOON + timedelta(hours=14, minutes=5)
    assert never[4] == NOON + timedelta(hours=24, minutes=5)
    for amount, row in ((5, first), (6, second)):
        assert blocking(account, amount, row[4] - timedelta(microseconds=1)) is not None
        assert blocking(account, amount, row[4]) is None


def test_a_changed_window_keeps_the_history(account: Account) -> None:
    spend(account, 1, NOON - timedelta(days=20))
    spend(account, 2, NOON - timedelta(days=2))
    spend(account, 4, NOON - timedelta(hours=13))
    spend(account, 8, NOON)
    told = [
        (duration, strategy, limit(account, 50, duration, strategy).used_nanos // USD)
        for duration in ("daily", "weekly", "monthly")
        for strategy in ("fixed", "sliding")
    ]

    assert told == [
        ("daily", "fixed", 8),
        ("daily", "sliding", 12),
        ("weekly", "fixed", 14),
        ("weekly", "sliding", 14),
        ("monthly", "fixed", 14),
        ("monthly", "sliding", 15),
    ]
    assert disagreements() == []
    assert SpendingLimit.objects.count() == 1


def test_a_limit_below_what_is_spent_blocks_at_once_and_a_raised_one_lets_through(account: Account) -> None:
    limit(account, 10)
    spend(account, 8)
    limit(account, 5)
    assert blocking(account, 1) is not None

    limit(account, 9)
    assert blocking(account, 1) is None


def test_the_same_terms_again_change_nothing(account: Account) -> None:
    limit(account, 10)
    before = SpendingLimit.objects.values().get(), audited()

    limit(account, 10, now=NOON + timedelta(hours=1))

    assert (SpendingLimit.objects.values().get(), audited()) == before


def test_who_set_a_limit_and_what_it_was_before_is_kept(account: Account) -> None:
    limit(account, 10)
    limit(account, 20, "weekly")
    remove_limit(account_id=account.pk, api_key_id=None, actor_id=None, reason="Not needed.", now=NOON)
    ten, twenty = (
        {"amount_usd": "10.00", "duration": "daily", "strategy": "fixed"},
        {"amount_usd": "20.00", "duration": "weekly", "strategy": "fixed"},
    )

    assert list(
        AuditRecord.objects.filter(object_type="spending_limit")
        .order_by("id")
        .values_list("act", "object_id", "before", "after", "reason", "actor_id")
    ) == [
        ("set_limit", str(account.pk), {}, ten, "Tests.", actors_id(account)),
        ("set_limit", str(account.pk), ten, twenty, "Tests.", actors_id(account)),
        ("remove_limit", str(account.pk), twenty, {}, "Not needed.", None),
    ]


def test_a_removed_limit_leaves_nothing_behind(account: Account) -> None:
    limit(account, 10)
    spend(account, 8)
    assert Wallet.objects.get(pk=account.pk).has_limits

    assert remove_limit(account_id=account.pk, api_key_id=None, actor_id=None, reason="Tests.", now=NOON)
    assert not remove_limit(account_id=account.pk, api_key_id=None, actor_id=None, reason="Tests.", now=NOON)

    assert not Wallet.objects.get(pk=account.pk).has_limits
    assert not LimitBucket.objects.exists()
    assert (list_limits(account_id=account.pk, now=NOON), disagreements()) == ([], [])


@pytest.mark.parametrize("nanos", [-1, AMOUNT_MAX_NANOS + 1])
def test_a_limit_that_cannot_be_counted_is_refused(account: Account, nanos: int) -> None:
    before = factories.books_now()
    with pytest.raises(AmountOutOfRange):
        set_limit(account_id=account.pk, terms=LimitTerms(nanos, Duration.DAILY, Strategy.FIXED), actor_id=None, reason="Tests.", now=NOON)

    assert (SpendingLimit.objects.count(), audited(), factories.books_now()) == (0, 0, before)


def test_a_key_of_somebody_else_gets_no_limit(account: Account) -> None:
    stranger = actors.customer_key(actors.make_person("charlie")).key
    before = factories.books_now()
    with pytest.raises(NotFound):
        limit(account, 10, api_key_id=stranger.pk)

    assert (SpendingLimit.objects.count(), audited(), factories.books_now()) == (0, 0, before)


def test_a_limit_of_nothing_lets_nothing_through(account: Account) -> None:
    limit(account, 0)

    assert blocking(account, 1) is not None


def test_what_is_due_is_booked_by_a_read(account: Account) -> None:
    limit(account, 10)
    factories.give(account, USD, effective_at=NOON + timedelta(hours=1), now=NOON)

    read_limit(account_id=account.pk, api_key_id=None, now=NOON + timedelta(hours=2))

    assert Wallet.objects.get(pk=account.pk).clock_at == NOON + timedelta(hours=2)
    assert factories.balance_of(account) == 101 * USD


def test_a_refund_gives_room_where_the_charge_was_counted(account: Account) -> None:
    limit(account, 10, strategy="sliding", now=NOON - timedelta(days=1))
    early = spend(account, 4, NOON - timedelta(hours=3))
    spend(account, 4, NOON)

    refund(early, 3, NOON)

    assert used(account) == 5
    assert used(account, NOON + timedelta(hours=22)) == 4


def test_a_refund_of_another_window_gives_no_room_in_this_one(account: Account) -> None:
    limit(account, 10, now=NOON - timedelta(days=2))
    yesterday = spend(account, 4, NOON - timedelta(days=1))
    spend(account, 4, NOON)

    refund(yesterday, 4, NOON)

    assert used(account) == 4


def test_thresholds_are_noted_once_in_a_window(account: Account) -> None:
    limit(account, 10)
    for dollars in (4, 1, 1, 2, 5, 1):
        spend(account, dollars)
    tomorrow = NOON + timedelta(days=1)
    spend(account, 8, tomorrow)

    assert list(LimitNotice.objects.order_by("id").values_list("percent", "used_nanos", "window_starts_at")) == [
        (50, 5 * USD, NOON.replace(hour=0)),
        (75, 8 * USD, NOON.replace(hour=0)),
        (100, 13 * USD, NOON.replace(hour=0)),
        (50, 8 * USD, tomorrow.replace(hour=0)),
        (75, 8 * USD, tomorrow.replace(hour=0)),
    ]


def test_a_sliding_limit_notes_a_threshold_once_in_a_span_of_its_length(account: Account) -> None:
    limit(account, 10, "weekly", "sliding")
    for hours in range(3):
        spend(account, 5, NOON + timedelta(hours=hours))

    assert list(LimitNotice.objects.order_by("id").values_list("percent", flat=True)) == [50, 75, 100]


def test_a_new_zone_takes_over_at_the_next_midnight_and_is_recounted(account: Account) -> None:
    limit(account, 10)
    midnight = datetime(2026, 3, 5, tzinfo=UTC)
    account.next_zone, account.next_zone_at = "Asia/Kolkata", midnight
    account.save()
    spend(account, 2, midnight - timedelta(hours=6))
    spend(account, 3, midnight - timedelta(hours=5))

    assert used(account, midnight - timedelta(seconds=1)) == 5
    # The day of Kolkata began at 18:30 UTC: what was spent since then counts in the new window too.
    assert used(account, midnight) == 3
    assert read_limit(account_id=account.pk, api_key_id=None, now=midnight).resets_at == midnight + timedelta(hours=18, minutes=30)  # type: ignore[union-attr]
    assert SpendingLimit.objects.get().zone == "Asia/Kolkata"


def test_a_hold_is_decided_by_the_zone_in_force(account: Account) -> None:
    limit(account, 10)
    spend(account, 8, NOON)
    account.next_zone, account.next_zone_at = "Pacific/Kiritimati", datetime(2026, 3, 5, tzinfo=UTC)
    account.save()

    assert blocking(account, 3, NOON) is not None
    # Kiritimati's 5 March began at 10:00 UTC of the 4th, so what was spent at noon counts on.
    stopped = blocking(account, 3, datetime(2026, 3, 5, tzinfo=UTC))
    assert stopped is not None
    assert stopped[4] == datetime(2026, 3, 5, 10, tzinfo=UTC)
    assert disagreements() == []


@pytest.mark.parametrize(("duration", "strategy"), [(d, s) for d in ("daily", "weekly", "monthly") for s in ("fixed", "sliding")])
def test_buckets_that_count_no_more_are_forgotten_and_nothing_else(account: Account, duration: str, strategy: str) -> None:
    limit(account, 1_000, duration, strategy, now=NOON - timedelta(days=90))
    for days in (80, 33, 29, 6, 2, 1, 0):
        spend(account, 1, NOON - timedelta(days=days))
    before = used(account)

    forgotten = forget_old_buckets(now=NOON)

    assert forgotten > 0
    assert forget_old_buckets(now=NOON) == 0
    assert used(account) == before


@pytest.mark.parametrize(("duration", "strategy"), [(d, s) for d in ("daily", "weekly", "monthly") for s in ("fixed", "sliding")])
def test_a_host_whose_clock_is_a_day_ahead_forgets_nothing_that_counts(account: Account, duration: str, strategy: str) -> None:
    """Every window has a last day: at its end a clock that is a day ahead sees the next one."""
    limit(account, 1_000, duration, strategy, now=NOON - timedelta(days=90))
    for end in (NOON, datetime(2026, 3, 8, 23, 59, tzinfo=UTC), datetime(2026, 3, 31, 23, 59, tzinfo=UTC)):
        spend(account, 1, end - timedelta(hours=1))
        before = used(account, end)
        assert before > 0

        forget_old_buckets(now=end + timedelta(days=1))

        assert used(account, end) == before
        assert disagreements() == []
