"""What counts against a limit through the life of holds, compared with plain lists over random spending."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from accounts.models import Account, ApiKey
from accounts.services.api_keys import issue_api_key
from core import ids
from credits.errors import SpendingLimitReached
from credits.models import Hold, LimitBucket, LimitNotice, SpendingLimit
from credits.services.holds import HoldTerms, open_hold, void_hold
from credits.services.limits import Duration, LimitTerms, Strategy, read_limit, remove_limit, set_limit
from credits.services.wallets import read_wallet
from tests import actors, factories, spending
from tests.spending import price, report
from usage.rating import Prices

pytestmark = pytest.mark.django_db

USD: Final = 1_000_000_000
START: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
"""A Sunday."""
LENGTHS: Final = {"daily": timedelta(days=1), "weekly": timedelta(days=7), "monthly": timedelta(days=30)}
WIDTHS: Final = {"daily": timedelta(minutes=5), "weekly": timedelta(hours=1), "monthly": timedelta(hours=6)}
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.fixture
def account(db: None) -> Iterator[Account]:
    """An account with $100,000, and a model that costs $1 per thousand tokens of input. The books agree at the end."""
    factories.forget_memories()
    made = actors.make_person("alice").account
    price(prices=Prices(1_000 * USD, 0, 0, 0, 0, 0, 0, 0, 10_000), since=START - timedelta(days=1))
    factories.give(made, 100_000 * USD, now=START)
    yield made
    assert factories.disagreements() == []
    factories.forget_memories()


def a_key(account: Account) -> ApiKey:
    owner = account.personal_of_id
    assert owner is not None
    return issue_api_key(account_id=account.pk, name="k", scopes=["usage:read"], actor_id=owner, now=START).key


def pk_of(key: ApiKey | None) -> int | None:
    return None if key is None else key.pk


def limit(account: Account, dollars: int, duration: str = "daily", strategy: str = "fixed", key: ApiKey | None = None) -> None:
    terms = LimitTerms(dollars * USD, Duration(duration), Strategy(strategy), pk_of(key))
    set_limit(account_id=account.pk, terms=terms, actor_id=None, reason="Tests.", now=START)


def hold(account: Account, dollars: int, at: datetime, minutes: int = 60, key: ApiKey | None = None) -> str:
    made, *_ = open_hold(account_id=account.pk, terms=HoldTerms(dollars * USD, timedelta(minutes=minutes), api_key_id=pk_of(key)), now=at)
    return made.public_id


def spend(account: Account, dollars: int, at: datetime, **said: object) -> str:
    factories.end_of_transaction()
    event_id = ids.new_public_id()
    report(account, event_id, now=at, input_tokens=dollars * 1_000, **said)
    return event_id


def refund(account: Account, event_id: str, dollars: int, at: datetime) -> None:
    spending.refund(account, event_id, dollars * USD, now=at)


def used(account: Account, at: datetime, key: ApiKey | None = None) -> int:
    view = read_limit(account_id=account.pk, api_key_id=pk_of(key), now=at)
    assert view is not None
    return view.used_nanos // USD


def test_an_open_hold_counts_and_a_voided_one_does_not(account: Account) -> None:
    limit(account, 10)
    first = hold(account, 6, START)
    before = factories.books_now(), Hold.objects.count(), list(LimitBucket.objects.values())
    with pytest.raises(SpendingLimitReached):
        hold(account, 5, START)
    assert (factories.books_now(), Hold.objects.count(), list(LimitBucket.objects.values())) == before

    void_hold(account_id=account.pk, public_id=first, now=START)

    assert used(account, START) == 0
    hold(account, 10, START)
    assert used(account, START) == 10


def test_a_hold_that_expires_gives_its_room_back(account: Account) -> None:
    limit(account, 10)
    hold(account, 10, START, minutes=5)

    assert used(account, START + timedelta(minutes=5)) == 0
    hold(account, 10, START + timedelta(minutes=5))


def test_a_capture_counts_what_it_charged_where_the_hold_opened_and_the_excess_now(account: Account) -> None:
    limit(account, 50, strategy="sliding")
    later = START + timedelta(minutes=30)
    opened = [hold(account, 10, START), hold(account, 10, START + timedelta(minutes=10))]
    for dollars, name in zip((4, 14), opened, strict=True):
        spend(account, dollars, later, hold=name)

    assert counted(account) == {START: 4, START + timedelta(minutes=10): 10, later: 4}


def test_a_refund_lowers_the_excess_over_the_hold_first(account: Account) -> None:
    limit(account, 50, strategy="sliding")
    later = START + timedelta(minutes=30)
    call = spend(account, 14, later, hold=hold(account, 10, START))

    refund(account, call, 3, later)
    assert counted(account) == {START: 10, later: 1}
    refund(account, call, 3, later)
    assert counted(account) == {START: 8, later: 0}
    refund(account, call, 8, later)
    assert counted(account) == {START: 0, later: 0}


def test_usage_that_names_a_voided_or_expired_hold_counts_as_it_is_booked(account: Account) -> None:
    limit(account, 50, strategy="sliding")
    voided, expired = hold(account, 10, START), hold(account, 10, START, minutes=5)
    void_hold(account_id=account.pk, public_id=voided, now=START)
    later = START + timedelta(minutes=30)
    for name in (voided, expired):
        refund(account, spend(account, 4, later, hold=name), 1, later)

    assert counted(account) == {START: 0, later: 6}


def test_a_hold_of_yesterday_that_is_captured_today_counts_its_excess_only(account: Account) -> None:
    limit(account, 50)
    midnight = START.replace(hour=0) + timedelta(days=1)
    opened = hold(account, 10, midnight - timedelta(minutes=5))
    assert used(account, midnight - timedelta(seconds=1)) == 10
    assert used(account, midnight) == 0

    call = spend(account, 14, midnight, hold=opened)
    assert used(account, midnight) == 4
    refund(account, call, 6, midnight)

    assert used(account, midnight) == 0


def test_a_hold_of_one_key_captured_by_another_counts_for_the_one_that_spent(account: Account) -> None:
    first, second = a_key(account), a_key(account)
    for key in (None, first, second):
        limit(account, 50, key=key)

    spend(account, 14, START, hold=hold(account, 10, START, key=first), api_key=second.public_id)

    assert [used(account, START, key) for key in (None, first, second)] == [14, 0, 14]


def test_usage_without_a_key_counts_for_the_key_of_its_hold(account: Account) -> None:
    key = a_key(account)
    limit(account, 50, key=key)

    spend(account, 14, START, hold=hold(account, 10, START, key=key))

    assert used(account, START, key) == 14


def test_a_limit_of_a_key_stops_that_key_only(account: Account) -> None:
    first, second = a_key(account), a_key(account)
    limit(account, 5, key=first)
    with pytest.raises(SpendingLimitReached) as stopped:
        hold(account, 6, START, key=first)

    assert stopped.value.facts["resets_at"] == START.replace(hour=0) + timedelta(days=1)
    hold(account, 6, START, key=second)
    hold(account, 6, START)


def test_a_limit_set_over_open_holds_counts_them(account: Account) -> None:
    opened = hold(account, 6, START)
    limit(account, 10)
    assert used(account, START) == 6

    remove_limit(account_id=account.pk, api_key_id=None, actor_id=None, reason="Tests.", now=START)
    spend(account, 2, START, hold=opened)
    limit(account, 10)
    assert used(account, START) == 2


def test_a_hold_notes_the_thresholds_it_reaches(account: Account) -> None:
    limit(account, 10)
    for _ in range(3):
        void_hold(account_id=account.pk, public_id=hold(account, 8, START), now=START)

    assert list(LimitNotice.objects.order_by("id").values_list("percent", "used_nanos")) == [(50, 8 * USD), (75, 8 * USD)]


def counted(account: Account) -> dict[datetime, int]:
    """The account's buckets, in dollars."""
    chosen = SpendingLimit.objects.get(account=account, api_key=None)
    return {bucket.starts_at: bucket.nanos // USD for bucket in LimitBucket.objects.filter(limit=chosen).order_by("starts_at")}


@dataclass
class PlainHold:
    public_id: str
    amount: int
    opened_at: datetime
    expires_at: datetime
    key: int | None
    is_open: bool = True


@dataclass
class PlainCall:
    event_id: str
    charged: int
    booked_at: datetime
    key: int | None
    hold: PlainHold | None = None
    refunded: int = 0


@dataclass
class Plain:
    """What was done, in plain lists; sums are made from them whenever they are asked for."""

    holds: list[PlainHold] = field(default_factory=list)
    calls: list[PlainCall] = field(default_factory=list)

    def open_at(self, now: datetime) -> list[PlainHold]:
        return [one for one in self.holds if one.is_open and now < one.expires_at]

    def parts(self, now: datetime, key: int | None) -> Iterator[tuple[datetime, int]]:
        """What counts, and when it was spent."""
        for one in self.open_at(now):
            if key in {None, one.key}:
                yield one.opened_at, one.amount
        for call in self.calls:
            if key in {None, call.key}:
                kept = call.charged - call.refunded
                held = min(kept, call.hold.amount) if call.hold else 0
                if call.hold:
                    yield call.hold.opened_at, held
                yield call.booked_at, kept - held

    def spent_since(self, since: datetime, now: datetime, key: int | None) -> int:
        return sum(amount for at, amount in self.parts(now, key) if at >= since)


class Machine:
    """Does random things to an account and to plain lists alike."""

    def __init__(self, account: Account, key: ApiKey, seed: int) -> None:
        self.account, self.key, self.dice, self.plain, self.now = account, key, random.Random(seed), Plain(), START

    def step(self) -> None:
        self.now += self.dice.choice([timedelta(), timedelta(minutes=3), timedelta(minutes=50), timedelta(hours=7), timedelta(hours=19)])
        self.dice.choice([self.open, self.open, self.call, self.call, self.capture, self.capture, self.void, self.refund])()

    def open(self) -> None:
        dollars, minutes, key = self.dice.randint(1, 20), self.dice.choice([4, 60, 1440]), self.dice.choice([None, self.key])
        made = hold(self.account, dollars, self.now, minutes, key)
        self.plain.holds.append(PlainHold(made, dollars, self.now, self.now + timedelta(minutes=minutes), pk_of(key)))

    def call(self) -> None:
        dollars, key = self.dice.randint(1, 20), self.dice.choice([None, self.key])
        said = {} if key is None else {"api_key": key.public_id}
        made = spend(self.account, dollars, self.now, **said)
        self.plain.calls.append(PlainCall(made, dollars, self.now, pk_of(key)))

    def capture(self) -> None:
        if found := self.plain.open_at(self.now):
            chosen, dollars = self.dice.choice(found), self.dice.randint(1, 30)
            made = spend(self.account, dollars, self.now, hold=chosen.public_id)
            chosen.is_open = False
            self.plain.calls.append(PlainCall(made, dollars, self.now, chosen.key, chosen))

    def void(self) -> None:
        if found := self.plain.open_at(self.now):
            chosen = self.dice.choice(found)
            void_hold(account_id=self.account.pk, public_id=chosen.public_id, now=self.now)
            chosen.is_open = False

    def refund(self) -> None:
        if found := [one for one in self.plain.calls if one.charged > one.refunded]:
            chosen = self.dice.choice(found)
            dollars = self.dice.randint(1, chosen.charged - chosen.refunded)
            refund(self.account, chosen.event_id, dollars, self.now)
            chosen.refunded += dollars


def floored(at: datetime, width: timedelta) -> datetime:
    return at - (at - EPOCH) % width


def window_start(duration: str, at: datetime) -> datetime:
    day = at.replace(hour=0, minute=0)
    return {"daily": day, "weekly": day - timedelta(days=day.weekday()), "monthly": day.replace(day=1)}[duration]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("duration", LENGTHS)
def test_a_sliding_limit_never_counts_too_little_and_at_most_one_bucket_more(account: Account, duration: str, seed: int) -> None:
    machine = Machine(account, a_key(account), seed)
    for key in (None, machine.key):
        limit(account, 10**6, duration, "sliding", key)
    for _ in range(40):
        machine.step()
        for key in (None, machine.key):
            since = machine.now - LENGTHS[duration]
            counts, name = used(account, machine.now, key), pk_of(key)
            assert counts >= machine.plain.spent_since(since, machine.now, name)
            assert counts == machine.plain.spent_since(floored(since, WIDTHS[duration]), machine.now, name)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("duration", LENGTHS)
def test_a_fixed_limit_counts_its_calendar_window(account: Account, duration: str, seed: int) -> None:
    machine = Machine(account, a_key(account), seed + 100)
    for key in (None, machine.key):
        limit(account, 10**6, duration, "fixed", key)
    for _ in range(40):
        machine.step()
        for key in (None, machine.key):
            since = window_start(duration, machine.now)
            assert used(account, machine.now, key) == machine.plain.spent_since(since, machine.now, pk_of(key))


def test_a_limit_that_is_set_late_counts_the_same_as_one_that_was_there(account: Account) -> None:
    machine = Machine(account, a_key(account), 7)
    for _ in range(60):
        machine.step()
    read_wallet(account_id=account.pk, now=machine.now)

    for duration, length in LENGTHS.items():
        for key in (None, machine.key):
            terms = LimitTerms(10**15, Duration(duration), Strategy.SLIDING, pk_of(key))
            made = set_limit(account_id=account.pk, terms=terms, actor_id=None, reason="Tests.", now=machine.now)
            since = floored(machine.now - length, WIDTHS[duration])
            assert made.used_nanos // USD == machine.plain.spent_since(since, machine.now, pk_of(key))
