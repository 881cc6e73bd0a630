"""The rules that the database keeps of core's tables, broken once by raw SQL; and that no rule of any ledger table goes unbroken."""

from datetime import UTC, datetime
from typing import Final

import pytest
from django.apps import apps
from django.db import DatabaseError, connection, transaction

from core import verification_runs as runs
from core.audit import record_act
from core.models import IdempotentRequest
from core.verification import Discrepancy
from tests.credits import test_constraints, test_house, test_limit_constraints
from tests.factories import MONEY_TABLES
from tests.usage import test_fold_constraints, test_shadow_runs

NOW: Final = datetime(2026, 3, 1, 3, 15, tzinfo=UTC)
APPS: Final = ("core", "credits", "usage")
PRICES: Final = {"usage_aimodel", "usage_priceversion", "usage_providercost", "usage_pricemultiplier", "usage_shadowrun"}
"""Nothing is counted in these: a refusal that moved them would still have moved no money."""
FOLDED: Final = frozenset(test_fold_constraints.TABLES)
"""What jobs have summed of the others: a fold may move these, and no act of anybody does."""

BROKEN: Final = (
    ("verification_run_ends_once", "UPDATE verification_run SET state = 'running' WHERE state = 'ok'"),
    ("verification_run_ends_once", "UPDATE verification_run SET finished_at = NULL WHERE state = 'ok'"),
    ("verification_run_ends_once", "UPDATE verification_run SET finished_at = started_at WHERE state = 'running'"),
    ("verification_finding_run_id", "UPDATE verification_finding SET run_id = run_id + 1000000"),
    ("verification_finding_run_id", "DELETE FROM verification_run WHERE state = 'disagrees'"),
    (
        "idempotent_request_once_per_key",
        """INSERT INTO core_idempotentrequest (scope, key, fingerprint, subject, answer, lease, lease_until, created_at)
        SELECT scope, key, 'another', subject, answer, lease, lease_until, created_at FROM core_idempotentrequest""",
    ),
    ("append-only", "UPDATE core_auditrecord SET reason = ''"),
    ("append-only", "DELETE FROM core_auditrecord"),
)


@pytest.fixture
def history(db: None) -> None:
    """A run of each outcome, with a finding, an act and a request."""
    for found in (0, 1):
        run = runs.begin_run(asked_by="nightly", account_id=None, checks=1, now=NOW)
        runs.keep_findings(run, [Discrepancy(7, 1, "balances chain", "entry 1")] * found)
        runs.finish_run(run, late_wallets=0, now=NOW)
    runs.begin_run(asked_by="nightly", account_id=None, checks=1, now=NOW)
    record_act(actor_id=None, act="test", object_type="test", object_id="1", account_id=None, reason="Tests.", now=NOW)
    IdempotentRequest.objects.create(scope="tests", key="one", fingerprint="one", created_at=NOW)


def rows() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT row::text FROM verification_run row UNION ALL SELECT row::text FROM verification_finding row"
            " UNION ALL SELECT row::text FROM core_idempotentrequest row UNION ALL SELECT row::text FROM core_auditrecord row ORDER BY 1"
        )
        return [row for (row,) in cursor.fetchall()]


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize(("rule", "sql"), BROKEN)
def test_a_rule_of_the_database_refuses_what_breaks_it(rule: str, sql: str) -> None:
    before = rows()
    with pytest.raises(DatabaseError, match=rule):
        run(sql)
    assert rows() == before


def run(sql: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(sql)


def tables() -> set[str]:
    return {model._meta.db_table for app in APPS for model in apps.get_app_config(app).get_models()}


@pytest.mark.django_db
def test_every_rule_of_the_ledgers_tables_is_broken_by_some_test() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conname FROM pg_constraint WHERE contype IN ('c', 'u', 'x') AND conrelid::regclass::text = ANY(%(tables)s)"
            " UNION SELECT indexrelid::regclass::text FROM pg_index"
            " WHERE indisunique AND NOT indisprimary AND indrelid::regclass::text = ANY(%(tables)s)",
            {"tables": list(tables())},
        )
        rules = {name for (name,) in cursor.fetchall()}
    broken = {
        *test_constraints.BROKEN,
        *(rule for rule, _ in (*BROKEN, *test_limit_constraints.BROKEN, *test_house.FORBIDDEN)),
        *(rule for rule, _ in (*test_shadow_runs.BROKEN, *test_fold_constraints.BROKEN)),
        *test_house.REFUSED,
    }
    assert len(rules) > len(APPS)
    assert {rule for rule in rules if not any(rule.startswith(name) for name in broken)} == set()


def test_every_table_that_money_is_counted_in_is_looked_at_by_tests_of_refusals() -> None:
    money = {table for table in tables() if not table.startswith(("core_", "verification_"))}
    assert money - PRICES - FOLDED == set(MONEY_TABLES)
