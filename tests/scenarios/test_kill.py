"""kill -9 of web, worker or database in the middle of their work: nothing is lost, nothing is doubled."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest

from tests.scenarios.machine import COST_NANOS, Gateway, Machine, running_machine, wait_until

BEGIN = """
import json
from core import clock
from accounts.services.api_keys import issue_platform_key
from accounts.services.registration import register
from credits.services.adjustments import adjust_balance
from usage.services.starter_prices import load_starter_prices
now = clock.now()
load_starter_prices(now=now)
key = issue_platform_key(name="gateway", scopes=["usage:write"], actor_id=None, reason="Tests.", now=now)
made = [register(email=f"{n}@example.com", password="correct horse battery", now=now).account for n in range(3)]
for account in made:
    adjust_balance(account_id=account.pk, amount_nanos=1_000_000, reason="Tests.", actor_id=None, source_key="begin", now=now)
print(json.dumps({"key": key.secret, "ids": [it.pk for it in made], "public_ids": [it.public_id for it in made]}))
"""
MAKE_DUE = """
import json
from datetime import timedelta
from django.db import transaction
from accounts.models import Account
from core import clock
from credits.books import Source
from credits.models import Book, Category, Kind
from credits.services.grants import GrantTerms, issue_grant
now = clock.now()
begin = now - timedelta(days=2)
accounts = Account.objects.bulk_create(Account(name="due", created_at=begin) for _ in range(700))
with transaction.atomic():
    for number, account in enumerate(accounts):
        at = begin + timedelta(hours=1, seconds=number)
        ends_at = at + timedelta(hours=1)
        source = Source("tests", "", "due")
        terms = GrantTerms(7, Kind.PROMO, Book.PROMO, Category.PROMO, source, effective_at=at, expires_at=ends_at)
        issue_grant(account_id=account.pk, terms=terms, now=begin)
print(json.dumps([account.pk for account in accounts]))
"""


@dataclass
class Scene:
    """The machine, its gateway's key and customers, and every call that was ever acknowledged."""

    machine: Machine
    key: str
    ids: list[int]
    public_ids: list[str]
    acknowledged: list[str] = field(default_factory=list)

    def gateway(self, name: str) -> Gateway:
        return Gateway(self.machine, self.key, self.public_ids, name)

    def catch_in_the_middle(self) -> Any:
        return self.machine.hold_wallets(self.ids)

    def assert_nothing_lost_or_doubled(self, gateway: Gateway) -> None:
        """Each acknowledged call is there once for each customer and charged once, nothing else is, and the books agree."""
        assert set(gateway.acknowledged.values()) == {1}
        self.acknowledged += gateway.acknowledged
        sent = sorted(self.acknowledged)
        for account_id in self.ids:
            events = self.machine.ask("SELECT event_id FROM usage_event WHERE account_id = %s", account_id)
            assert sorted(event_id for (event_id,) in events) == sent
            charged = self.machine.ask(
                "SELECT source_id, amount_nanos FROM ledger_entry WHERE account_id = %s AND kind = 'usage'", account_id
            )
            assert sorted(charged) == [(event_id, -COST_NANOS) for event_id in sent]
            wallet = self.machine.ask("SELECT balance_nanos, next_seq FROM wallet WHERE account_id = %s", account_id)
            assert wallet == [(1_000_000 - COST_NANOS * len(sent), len(sent) + 2)]
        assert self.machine.product.manage("verify_ledger") == ""


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with running_machine() as machine:
        begun = machine.run_python(BEGIN)
        machine.start_web()
        yield Scene(machine, begun["key"], begun["ids"], begun["public_ids"])


def test_a_killed_web_worker_loses_and_doubles_nothing(scene: Scene) -> None:
    with scene.gateway("web-worker") as gateway:
        with scene.catch_in_the_middle():
            wait_until(lambda: scene.machine.waiting() == 4, "every batch is in the middle")
            scene.machine.kill_a_web_worker()
        gateway.await_more()
        scene.machine.kill_a_web_worker()
        gateway.await_more()
    assert gateway.retries > 0
    scene.assert_nothing_lost_or_doubled(gateway)


def test_a_killed_web_server_loses_and_doubles_nothing(scene: Scene) -> None:
    with scene.gateway("web") as gateway:
        with scene.catch_in_the_middle():
            wait_until(lambda: scene.machine.waiting() == 4, "every batch is in the middle")
            scene.machine.kill_web()
        scene.machine.start_web()
        gateway.await_more()
    assert gateway.retries >= 4
    scene.assert_nothing_lost_or_doubled(gateway)


def test_a_killed_database_recovers_and_loses_and_doubles_nothing(scene: Scene) -> None:
    with scene.gateway("database") as gateway:
        with scene.catch_in_the_middle():
            wait_until(lambda: scene.machine.waiting() == 4, "every batch is in the middle")
            scene.machine.kill_database()
        scene.machine.restart_database()
        gateway.await_more()
        scene.machine.kill_database()
        scene.machine.restart_database()
        gateway.await_more()
    assert gateway.retries >= 4
    scene.assert_nothing_lost_or_doubled(gateway)


def test_a_worker_killed_in_the_middle_of_its_sweep_books_each_change_once(scene: Scene) -> None:
    machine = scene.machine
    due = machine.run_python(MAKE_DUE)
    machine.start_worker()
    with scene.gateway("worker") as gateway:
        with collide_with_entry(machine, account_id=due[600]):
            machine.enqueue("credits.tasks.book_due_changes")
            wait_until(lambda: machine.waiting("INSERT INTO ledger_entry") == 1, "the sweep is in the middle of writing")
            ((booked,),) = machine.ask("SELECT count(*) FROM wallet WHERE account_id = ANY(%s) AND next_seq > 1", due)
            machine.kill_worker()
        assert booked == 500
        machine.start_worker()
        machine.enqueue("credits.tasks.book_due_changes")
        wait_until(lambda: machine.ask("SELECT 1 FROM wallet WHERE next_change_at <= now()") == [], "everything is swept")
    entries = machine.ask(
        "SELECT account_id, array_agg(kind ORDER BY seq) FROM ledger_entry WHERE account_id = ANY(%s) GROUP BY 1 ORDER BY 1", due
    )
    assert entries == [(account_id, ["promo", "expiry"]) for account_id in due]
    scene.assert_nothing_lost_or_doubled(gateway)


class collide_with_entry:  # noqa: N801  Used as a `with` block.
    """An entry of an account's first seq, written and not committed: whoever writes the real one waits in the middle of its writing."""

    def __init__(self, machine: Machine, account_id: int) -> None:
        self.connection = psycopg.connect(machine.database_url)
        self.account_id = account_id

    def __enter__(self) -> None:
        self.connection.execute(
            "INSERT INTO ledger_entry (account_id, seq, kind, book, amount_nanos, balance_after_nanos, spent_after_nanos, source_type,"
            " source_id, description, reference, occurred_at, created_at)"
            " VALUES (%s, 1, 'promo', 'promo', 1, 1, 0, '', '', '', '', now(), now())",
            [self.account_id],
        )

    def __exit__(self, *_: object) -> None:
        self.connection.close()
