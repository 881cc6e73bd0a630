"""The rules that the database keeps of what jobs have folded: usage over all accounts, and revenue. Each is broken once by raw SQL."""

from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from django.db import IntegrityError, connection, transaction

from core import clock
from credits.models.revenue import NEVER_NEGATIVE
from credits.services.revenue import fold_revenue
from tests import factories
from tests.spending import adjust, price, report
from usage.services.platform_days import fold_platform_usage

MONDAY: Final = datetime(2026, 3, 9, 12, tzinfo=UTC)
TABLES: Final = (
    *("usage_account_day", "usage_platform_day", "usage_platform_hour", "usage_folded", "usage_fold_mark"),
    *("revenue_day", "revenue_total", "revenue_mark"),
)
ONCE: Final = {
    "usage_account_day_once": ("usage_account_day", "account_id, day, model_id, api_key_id, status"),
    "usage_platform_day_once": ("usage_platform_day", "day, model_id, status"),
    "usage_platform_hour_once": ("usage_platform_hour", "starts_at, model_id, status"),
    "revenue_day_once": ("revenue_day", "account_id, day"),
}
"""Rule → its table, and the columns that no two rows share: a copy of a row has the same ones, and another id."""

BROKEN: Final = (
    *(
        (rule, f"INSERT INTO {table} SELECT more.* FROM {table} one, jsonb_populate_record(one, '{{\"id\": 1000000}}') more LIMIT 1")  # noqa: S608
        for rule, (table, _) in ONCE.items()
    ),
    ("usage_fold_mark_is_one_row", "UPDATE usage_fold_mark SET id = 2"),
    ("revenue_mark_is_one_row", "UPDATE revenue_mark SET id = 2"),
    *(
        (f"{table}_not_negative", f"UPDATE {table} SET {column} = -1")  # noqa: S608
        for table in ("revenue_day", "revenue_total")
        for column in NEVER_NEGATIVE
    ),
)


@pytest.fixture
def folded(db: None) -> None:
    """A day of one account, usage and revenue, folded."""
    factories.forget_memories()
    price(since=MONDAY - timedelta(days=1))
    account = factories.make_account()
    adjust(account, 1_000_000_000, MONDAY)
    report(account, "one", now=MONDAY)
    fold_platform_usage(now=MONDAY, has_time=clock.forever)
    fold_revenue(now=MONDAY + timedelta(days=2), has_time=clock.forever)


def rows() -> dict[str, list[tuple[object, ...]]]:
    found = {}
    for table in TABLES:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {table} ORDER BY 1")  # noqa: S608
            found[table] = cursor.fetchall()
    return found


@pytest.mark.usefixtures("folded")
def test_there_is_a_row_of_each_to_break() -> None:
    assert [table for table, found in rows().items() if not found] == []


@pytest.mark.usefixtures("folded")
@pytest.mark.parametrize(("rule", "sql"), BROKEN)
def test_a_rule_of_the_database_refuses_what_no_fold_writes(rule: str, sql: str) -> None:
    before = rows()
    with pytest.raises(IntegrityError, match=rule), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)
    assert rows() == before


@pytest.mark.django_db
@pytest.mark.parametrize("rule", ONCE)
def test_what_stands_once_stands_once_by_all_that_names_it(rule: str) -> None:
    _, columns = ONCE[rule]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = %s", [rule])
        assert cursor.fetchone() == (f"UNIQUE ({columns})",)
