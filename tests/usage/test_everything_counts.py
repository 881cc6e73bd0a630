"""Roll-ups = events = entries = wallets, whatever order, repetition, price or day things come in; by explicit sums."""

import json
import random
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import pytest

from accounts.models import Account
from accounts.services.account import AccountChanges, change_account
from credits.models import LedgerEntry, Wallet
from credits.services.holds import HoldTerms, open_hold
from tests import factories
from tests.factories import Event
from tests.spending import adjust, price, refund
from tests.usage.counting import Sums, assert_all_agrees, days_of, sums_everywhere
from usage.models import UsageDay, UsageEvent, UsageQuarter
from usage.rating import Prices
from usage.services.captures import CaptureRequest, capture
from usage.services.events import IngestAnswer
from usage.services.ingest import ingest

pytestmark = pytest.mark.django_db
NOON: Final = datetime(2026, 3, 10, 12, tzinfo=UTC)
HOUR: Final = timedelta(hours=1)
ONE_NANO: Final = Prices(10**6, 0, 0, 0, 0, request=0, image=0, second=0, multiplier_bp=10_000)
THREE_NANOS: Final = Prices(3 * 10**6, 0, 0, 0, 0, request=0, image=0, second=0, multiplier_bp=10_000)


@pytest.fixture(autouse=True)
def priced(db: None) -> None:
    price("nano", ONE_NANO, since=NOON - timedelta(days=120))


def call(account: Account, event_id: str, tokens: int, at: datetime | None = None, **said: object) -> Event:
    when: Event = {} if at is None else {"occurred_at": at.isoformat()}
    return factories.event(account, event_id, **({"model": "nano", "input_tokens": tokens} | when | said))


def send(events: Sequence[Event], now: datetime = NOON) -> IngestAnswer:
    factories.end_of_transaction()
    return ingest(json.dumps(list(events)).encode(), now=now)


def test_duplicates_and_conflicts_inside_a_batch_count_once() -> None:
    account, other = factories.make_account(), factories.make_account()
    adjust(account, 1_000, NOON)
    one, two = call(account, "one", 10), call(account, "two", 20)
    batch = [one, two, one, call(account, "one", 11), call(other, "one", 5), two, one, call(account, "free", 0), call(account, "free", 0)]
    answer = send(batch)
    assert (answer.accepted, answer.duplicates, [refused.code for refused in answer.rejected]) == (4, 4, ["event_id_conflict"])
    assert (sums_everywhere(account), sums_everywhere(other)) == (Sums(3, 30, 30), Sums(1, 5, 5))
    again = send(batch[::-1])
    assert (again.accepted, again.duplicates, len(again.rejected)) == (0, 8, 1)
    assert (sums_everywhere(account), sums_everywhere(other)) == (Sums(3, 30, 30), Sums(1, 5, 5))
    assert_all_agrees()


def test_a_price_change_in_the_middle_of_a_batch_counts_each_call_by_its_own_version() -> None:
    account = factories.make_account()
    adjust(account, 10_000, NOON)
    changes_at = NOON - HOUR
    before = UsageEvent.objects.count()
    dearer = factories.change_price("nano", THREE_NANOS, effective_at=changes_at)
    steps = [timedelta(seconds=seconds) for seconds in range(-1_000, 1_000, 50)]
    events = [call(account, f"call-{number}", 7, changes_at + step) for number, step in enumerate(steps)]
    random.Random(5).shuffle(events)
    assert send(events).accepted == len(steps)
    late = [step for step in steps if step >= timedelta(0)]
    cost = 7 * (len(steps) - len(late)) + 21 * len(late)
    assert sums_everywhere(account) == Sums(len(steps), 7 * len(steps), cost)
    by_version = Counter(UsageEvent.objects.values_list("price_version_id", "cost_nanos"))
    assert by_version[dearer.pk, 21] == len(late) == UsageEvent.objects.filter(occurred_at__gte=changes_at).count()
    assert len(by_version) == 2
    quarters = Counter({row.starts_at: row.cost_nanos for row in UsageQuarter.objects.filter(account=account)})
    expected: Counter[datetime] = Counter()
    for step in steps:
        at = changes_at + step
        expected[at.replace(minute=at.minute // 15 * 15, second=0)] += 21 if step >= timedelta(0) else 7
    assert (quarters, before) == (expected, 0)
    refund(account, "call-0", now=NOON)
    assert sums_everywhere(account) == Sums(len(steps), 7 * len(steps), cost - 7)
    assert_all_agrees()


@pytest.mark.parametrize(
    ("zone", "around"),
    [
        ("Asia/Kolkata", datetime(2026, 3, 8, tzinfo=ZoneInfo("Asia/Kolkata"))),
        ("Australia/Lord_Howe", datetime(2026, 4, 5, tzinfo=ZoneInfo("Australia/Lord_Howe"))),
        ("America/New_York", datetime(2026, 3, 8, tzinfo=ZoneInfo("America/New_York"))),
    ],
)
def test_late_events_over_a_local_day_boundary_are_counted_on_their_local_day(zone: str, around: datetime) -> None:
    """In Lord Howe and New York the clock changes on that day, by half an hour and by a whole one."""
    account = factories.make_account(zone=zone)
    midnight = around.astimezone(UTC)
    now = midnight + timedelta(days=4)
    adjust(account, 10**6, midnight - timedelta(days=2))
    instants = [midnight + timedelta(minutes=7 * number) for number in range(-220, 440)]
    instants += [midnight - timedelta(microseconds=1), midnight, midnight + timedelta(days=1)]
    events = [call(account, f"call-{number}", 1 + number % 5, at) for number, at in enumerate(instants)]
    random.Random(7).shuffle(events)
    for start in range(0, len(events), 100):
        send(events[start : start + 100], now)
    local = Counter(at.astimezone(ZoneInfo(zone)).date().isoformat() for at in instants)
    assert days_of(account) == local
    tokens = sum(1 + number % 5 for number in range(len(instants)))
    assert sums_everywhere(account) == Sums(len(instants), tokens, tokens)
    # Refunds and repeats of late events stay on the day of the call.
    for number in (0, 300, len(instants) - 3, len(instants) - 2):
        refund(account, f"call-{number}", now=now)
    assert send(events[:50], now).duplicates == 50
    assert days_of(account) == local
    assert sum(row.events for row in UsageDay.objects.filter(account=account, status="refunded")) == 4
    assert_all_agrees()


def test_what_was_counted_stays_on_its_day_when_the_account_moves_to_another_zone() -> None:
    account = factories.make_account(zone="UTC")
    adjust(account, 1_000, NOON)
    at = datetime(2026, 3, 9, 23, 30, tzinfo=UTC)
    send([call(account, "before", 5, at)])
    change_account(account_id=account.pk, changes=AccountChanges(zone="Asia/Kolkata"), now=NOON)
    factories.forget_memories()
    later = NOON + timedelta(days=2)
    send([call(account, "after", 7, at), call(account, "before", 5, at)], later)
    refund(account, "before", 2, now=later)
    days = UsageDay.objects.filter(account=account).values_list("day", "events", "cost_nanos")
    assert {(day.isoformat(), events, cost) for day, events, cost in days} == {("2026-03-09", 1, 3), ("2026-03-10", 1, 7)}
    assert sums_everywhere(account) == Sums(2, 12, 10)
    assert_all_agrees()


def test_a_random_month_of_batches_captures_repeats_and_refunds_adds_up() -> None:
    rng = random.Random(31)
    accounts = [factories.make_account(zone=zone) for zone in ("UTC", "Asia/Kolkata", "America/New_York")]
    for account in accounts:
        adjust(account, 3_000, NOON)
    known: dict[tuple[int, str], tuple[Event, int]] = {}
    given_back: Counter[tuple[int, str]] = Counter()
    now = NOON
    for turn in range(30):
        now += timedelta(minutes=rng.randrange(900))
        batch = [new_call(rng, rng.choice(accounts), f"{turn}-{number}", now) for number in range(12)]
        batch += [rng.choice(list(known.values()))[0] for _ in range(4) if known]
        rng.shuffle(batch)
        send(batch, now)
        for event in batch:
            account = next(each for each in accounts if each.public_id == event["account"])
            known.setdefault((account.pk, str(event["event_id"])), (event, int(str(event["input_tokens"]))))
        for account_id, event_id in rng.sample(sorted(known), 3):
            left = known[account_id, event_id][1] - given_back[account_id, event_id]
            if left:
                part = rng.choice([None, rng.randrange(1, left + 1)])
                account = next(each for each in accounts if each.pk == account_id)
                refund(account, event_id, part, now=now)
                given_back[account_id, event_id] += part or left
    for account in accounts:
        mine = {key: tokens for key, (_, tokens) in known.items() if key[0] == account.pk}
        cost = sum(tokens - given_back[key] for key, tokens in mine.items())
        assert sums_everywhere(account) == Sums(len(mine), sum(mine.values()), cost)
        whole = sum(1 for key, tokens in mine.items() if 0 < tokens == given_back[key])
        assert sum(row.events for row in UsageDay.objects.filter(account=account, status="refunded")) == whole
        assert Wallet.objects.get(pk=account.pk).balance_nanos == 3_000 - cost
    assert_all_agrees()


def new_call(rng: random.Random, account: Account, event_id: str, now: datetime) -> Event:
    status = rng.choice(["success", "success", "failed"])
    endpoint = rng.choice(["", "/v1/chat"])
    at = now - timedelta(minutes=rng.randrange(3_000))
    return call(account, event_id, rng.randrange(30), at, status=status, endpoint=endpoint)


def test_2500_single_captures_of_four_millionths_of_a_dollar_cost_exactly_one_cent() -> None:
    price("tiny", Prices(0, 0, 0, 0, 0, request=4_000, image=0, second=0, multiplier_bp=10_000), since=NOON - HOUR)
    account = factories.make_account()
    adjust(account, 20 * 10**9, NOON)
    for number in range(2_500):
        hold, *_ = open_hold(account_id=account.pk, terms=HoldTerms(4_000, HOUR), now=NOON)
        asked = CaptureRequest(account=account.public_id, event_id=f"call-{number}", model="tiny")
        assert capture(asked, hold=hold.public_id, now=NOON).charged_nanos == 4_000
    assert sums_everywhere(account) == Sums(2_500, 0, 10_000_000)
    assert Wallet.objects.get(pk=account.pk).balance_nanos == 19_990_000_000
    assert set(LedgerEntry.objects.filter(kind="usage").values_list("amount_nanos", flat=True)) == {-4_000}
    assert_all_agrees()
