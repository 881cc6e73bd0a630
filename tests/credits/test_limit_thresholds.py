"""Thresholds of limits: noted when they are reached, and not when they only seem to be; what a limit forgets, and what it survives."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
import pytest
from django.db import connection
from psycopg.errors import Diagnostic

from accounts.models import Account, ApiKey
from accounts.services.api_keys import issue_api_key
from credits.models import Hold, LimitBucket, LimitNotice, Policy, Wallet
from credits.services.holds import HoldTerms, open_hold, void_hold
from credits.services.limits import Duration, LimitTerms, Strategy, forget_old_buckets, read_limit, set_limit
from credits.services.policies import set_policy
from tests import actors, factories
from tests.spending import price, report
from usage.models import UsageEvent
from usage.rating import Prices
from usage.services.ingest import ingest

pytestmark = pytest.mark.django_db

USD: Final = 1_000_000_000
NOON: Final = datetime(2026, 3, 4, 12, tzinfo=UTC)


@pytest.fixture
def account(db: None) -> Iterator[Account]:
    """An account with $1,000, and a model that costs $1 per thousand tokens of input. Every check agrees at the end."""
    factories.forget_memories()
    made = actors.make_person("alice").account
    price(prices=Prices(1_000 * USD, 0, 0, 0, 0, 0, 0, 0, 10_000), since=NOON - timedelta(days=30))
    factories.give(made, 1_000 * USD, now=NOON - timedelta(days=10))
    yield made
    assert factories.disagreements() == []
    factories.forget_memories()


def a_key(account: Account) -> ApiKey:
    owner = account.personal_of_id or 0
    return issue_api_key(account_id=account.pk, name="k", scopes=["usage:read"], actor_id=owner, now=NOON - timedelta(days=9)).key


def limit(account: Account, dollars: int, strategy: Strategy = Strategy.FIXED, now: datetime = NOON, key: ApiKey | None = None) -> None:
    terms = LimitTerms(dollars * USD, Duration.DAILY, strategy, None if key is None else key.pk)
    set_limit(account_id=account.pk, terms=terms, actor_id=None, reason="Tests.", now=now)


def hold(account: Account, dollars: int, at: datetime = NOON, key: ApiKey | None = None) -> str:
    terms = HoldTerms(dollars * USD, timedelta(hours=5), api_key_id=None if key is None else key.pk)
    made, *_ = open_hold(account_id=account.pk, terms=terms, now=at)
    return made.public_id


def spend(account: Account, event_id: str, dollars: int, at: datetime = NOON, **said: object) -> None:
    factories.end_of_transaction()
    report(account, event_id, now=at, input_tokens=dollars * 1_000, **said)


def noted() -> list[tuple[int, int, int]]:
    """Thresholds as (percent, dollars used, dollars allowed), in the order in which they were noted."""
    rows = LimitNotice.objects.order_by("id").values_list("percent", "used_nanos", "amount_nanos")
    return [(percent, used // USD, amount // USD) for percent, used, amount in rows]


def test_a_hold_that_another_key_captures_notes_nothing_that_was_not_reached(account: Account) -> None:
    limit(account, 100)
    spend(account, "call", 60, hold=hold(account, 60), api_key=a_key(account).public_id)

    assert noted() == [(50, 60, 100)]


def test_a_batch_notes_what_is_reached_once_it_is_counted_whole(account: Account) -> None:
    limit(account, 100)
    opened = [hold(account, 10) for _ in range(4)]
    factories.end_of_transaction()
    events = [factories.event(account, f"call-{name}", input_tokens=5_000, hold=name) for name in opened]
    events.append(factories.event(account, "other", input_tokens=35_000))
    assert ingest(msgspec.json.encode(events), now=NOON).accepted == 5

    assert noted() == [(50, 55, 100)]


def test_a_limit_that_is_raised_warns_of_its_new_amount(account: Account) -> None:
    limit(account, 10)
    spend(account, "one", 10)
    limit(account, 20)
    spend(account, "two", 10)
    limit(account, 20)
    limit(account, 10)

    first = [(50, 10, 10), (75, 10, 10), (100, 10, 10)]
    assert noted() == [*first, (50, 10, 20), (75, 20, 20), (100, 20, 20)]


def test_a_limit_that_is_passed_when_it_is_set_is_noted_then(account: Account) -> None:
    key = a_key(account)
    spend(account, "one", 8, api_key=key.public_id)
    limit(account, 10, key=key)

    assert noted() == [(50, 8, 10), (75, 8, 10)]


def test_a_limit_set_over_a_hold_that_has_ended_notes_nothing(account: Account) -> None:
    hold(account, 8)
    limit(account, 10, now=NOON + timedelta(hours=6))

    assert noted() == []


def test_a_limit_of_nothing_is_reached_by_the_first_spending_and_not_before(account: Account) -> None:
    limit(account, 0)
    assert noted() == []

    spend(account, "one", 1)
    assert noted() == [(50, 1, 0), (75, 1, 0), (100, 1, 0)]


@pytest.mark.parametrize("strategy", Strategy)
def test_what_an_idle_wallet_counts_is_not_forgotten(account: Account, strategy: Strategy) -> None:
    limit(account, 100, strategy)
    opened = hold(account, 5)
    spend(account, "one", 3)
    much_later = NOON + timedelta(days=20)

    assert forget_old_buckets(now=much_later) == 0
    assert factories.disagreements() == []
    # Nor does another host, whose clock is right, find less than it takes back.
    void_hold(account_id=account.pk, public_id=opened, now=NOON + timedelta(hours=1))
    view = read_limit(account_id=account.pk, api_key_id=None, now=NOON + timedelta(hours=1))
    assert view is not None
    assert view.used_nanos == 3 * USD

    spend(account, "two", 1, at=much_later)
    assert forget_old_buckets(now=much_later) == 1


@pytest.mark.parametrize("is_gone", [False, True])
def test_a_bucket_that_holds_too_little_stops_no_money_and_is_told(account: Account, is_gone: bool) -> None:  # noqa: FBT001
    limit(account, 100)
    opened = hold(account, 5)
    if is_gone:
        LimitBucket.objects.all().delete()
    else:
        LimitBucket.objects.update(nanos=2 * USD)
    told = warnings_while(lambda: void_hold(account_id=account.pk, public_id=opened, now=NOON))

    assert Hold.objects.get().status == "voided"
    assert Wallet.objects.get().reserved_nanos == 0
    (line,) = told
    assert f"of account {account.pk}: {5 * USD} nanos taken back" in line
    assert list(LimitBucket.objects.values_list("nanos", flat=True)) == ([] if is_gone else [0])


def warnings_while(act: Callable[[], object]) -> list[str]:
    """What the database warned of."""
    told: list[str] = []

    def hear(said: Diagnostic) -> None:
        told.append(f"{said.severity}: {said.message_primary}")

    connection.connection.add_notice_handler(hear)
    act()
    connection.connection.remove_notice_handler(hear)
    return told


def test_a_batch_of_captures_that_absorbs_counts_what_it_charged(account: Account) -> None:
    """Many holds, opened over hours by several keys, captured together: some within, some beyond, some absorbed."""
    keys: list[ApiKey | None] = [None, a_key(account), a_key(account)]
    for key in keys:
        limit(account, 5_000, Strategy.SLIDING, key=key)
    opened = [hold(account, 20, NOON + timedelta(minutes=7 * number), keys[number % 3]) for number in range(40)]
    set_policy(account_id=account.pk, policy=Policy.ABSORB, reason="Tests.", actor_id=None, now=NOON)
    factories.end_of_transaction()
    events: list[dict[str, Any]] = [
        factories.event(account, f"call-{number}", input_tokens=1_000 * (number % 5) * 15, hold=name) for number, name in enumerate(opened)
    ]
    for number in range(0, 40, 4):
        events[number]["api_key"] = keys[1].public_id if keys[1] else None
    assert ingest(msgspec.json.encode(events), now=NOON + timedelta(minutes=7 * 40)).accepted == 40

    charged = sum(UsageEvent.objects.values_list("charged_nanos", flat=True))
    assert (charged, UsageEvent.objects.filter(absorbed_nanos__gt=0).exists()) == (1_000 * USD, True)
    view = read_limit(account_id=account.pk, api_key_id=None, now=NOON + timedelta(hours=5))
    assert view is not None
    assert view.used_nanos == charged
