"""
Ten million events in minutes: the product writes one round of usage, SQL copies it to other accounts and repeats it through time.

Half of the events are one account's, half are spread over many. Only ids, places and instants change, so the books agree: `verify_ledger`
finds nothing, and a test proves it of a small one. Rounds are the more the further a world is filled; a clone of it can be left small.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Final

from django.db import connection, transaction

from accounts.models import Membership, User
from accounts.models.membership import Role
from benchmarks.stamping import copy_accounts
from benchmarks.world import events_body, make_accounts
from core import clock
from credits.services.revenue import fold_revenue
from usage.models import AiModel
from usage.services.counting import count_waiting
from usage.services.ingest import ingest
from usage.services.platform_days import fold_platform_usage

PATTERNS: Final = 10
_SPAN: Final = timedelta(days=80)
_HOT_USD: Final = 100_000_000
_ROWS_AT_ONCE: Final = 500_000
_REPEAT: Final = (Path(__file__).parent / "repeat.sql").read_text()
_RECOUNT: Final = (Path(__file__).parent / "recount.sql").read_text()

Tell = Callable[[int], None]


@dataclass(frozen=True)
class Plan:
    """How many events a round has on the hot account, and on each of the others; how many of those; how many rounds each."""

    hot_events: int
    hot_rounds: int
    each_events: int
    each_rounds: int
    accounts: int

    @classmethod
    def of(cls, events: int) -> "Plan":
        """Half on one account, half over 10,000, or as many as have fifty each."""
        half = events // 2
        accounts = min(10_000, max(PATTERNS, half // 50))
        return cls(
            hot_events=1_000,
            hot_rounds=max(1, half // 1_000),
            each_events=50,
            each_rounds=max(1, half // (accounts * 50)),
            accounts=accounts,
        )

    @property
    def events(self) -> int:
        """All together."""
        return self.hot_events * self.hot_rounds + self.each_events * self.each_rounds * self.accounts


@dataclass(frozen=True)
class Filled:
    """The accounts that are looked at: the hot one, and one of the others; internal and public ids. When their usage began."""

    hot: tuple[int, str]
    other: tuple[int, str]
    patterns: list[tuple[int, str]]
    began_at: datetime


def begin(plan: Plan, *, now: datetime) -> Filled:
    """The first round, written by the product, as of 80 days ago, so that the last ends now. `plan`: what it will become."""
    began_at = now - _SPAN - timedelta(hours=1)
    [hot] = make_accounts(1, now=began_at, usd=_HOT_USD)
    patterns = make_accounts(PATTERNS, now=began_at)
    _own([hot[0], patterns[0][0]], began_at)
    models = list(AiModel.objects.order_by("id").values_list("code", flat=True)[:8])
    numbers = count(1)
    for account, events in [(hot, plan.hot_events), *((pattern, plan.each_events) for pattern in patterns)]:
        _report(account, models, numbers, events, began_at)
    count_waiting(has_time=clock.forever)
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS bench_pattern")
        cursor.execute(
            "CREATE TABLE bench_pattern (account_id bigint PRIMARY KEY, entries bigint, spent_nanos bigint, booked_at timestamptz,"
            " step interval, rounds bigint DEFAULT 1)"
        )
    _note([hot[0]], _SPAN / plan.hot_rounds)
    _note([account for account, _ in patterns], _SPAN / plan.each_rounds)
    return Filled(hot, patterns[0], patterns, began_at)


def grow(filled: Filled, plan: Plan, tell: Tell) -> None:
    """More accounts and more rounds, up to the plan; `tell` hears how many events were added so far."""
    added = _copy(filled, plan)
    tell(added)
    others = max(1, _ROWS_AT_ONCE // (plan.each_events * plan.accounts))
    for is_hot, rounds, events, most in (
        (True, plan.hot_rounds, plan.hot_events, max(1, _ROWS_AT_ONCE // plan.hot_events)),
        (False, plan.each_rounds, plan.each_events * plan.accounts, others),
    ):
        for low, high in _spans(_rounds_so_far(filled, is_hot=is_hot), rounds, most):
            _repeat(filled, low, high, is_hot=is_hot)
            added += events * (high - low + 1)
            tell(added)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_RECOUNT)


def fold(*, now: datetime) -> None:
    """What operators' reports read, as the jobs make it. A day's revenue is folded once, when it is over; here the past grows, so anew."""
    with transaction.atomic(), connection.cursor() as cursor:
        for table in ("revenue_day", "revenue_total", "revenue_mark"):
            cursor.execute(f"DELETE FROM {table}")  # noqa: S608
    fold_platform_usage(now=now, has_time=clock.forever)
    fold_revenue(now=now, has_time=clock.forever)


def vacuum() -> None:
    """What autovacuum does within minutes of such a load."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)")


def _own(account_ids: list[int], now: datetime) -> None:
    """Some answers name the account's owner: those that are looked at need one."""
    owner = User.objects.create_user("bench-owner@example.com")
    Membership.objects.bulk_create(
        [Membership(account_id=account_id, user=owner, role=Role.OWNER, created_at=now) for account_id in account_ids]
    )


def _report(account: tuple[int, str], models: list[str], numbers: Iterator[int], events: int, now: datetime) -> None:
    answer = ingest(events_body([account], models, numbers, events, now=now), now=now)
    if answer.accepted != events:
        raise RuntimeError(f"{answer.accepted} of {events} events were accepted: {answer.rejected[:3]}")


def _note(account_ids: list[int], step: timedelta) -> None:
    """What a round of these accounts is. Their first entry is the grant's."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO bench_pattern (account_id, entries, spent_nanos, booked_at, step)"
            " SELECT account_id, count(*), sum(-amount_nanos), max(created_at), %s::interval FROM ledger_entry"
            " WHERE account_id = ANY(%s) AND kind = 'usage' GROUP BY account_id",
            [str(step), account_ids],
        )


def _copy(filled: Filled, plan: Plan) -> int:
    """Accounts that are missing, as they are after their first round."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) - 1 FROM bench_pattern")
        (there,) = cursor.fetchone()
        if there >= plan.accounts:
            return 0
        cursor.execute("SELECT step FROM bench_pattern WHERE account_id = %s", [filled.other[0]])
        (step,) = cursor.fetchone()
        copies = copy_accounts(filled.patterns, plan.accounts - there)
        _note(copies, step)
    return len(copies) * plan.each_events


def _rounds_so_far(filled: Filled, *, is_hot: bool) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT min(rounds) FROM bench_pattern WHERE (account_id = %s) = %s", [filled.hot[0], is_hot])
        (rounds,) = cursor.fetchone()
    return int(rounds)


def _spans(done: int, rounds: int, most: int) -> Iterator[tuple[int, int]]:
    """Rounds are numbered from 0; so many are done."""
    for low in range(done, rounds, most):
        yield low, min(rounds, low + most) - 1


def _repeat(filled: Filled, low: int, high: int, *, is_hot: bool) -> None:
    chosen = {"hot": filled.hot[0], "is_hot": is_hot}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE bench_pattern_now (LIKE bench_pattern) ON COMMIT DROP")
        cursor.execute("INSERT INTO bench_pattern_now SELECT * FROM bench_pattern WHERE (account_id = %(hot)s) = %(is_hot)s", chosen)
        cursor.execute("ANALYZE bench_pattern_now")
        for statement in _REPEAT.split(";\n"):
            if statement.strip():
                cursor.execute(statement, {"low": low, "high": high})
        cursor.execute(
            "UPDATE bench_pattern SET rounds = %(rounds)s WHERE (account_id = %(hot)s) = %(is_hot)s", chosen | {"rounds": high + 1}
        )
