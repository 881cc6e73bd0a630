"""One history, booked by each of the three ways (one function, one statement, by hand), leaves the same rows, to the thresholds noted."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
import pytest
from django.db import DatabaseError, connection, transaction

from accounts.models import Account, ApiKey
from accounts.services.api_keys import issue_api_key
from credits.models import Hold, LedgerEntry, LimitBucket, LimitNotice, Policy, SpendingLimit, Wallet
from credits.services.holds import HoldTerms, open_hold
from credits.services.limits import Duration, LimitTerms, Strategy, set_limit
from credits.services.policies import set_policy
from tests import factories
from tests.spending import price
from usage.models import UsageDay, UsageEvent, UsageQuarter
from usage.rating import Prices
from usage.services.captures import CaptureRequest, capture
from usage.services.counting import count_accounts
from usage.services.ingest import ingest

pytestmark = pytest.mark.django_db

NOON: Final = datetime(2026, 3, 4, 12, tzinfo=UTC)
ONE_NANO: Final = Prices(10**6, 0, 0, 0, 0, request=0, image=0, second=0, multiplier_bp=10_000)
WAYS: Final = ("capture", "batch", "by hand")
A_KEY, OTHER_KEY, NO_KEY = 0, 1, None


@dataclass(frozen=True)
class Call:
    """A hold and the call that captures it, an hour later: in nanos; by which of the account's keys each."""

    held: int
    hold_key: int | None
    cost: int
    key: int | None


HISTORIES: Final = {
    "within the hold": [Call(40, NO_KEY, 30, NO_KEY), Call(40, NO_KEY, 40, NO_KEY)],
    "beyond it": [Call(10, NO_KEY, 60, NO_KEY), Call(10, A_KEY, 90, A_KEY)],
    "by the hold's key": [Call(60, A_KEY, 60, A_KEY), Call(20, A_KEY, 15, A_KEY)],
    "by a key, of a hold without": [Call(60, NO_KEY, 60, A_KEY)],
    "by another key": [Call(60, A_KEY, 60, OTHER_KEY), Call(10, OTHER_KEY, 45, A_KEY)],
    "by no key, of a key's hold": [Call(60, A_KEY, 70, NO_KEY)],
    "beyond it, by another key": [Call(60, A_KEY, 110, OTHER_KEY)],
    "for nothing, by no key": [Call(60, A_KEY, 0, NO_KEY)],
    "for nothing": [Call(60, A_KEY, 0, A_KEY)],
}


@pytest.fixture(autouse=True)
def priced(db: None) -> Iterator[None]:
    factories.forget_memories()
    price("nano", ONE_NANO, since=NOON - timedelta(days=1))
    yield
    factories.forget_memories()


def a_customer(way: str, strategy: Strategy) -> tuple[Account, list[ApiKey]]:
    """With enough credits, limits of 100 for the account and for each of two keys; a policy that a batch books by hand, where asked."""
    account = factories.make_account()
    factories.give(account, 10_000, now=NOON)
    owner = account.personal_of_id or 0
    keys = [
        issue_api_key(account_id=account.pk, name=name, scopes=["usage:read"], actor_id=owner, now=NOON - timedelta(days=1)).key
        for name in ("a", "b")
    ]
    for key_id in (None, *[key.pk for key in keys]):
        terms = LimitTerms(100, Duration.DAILY, strategy, key_id)
        set_limit(account_id=account.pk, terms=terms, actor_id=None, reason="Tests.", now=NOON)
    # All is available, so nothing is absorbed: the policy decides nothing but the way.
    policy = Policy.ABSORB if way == "by hand" else Policy.DEBT
    set_policy(account_id=account.pk, policy=policy, reason="Tests.", actor_id=None, now=NOON)
    return account, keys


def play(way: str, history: list[Call], strategy: Strategy) -> dict[str, object]:
    account, keys = a_customer(way, strategy)
    names = {None: None} | {number: key.public_id for number, key in enumerate(keys)}
    ids = {None: None} | {number: key.pk for number, key in enumerate(keys)}
    factories.forget_memories()
    for number, call in enumerate(history):
        opened_at = NOON + timedelta(hours=3 * number)
        terms = HoldTerms(call.held, timedelta(hours=2), api_key_id=ids[call.hold_key])
        opened, *_ = open_hold(account_id=account.pk, terms=terms, now=opened_at)
        said = {"event_id": f"call-{number}", "model": "nano", "input_tokens": call.cost, "api_key": names[call.key]}
        settle(way, account, opened.public_id, said, opened_at + timedelta(hours=1))
    return rows_of(account, keys)


def settle(way: str, account: Account, hold: str, said: dict[str, Any], now: datetime) -> None:
    factories.end_of_transaction()
    if way == "capture":
        capture(CaptureRequest(account=account.public_id, **said), hold=hold, now=now)
        return
    event = factories.event(account, hold=hold, **said)
    first = ingest(msgspec.json.encode([event]), now=now)
    factories.end_of_transaction()
    again = ingest(msgspec.json.encode([event]), now=now)
    assert (first.accepted, again.duplicates, again.rejected) == (1, 1, [])


def rows_of(account: Account, keys: list[ApiKey]) -> dict[str, object]:
    """What is written of an account, without its own ids."""
    key = {None: None, 0: "none"} | {key.pk: f"key {key.name}" for key in keys}
    count_accounts([account.pk])
    limits = {row.pk: key[row.api_key_id] for row in SpendingLimit.objects.filter(account=account)}
    of = {"account": account}
    noted = LimitNotice.objects.filter(**of).order_by("id")
    days = UsageDay.objects.filter(**of).values_list("api_key_id", "day", "events", "input_tokens", "cost_nanos")
    quarters = UsageQuarter.objects.filter(**of).values_list("api_key_id", "starts_at", "events", "cost_nanos")
    return {
        "entries": [
            (entry.seq, entry.kind, entry.amount_nanos, entry.balance_after_nanos, key[entry.api_key_id], entry.created_at, entry.source_id)
            for entry in LedgerEntry.objects.filter(**of, kind="usage").order_by("seq")
        ],
        "events": [
            (event.event_id, event.charged_nanos, event.absorbed_nanos, event.flag, key[event.api_key_id])
            for event in UsageEvent.objects.filter(**of).order_by("event_id")
        ],
        "days": sorted((key[key_id], *rest) for key_id, *rest in days),
        "quarters": sorted((key[key_id], *rest) for key_id, *rest in quarters),
        "holds": sorted(Hold.objects.filter(**of).values_list("status", "event_id", "closed_at")),
        "wallet": Wallet.objects.values("balance_nanos", "spent_nanos", "reserved_nanos", "clock_at", "next_change_at").get(**of),
        "counted": sorted((str(limits[row.limit_id]), row.starts_at, row.nanos) for row in LimitBucket.objects.filter(**of, nanos__gt=0)),
        "noted": sorted((str(limits[row.limit_id]), row.window_starts_at, row.percent, row.used_nanos, row.noted_at) for row in noted),
    }


@pytest.mark.parametrize("strategy", Strategy)
@pytest.mark.parametrize("name", HISTORIES)
def test_the_three_ways_leave_the_same_rows(name: str, strategy: Strategy) -> None:
    by_capture, by_batch, by_hand = [play(way, HISTORIES[name], strategy) for way in WAYS]

    assert by_batch == by_capture
    assert by_hand == by_capture
    assert by_capture["events"] != []
    assert factories.disagreements() == []


@pytest.mark.parametrize("way", WAYS)
def test_a_call_that_names_no_key_is_its_holds_wherever_it_is_counted(way: str) -> None:
    rows = play(way, [Call(60, A_KEY, 70, NO_KEY)], Strategy.FIXED)

    assert [entry[4] for entry in of_rows(rows, "entries")] == ["key a"]
    assert [event[4] for event in of_rows(rows, "events")] == ["key a"]
    assert [day[0] for day in of_rows(rows, "days")] == ["key a"]
    assert [quarter[0] for quarter in of_rows(rows, "quarters")] == ["key a"]
    assert ("key a", NOON.replace(hour=0), 70) in of_rows(rows, "counted")
    assert factories.disagreements() == []


def of_rows(rows: dict[str, object], name: str) -> list[tuple[object, ...]]:
    found = rows[name]
    assert isinstance(found, list)
    return found


def test_the_key_that_an_event_was_told_stays() -> None:
    play("batch", [Call(60, A_KEY, 70, NO_KEY)], Strategy.FIXED)
    before = factories.books_now()
    for told in ("NULL", "(SELECT max(id) FROM accounts_apikey)"):
        with pytest.raises(DatabaseError, match="what is recorded stays"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"UPDATE usage_event SET api_key_id = {told}")  # noqa: S608

    assert factories.books_now() == before
