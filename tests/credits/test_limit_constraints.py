"""Every rule that the database keeps of spending limits, broken once by raw SQL; and what the proof of their buckets sees."""

# ruff: noqa: E501, S608  One lie a line: a table is read by its columns. Every word of the SQL is written here.

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from django.db import DatabaseError, connection, transaction

from accounts.models import Account
from core.money import AMOUNT_MAX_NANOS
from credits.reconciliation import CHECKS
from credits.services.limits import Duration, LimitTerms, Strategy, forget_old_buckets, set_limit
from tests import actors, factories
from tests.spending import price, report

pytestmark = pytest.mark.django_db

NOON: Final = datetime(2026, 3, 4, 12, 7, tzinfo=UTC)
LIMIT: Final = (
    "INSERT INTO spending_limit (account_id, api_key_id, amount_nanos, duration, strategy, zone, created_at, changed_at)"
    " SELECT account_id, {key}, {amount}, {duration}, {strategy}, zone, created_at, {changed} FROM spending_limit WHERE api_key_id IS NULL"
)
BUCKET: Final = (
    "INSERT INTO limit_bucket (account_id, limit_id, starts_at, nanos)"
    " SELECT account_id, limit_id, {starts}, {nanos} FROM limit_bucket ORDER BY id LIMIT 1"
)
NOTICE: Final = (
    "INSERT INTO limit_notice (account_id, limit_id, window_starts_at, percent, amount_nanos, used_nanos, noted_at)"
    " SELECT {account}, limit_id, {window}, {percent}, {amount}, 1, noted_at FROM limit_notice WHERE percent = 50"
)
GOOD_LIMIT: Final = {
    "key": "(SELECT max(id) FROM accounts_apikey)",
    "amount": "0",
    "duration": "'daily'",
    "strategy": "'fixed'",
    "changed": "changed_at",
}
GOOD_BUCKET: Final = {"starts": "'2020-01-01Z'", "nanos": "0"}
GOOD_NOTICE: Final = {"account": "account_id", "window": "'2020-01-01Z'", "percent": "50", "amount": "amount_nanos"}
NO_ONE: Final = str(10**9)

# Rule → the raw SQL that breaks it.
BROKEN: Final = (
    ("limit_once_per_account", LIMIT.format(**GOOD_LIMIT | {"key": "NULL"})),
    ("limit_once_per_key", LIMIT.format(**GOOD_LIMIT | {"key": "(SELECT min(id) FROM accounts_apikey)"})),
    ("limit_amount_in_range", LIMIT.format(**GOOD_LIMIT | {"amount": "-1"})),
    ("limit_amount_in_range", LIMIT.format(**GOOD_LIMIT | {"amount": str(AMOUNT_MAX_NANOS + 1)})),
    ("limit_duration_known", LIMIT.format(**GOOD_LIMIT | {"duration": "'hourly'"})),
    ("limit_strategy_known", LIMIT.format(**GOOD_LIMIT | {"strategy": "'loose'"})),
    ("limit_changed_after_it_was_made", LIMIT.format(**GOOD_LIMIT | {"changed": "created_at - interval '1 microsecond'"})),
    ("spending_limit_account_id", "UPDATE spending_limit SET account_id = " + NO_ONE),
    ("spending_limit_api_key_id", LIMIT.format(**GOOD_LIMIT | {"key": NO_ONE})),
    ("spending_limit_pkey", "UPDATE spending_limit SET id = (SELECT min(id) FROM spending_limit)"),
    ("bucket_once_per_start", BUCKET.format(**GOOD_BUCKET | {"starts": "starts_at"})),
    ("bucket_not_negative", BUCKET.format(**GOOD_BUCKET | {"nanos": "-1"})),
    ("notice_once_per_window_and_threshold", NOTICE.format(**GOOD_NOTICE | {"window": "window_starts_at"})),
    ("notice_threshold_known", NOTICE.format(**GOOD_NOTICE | {"percent": "60"})),
    ("limit_notice_account_id", NOTICE.format(**GOOD_NOTICE | {"account": NO_ONE})),
    ("is append-only", "UPDATE limit_notice SET percent = 75"),
    ("is append-only", "DELETE FROM limit_notice"),
)

# What is wrong → the raw SQL that makes it so. Amounts that agree with no recount, flags that lie.
LIES: Final = {
    "too much": "UPDATE limit_bucket SET nanos = nanos + 1",
    "too little": "UPDATE limit_bucket SET nanos = nanos - 1",
    "nothing": "DELETE FROM limit_bucket",
    "another time": "UPDATE limit_bucket SET starts_at = starts_at + interval '5 minutes'",
    "something from nowhere": BUCKET.format(starts="starts_at + interval '5 minutes'", nanos="1"),
    "another window": "UPDATE spending_limit SET duration = 'weekly'",
    "a limit that is not there": "DELETE FROM spending_limit",
    "a bucket without a limit": "INSERT INTO limit_bucket (account_id, limit_id, starts_at, nanos) SELECT account_id, 10^9, starts_at, 1 FROM limit_bucket LIMIT 1",
    "a flag without a limit": "DELETE FROM limit_bucket; DELETE FROM spending_limit",
    "a limit without its flag": "UPDATE wallet SET has_limits = false",
}


@pytest.fixture
def account(db: None) -> Account:
    """An account with two keys, a limit of its own and one of its first key, buckets and notices."""
    alice = actors.make_person("alice")
    key = actors.customer_key(alice).key
    actors.customer_key(alice)
    factories.forget_memories()
    price(since=NOON - timedelta(days=1))
    factories.give(alice.account, 10**9, now=NOON)
    for api_key_id in (None, key.pk):
        terms = LimitTerms(4_000_000, Duration.DAILY, Strategy.SLIDING, api_key_id)
        set_limit(account_id=alice.account.pk, terms=terms, actor_id=None, reason="Tests.", now=NOON)
    report(alice.account, "one", now=NOON, api_key=key.public_id)
    return alice.account


def run(sql: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(sql)


@pytest.mark.parametrize("good", [LIMIT.format(**GOOD_LIMIT), BUCKET.format(**GOOD_BUCKET), NOTICE.format(**GOOD_NOTICE)])
def test_a_row_that_breaks_no_rule_is_taken(account: Account, good: str) -> None:
    run(good)


@pytest.mark.parametrize(("rule", "sql"), BROKEN)
def test_a_rule_of_limits_refuses_the_row_that_breaks_it(account: Account, rule: str, sql: str) -> None:
    before = rows()
    with pytest.raises(DatabaseError, match=rule):
        run(sql)
    assert rows() == before


def test_every_rule_of_these_tables_is_broken_above() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conname FROM pg_constraint WHERE contype IN ('c', 'u', 'p', 'f') AND conrelid = ANY(%(tables)s::regclass[])"
            " UNION SELECT indexrelid::regclass::text FROM pg_index WHERE indisunique AND indrelid = ANY(%(tables)s::regclass[])",
            {"tables": ["spending_limit", "limit_bucket", "limit_notice"]},
        )
        names = {name for (name,) in cursor.fetchall()}
    # Primary keys are taken from sequences; only one of them is broken above, for all.
    missing = {name for name in names if not any(name.startswith(rule) for rule, _ in BROKEN)} - {"limit_notice_pkey"}
    assert missing == set()


@pytest.mark.parametrize("lie", LIES)
def test_the_proof_sees_what_a_limit_does_not_count_as_it_happened(account: Account, lie: str) -> None:
    find = next(check.find for check in CHECKS if check.name == "limit buckets recount")
    assert list(find(1, 2**62)) == []

    run(LIES[lie])

    assert {found for found, _ in find(1, 2**62)} == {account.pk}
    assert list(find(account.pk + 1, 2**62)) == []


def test_the_proof_looks_at_what_counts_only(account: Account) -> None:
    find: Callable[[int, int], object] = next(check.find for check in CHECKS if check.name == "limit buckets recount")
    run(BUCKET.format(starts="starts_at - interval '30 days'", nanos="1"))

    assert find(1, 2**62) == []
    assert forget_old_buckets(now=NOON) == 1


def rows() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT row::text FROM spending_limit row UNION ALL SELECT row::text FROM limit_bucket row"
            " UNION ALL SELECT row::text FROM limit_notice row ORDER BY 1"
        )
        return [row for (row,) in cursor.fetchall()]
