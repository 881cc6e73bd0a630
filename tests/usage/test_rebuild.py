"""`manage.py rebuild_rollups`: whatever a roll-up says that the events do not is told, and mended; beside ingest, and when it is killed."""

import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from io import StringIO
from typing import Final

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection, transaction

from accounts.models import Account
from core import clock
from core.models import AuditRecord
from tests import factories
from tests.spending import price, report
from tests.threads import at_once, failures, successes
from usage.models import UsageDay, UsageEvent, UsageLifetime, UsageQuarter
from usage.services.counting import count_account
from usage.services.ingest import ingest
from usage.services.rebuilding import Recount, check_rollups, rebuild_rollups

START: Final = datetime(2026, 3, 10, 12, tzinfo=UTC)
LIES: Final = {
    "a day's events": ("usage_day", 1, "UPDATE usage_day SET events = events + 1 WHERE account_id = %(account)s AND endpoint = ''"),
    "a day's cost": ("usage_day", 1, "UPDATE usage_day SET cost_nanos = 0 WHERE account_id = %(account)s AND endpoint = ''"),
    "a day that is missing": ("usage_day", 2, "DELETE FROM usage_day WHERE account_id = %(account)s"),
    "a day too many": (
        "usage_day",
        2,
        """
        INSERT INTO usage_day OVERRIDING SYSTEM VALUE
        SELECT more.* FROM usage_day d, jsonb_populate_record(d, jsonb_build_object('endpoint', 'x' || d.endpoint)) more
        WHERE d.account_id = %(account)s
        """,
    ),
    "a day of another model": ("usage_day", 4, "UPDATE usage_day SET model_id = -1 WHERE account_id = %(account)s"),
    "a quarter's tokens": (
        "usage_quarter",
        1,
        "UPDATE usage_quarter SET reasoning_tokens = 9 WHERE account_id = %(account)s AND endpoint = ''",
    ),
    "a quarter at another time": (
        "usage_quarter",
        4,
        "UPDATE usage_quarter SET starts_at = starts_at + interval '15 minutes' WHERE account_id = %(account)s",
    ),
    "a quarter that is missing": ("usage_quarter", 2, "DELETE FROM usage_quarter WHERE account_id = %(account)s"),
    "what the operator paid": ("usage_quarter", 2, "UPDATE usage_quarter SET provider_cost_nanos = 1 WHERE account_id = %(account)s"),
    "a lifetime's events": ("usage_lifetime", 1, "UPDATE usage_lifetime SET events = 0 WHERE account_id = %(account)s"),
    "a lifetime that is missing": ("usage_lifetime", 1, "DELETE FROM usage_lifetime WHERE account_id = %(account)s"),
    "a margin's base": ("usage_lifetime", 1, "UPDATE usage_lifetime SET costed_nanos = 1 WHERE account_id = %(account)s"),
}
"""Each lie: the table, how many of its rows then differ (of a key that moved, both), and how it is told."""


@pytest.fixture
def account(db: None) -> Account:
    """Somebody with three calls that are counted, two of them to one endpoint."""
    return make_customer()


def make_customer() -> Account:
    if not UsageEvent.objects.exists():
        price(since=START - timedelta(days=1))
    account = factories.make_account()
    report(account, "plain", now=START)
    factories.end_of_transaction()
    report(account, "chat-1", "chat-2", now=START + timedelta(minutes=1), endpoint="/v1/chat")
    factories.end_of_transaction()
    count_account(account.pk)
    return account


def run(*arguments: str) -> tuple[int, str]:
    """The command's exit code and what it printed."""
    out = StringIO()
    try:
        call_command("rebuild_rollups", *arguments, stdout=out, stderr=out)
    except SystemExit as exit_:
        return int(str(exit_.code)), out.getvalue()
    return 0, out.getvalue()


def lie(sql: str, account: Account) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, {"account": account.pk})
        assert cursor.rowcount > 0


@pytest.mark.parametrize("name", LIES)
def test_each_lie_is_told_and_mended_and_then_there_is_nothing_to_say(account: Account, name: str) -> None:
    other = make_customer()
    before = factories.books_now()
    table, rows, sql = LIES[name]
    lie(sql, account)

    code, said = run("--reason", "Tests.")

    lines = said.splitlines()
    assert code == 1
    assert len(lines) == rows + 1
    assert all(line.startswith(f"account {account.pk}: {table}") for line in lines[:-1])
    assert lines[-1] == f"1 of 2 accounts: {rows} rows of {table} were mended"
    assert counts_now(before) == counts_of(before)
    assert run("--reason", "Tests.") == run("--check") == (0, "")
    assert factories.disagreements() == []
    assert list(AuditRecord.objects.filter(act="rebuild_rollups").values_list("account_id", flat=True)) == [account.pk]
    assert UsageLifetime.objects.get(account=other).events == 3


def counts_of(books: dict[str, str]) -> dict[str, str]:
    """All but roll-ups: a row that was mended by a new one has another id."""
    return {table: digest for table, digest in books.items() if table not in {"usage_day", "usage_quarter"}}


def counts_now(_before: dict[str, str]) -> dict[str, str]:
    return counts_of(factories.books_now())


def test_a_difference_says_what_was_kept_and_what_is_counted(account: Account) -> None:
    lie("UPDATE usage_lifetime SET events = 7, cost_nanos = 1 WHERE account_id = %(account)s", account)
    lie("UPDATE usage_day SET events = 5 WHERE account_id = %(account)s AND endpoint <> ''", account)
    model = UsageEvent.objects.get(event_id="plain").model_id

    row = f"day 2026-03-10 model_id {model} api_key_id 0 endpoint /v1/chat status success"
    code, said = run("--account", account.public_id, "--check")

    assert (code, said.splitlines()) == (
        1,
        [
            f"account {account.pk}: usage_day {row}: events kept 5, counted 2",
            f"account {account.pk}: usage_lifetime: events kept 7, counted 3; cost_nanos kept 1, counted 7500000",
            "1 of 1 accounts: 1 rows of usage_day, 1 rows of usage_lifetime differ",
        ],
    )


def test_looking_changes_nothing(account: Account) -> None:
    lie("UPDATE usage_day SET events = 0 WHERE account_id = %(account)s", account)
    before = factories.books_now()
    assert run("--check")[0] == run("--check", "--account", account.public_id)[0] == 1
    assert factories.books_now() == before
    assert not AuditRecord.objects.filter(act="rebuild_rollups").exists()


@pytest.mark.parametrize("arguments", [[], ["--reason", " "], ["--reason", "x", "--account", "f" * 32], ["--check", "--account", "x"]])
def test_without_a_reason_or_an_account_that_exists_nothing_is_mended(account: Account, arguments: list[str]) -> None:
    lie("UPDATE usage_day SET events = 0 WHERE account_id = %(account)s", account)
    before = factories.books_now()
    with pytest.raises(CommandError) as refused:
        run(*arguments)
    assert refused.value.returncode == 2
    assert factories.books_now() == before


def test_the_audit_trail_has_the_reason_and_what_was_wrong(account: Account) -> None:
    lie("UPDATE usage_lifetime SET events = 7 WHERE account_id = %(account)s", account)
    assert run("--reason", "Restored from a copy.")[0] == 1
    kept = AuditRecord.objects.get(act="rebuild_rollups")
    assert (kept.actor_id, kept.reason, kept.object_type) == (None, "Restored from a copy.", "account")
    assert kept.before == {"differences": [f"account {account.pk}: usage_lifetime: events kept 7, counted 3"]}
    assert kept.after == {"rows_mended": {"usage_lifetime": 1}}


def test_only_the_account_that_is_named_is_mended(account: Account) -> None:
    other = make_customer()
    for each in (account, other):
        lie("UPDATE usage_day SET events = 9 WHERE account_id = %(account)s", each)
    assert run("--account", account.public_id, "--reason", "Tests.")[0] == 1
    assert check_rollups(now=START).accounts == [other.pk]


def test_from_a_day_on_leaves_what_was_before_and_the_lifetime_alone(account: Account) -> None:
    report(account, "later", now=START + timedelta(days=3))
    count_account(account.pk)
    for table in ("usage_day", "usage_quarter", "usage_lifetime"):
        lie(f"UPDATE {table} SET events = events + 1 WHERE account_id = %(account)s", account)  # noqa: S608
    found = rebuild_rollups(since=(START + timedelta(days=3)).date(), reason="Tests.", now=START)
    assert found.rows == {"usage_day": 1, "usage_quarter": 1}
    assert check_rollups(now=START).rows == {"usage_day": 2, "usage_quarter": 2, "usage_lifetime": 1}
    assert rebuild_rollups(since=START.date(), reason="Tests.", now=START).rows == {"usage_day": 2, "usage_quarter": 2}
    assert run("--check", "--from", "2026-03-10") == (0, "")


def test_a_day_of_an_eastern_zone_begins_before_the_utc_day_and_is_found(db: None) -> None:
    price(since=START - timedelta(days=9))
    account = factories.make_account(zone="Pacific/Kiritimati")
    report(account, "early", now=datetime(2026, 3, 9, 10, 30, tzinfo=UTC))
    count_account(account.pk)
    assert UsageDay.objects.get().day.isoformat() == "2026-03-10"
    assert run("--check", "--from", "2026-03-10") == (0, "")


def test_calls_that_were_refunded_count_as_such_after_a_rebuild(account: Account) -> None:
    UsageEvent.objects.filter(event_id="plain").update(refunded_nanos=2_500_000)
    UsageEvent.objects.filter(event_id="chat-1").update(refunded_nanos=1)
    assert rebuild_rollups(account_id=account.pk, reason="Tests.", now=START).rows == {
        "usage_day": 3,
        "usage_quarter": 3,
        "usage_lifetime": 1,
    }
    for table in (UsageDay, UsageQuarter):
        assert set(table.objects.values_list("status", "events", "cost_nanos")) == {("refunded", 1, 0), ("success", 2, 4_999_999)}
    assert check_rollups(now=START).accounts == []


def test_counts_of_an_account_that_does_not_exist_are_taken_away(account: Account) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE usage_lifetime SET account_id = 999999999 WHERE account_id = %s", [account.pk])
    found = rebuild_rollups(reason="Tests.", now=START)
    assert found.accounts == [account.pk, 999_999_999]
    assert UsageLifetime.objects.get().account_id == account.pk


def call(account: Account, event_id: str) -> bytes:
    return json.dumps([factories.event(account, event_id, input_tokens=1_000)]).encode()


@pytest.mark.django_db(transaction=True)
def test_calls_that_arrive_during_a_rebuild_are_neither_lost_nor_counted_twice() -> None:
    account = make_customer()
    stop = threading.Event()

    def arrive(thread: int) -> int:
        return sum(ingest(call(account, f"{thread}-{number}"), now=clock.now()).accepted for number in range(40))

    def rebuild() -> int:
        rebuilt = 0
        while not stop.is_set():
            count_account(account.pk)
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM wallet WHERE account_id = %s FOR NO KEY UPDATE", [account.pk])
                cursor.execute("DELETE FROM usage_day; UPDATE usage_quarter SET events = 1; UPDATE usage_lifetime SET input_tokens = 0")
            rebuilt += len(rebuild_rollups(reason="Tests.", now=clock.now()).accounts)
        return rebuilt

    def all_arrivals() -> int:
        try:
            arrived = at_once(*(partial(arrive, thread) for thread in range(4)))
            assert failures(arrived) == []
            return sum(successes(arrived))
        finally:
            stop.set()

    outcomes = at_once(all_arrivals, rebuild)
    assert failures(outcomes) == []
    assert outcomes[0] == 160
    assert successes(outcomes)[1] > 1
    count_account(account.pk)
    assert UsageLifetime.objects.get().events == 163
    assert check_rollups(now=clock.now()).accounts == []
    assert factories.disagreements() == []


@pytest.mark.django_db(transaction=True)
def test_a_rebuild_that_is_killed_half_way_leaves_whole_accounts() -> None:
    first, second, third = (make_customer() for _ in range(3))
    for each in (first, second, third):
        lie("UPDATE usage_day SET events = 9 WHERE account_id = %(account)s", each)
        lie("UPDATE usage_lifetime SET events = 9 WHERE account_id = %(account)s", each)
    waits = threading.Event()

    def rebuild() -> Recount:
        waits.wait(timeout=30)
        return rebuild_rollups(reason="Tests.", now=clock.now())

    def kill() -> int:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM usage_lifetime WHERE account_id = %s FOR UPDATE", [second.pk])
            waits.set()
            return terminate_waiting(cursor.execute, cursor.fetchall)

    killed, by = at_once(rebuild, kill)
    assert isinstance(killed, OperationalError)
    assert by == 1
    assert check_rollups(now=START).accounts == [second.pk, third.pk]
    assert [row.account_id for row in AuditRecord.objects.filter(act="rebuild_rollups")] == [first.pk]
    assert rebuild_rollups(reason="Tests.", now=clock.now()).accounts == [second.pk, third.pk]
    assert factories.disagreements() == []


def terminate_waiting(execute: Callable[[str], object], fetch: Callable[[], list[tuple[bool]]]) -> int:
    """End the sessions of this database that wait for a lock of ours, as soon as there is one; how many there were."""
    for _ in range(600):
        execute("SELECT pg_stat_clear_snapshot()")  # Else a transaction reads the list of sessions once.
        execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
        )
        if ended := fetch():
            return len(ended)
        time.sleep(0.05)
    return 0
