"""What a report costs: one range of a roll-up's key, as many rows as the answer is made of, however long the history."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from operator import itemgetter
from typing import Any, Final

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Account
from tests import factories
from tests.spending import price
from usage.selectors import Coverage, Grouping, find_lifetime, history_coverage, read_call_stats, read_days, read_windows
from usage.services.rebuilding import check_rollups

HOT: Final = ("usage_day", "usage_quarter", "usage_lifetime", "usage_event")
NOW: Final = datetime(2026, 3, 10, 12, tzinfo=UTC)
ACCOUNTS: Final = 40
FILL: Final = """
INSERT INTO usage_day (account_id, day, model_id, api_key_id, endpoint, status, events, input_tokens, output_tokens, cache_read_tokens,
    cache_write_tokens, reasoning_tokens, cost_nanos)
SELECT account_id, DATE '2026-03-10' - back, %(model)s, key, '', 'success', 1, 1, 1, 1, 1, 1, 1
FROM unnest(%(accounts)s::bigint[]) AS account_id, generate_series(0, 365) AS back, generate_series(1, 2) AS key;
INSERT INTO usage_quarter (account_id, starts_at, model_id, api_key_id, endpoint, status, events, input_tokens, output_tokens,
    cache_read_tokens, cache_write_tokens, reasoning_tokens, cost_nanos)
SELECT account_id, TIMESTAMPTZ '2026-03-10 12:00Z' - back * interval '15 minutes', %(model)s, key, '', 'success', 1, 1, 1, 1, 1, 1, 1
FROM unnest(%(accounts)s::bigint[]) AS account_id, generate_series(0, 499) AS back, generate_series(1, 2) AS key;
INSERT INTO usage_lifetime (account_id, events, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens,
    cost_nanos)
SELECT %(first)s + number, 732, 732, 732, 732, 732, 732, 732 FROM generate_series(0, 19999) AS number
"""


@pytest.fixture
def account(db: None) -> Account:
    """One of 40 accounts, each with two rows a day for a year and two a quarter-hour for five days: 70,000 rows in all."""
    model = price().model_id
    account = factories.make_account()
    with connection.cursor() as cursor:
        cursor.execute(FILL, {"model": model, "first": account.pk, "accounts": [account.pk + number for number in range(ACCOUNTS)]})
        cursor.execute("ANALYZE usage_day, usage_quarter, usage_lifetime")
    return account


def reads(read: Callable[[], object]) -> dict[str, tuple[str, float]]:
    """Each hot table that a read touches: how PostgreSQL reaches it, and how many rows it looks at; of several, the most."""
    with CaptureQueriesContext(connection) as queries:
        read()
    found: dict[str, tuple[str, float]] = {}
    for query in (each for each in queries if any(table in each["sql"] for table in HOT)):
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query['sql']}")
            (plan,) = cursor.fetchone()
        (top,) = plan if isinstance(plan, list) else json.loads(plan)
        for node in filter(is_hot, nodes(top["Plan"])):
            one = node["Node Type"], looked_at(node)
            found[node["Relation Name"]] = max(found.get(node["Relation Name"], one), one, key=itemgetter(1))
    return found


def nodes(plan: Any) -> Iterator[Any]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def is_hot(node: Any) -> bool:
    return node.get("Relation Name") in HOT


def looked_at(node: Any) -> float:
    removed = sum(node.get(f"Rows Removed by {reason}", 0) for reason in ("Filter", "Index Recheck"))
    return float((node["Actual Rows"] + removed) * node["Actual Loops"])


def month(account: Account) -> object:
    return read_days(account_id=account.pk, first=date(2026, 3, 1), last=date(2026, 3, 10))


def month_of_stats(account: Account) -> object:
    days = date(2026, 3, 1), date(2026, 3, 10)
    return read_call_stats(account_id=account.pk, coverage=Coverage(NOW - timedelta(days=9), NOW, days))


def hour_of_stats(account: Account) -> object:
    return read_call_stats(account_id=account.pk, coverage=Coverage(NOW - timedelta(hours=1), NOW, None))


def history(account: Account, grouping: Grouping, back: timedelta) -> object:
    coverage = history_coverage(zone="UTC", grouping=grouping, since=NOW - back, until=NOW, now=NOW)
    return read_windows(account_id=account.pk, zone="UTC", coverage=coverage)


READS: Final[dict[str, tuple[Callable[[Account], object], str, int]]] = {
    "usage by day and model": (month, "usage_day", 20),
    "statistics of whole days": (month_of_stats, "usage_day", 20),
    "statistics of an hour": (hour_of_stats, "usage_quarter", 8),
    "a history by day": (lambda account: history(account, Grouping.DAY, timedelta(days=3)), "usage_day", 8),
    "a history by hour": (lambda account: history(account, Grouping.HOUR, timedelta(hours=6)), "usage_quarter", 48),
    "all of a lifetime": (lambda account: find_lifetime(account.pk), "usage_lifetime", 1),
}
"""Each read, the one hot table it touches, and how many rows the answer is made of."""


@pytest.mark.parametrize("name", READS)
def test_a_report_reads_the_rows_of_its_answer_by_an_index(account: Account, name: str) -> None:
    read, table, rows = READS[name]
    found = reads(lambda: read(account))
    assert set(found) == {table}
    kind, looked = found[table]
    assert kind in {"Index Scan", "Index Only Scan", "Bitmap Heap Scan"}
    assert looked == rows


def test_the_search_would_see_a_table_that_is_read_whole(account: Account) -> None:
    whole = reads(lambda: connection.cursor().execute("SELECT count(*) FROM usage_day WHERE events = 1"))
    assert whole == {"usage_day": ("Seq Scan", ACCOUNTS * 366 * 2)}


def test_an_account_is_recounted_without_reading_any_others(account: Account) -> None:
    found = reads(lambda: check_rollups(account_id=account.pk, now=NOW))
    del found["usage_event"]  # There are no events: an empty table may be read in any way.
    assert {kind for kind, _ in found.values()} <= {"Index Scan", "Index Only Scan", "Bitmap Heap Scan"}
    assert {table: looked for table, (_, looked) in found.items()} == {
        "usage_day": 732,
        "usage_quarter": 1_000,
        "usage_lifetime": 1,
    }
