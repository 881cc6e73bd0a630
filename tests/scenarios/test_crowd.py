"""Two hundred purchases at once with a slow provider: nothing is locked while it is waited for, and each is credited once."""

import dataclasses
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Final

import pytest

from launcher import ports
from launcher.children import Command
from launcher.product import Product
from sandbox import WebhookFaults
from tests.sandbox import browser
from tests.scenarios.machine import PATIENCE_SECONDS, Machine, Reply, call, send, wait_until
from tests.scenarios.till import BOUGHT_NANOS, BUY, DOLLARS, Till
from tests.scenarios.turnstile import Turnstile

PURCHASES: Final = 200
OF_ONE_ACCOUNT: Final = 40
WORKERS: Final = 4
NOT_ABOUT_MONEY: Final = ("customer.*", "product.*", "price.*", "charge.*", "payment_method.*", "payment_intent.created")
BEGIN: Final = """
import json
from accounts.models import Account
from accounts.services.api_keys import issue_platform_key
from core import clock
now = clock.now()
issued = issue_platform_key(name="shop", scopes=["billing:write", "billing:read"], actor_id=None, reason="Tests.", now=now)
made = Account.objects.bulk_create(Account(name="crowd", created_at=now) for _ in range({accounts}))
print(json.dumps([issued.secret, [account.public_id for account in made]]))
"""
GRANTED: Final = """
SELECT account.public_id, count(o.id), count(g.id), count(DISTINCT o.id), sum(g.amount_nanos)::bigint
FROM accounts_account account JOIN payment_order o ON o.account_id = account.id AND o.status = 'paid'
LEFT JOIN credit_grant g ON g.account_id = account.id AND g.source_key = 'order:' || o.public_id || ':paid'
WHERE account.name = 'crowd' GROUP BY 1
"""
BOOKED: Final = """
SELECT account.public_id, count(*), sum(amount_nanos)::bigint, max(balance_nanos), count(*) FILTER (WHERE kind = 'purchase')
FROM accounts_account account JOIN ledger_entry e ON e.account_id = account.id JOIN wallet ON wallet.account_id = account.id
WHERE account.name = 'crowd' GROUP BY 1
"""


@pytest.fixture
def turnstile(till: Till) -> Iterator[Turnstile]:
    with Turnstile(till.machine.sandbox_port, till.machine.database_url) as turnstile:
        yield turnstile


@pytest.mark.slow
def test_two_hundred_purchases_at_once_lock_nothing_while_they_wait_and_are_credited_once(
    till: Till, no_worker: None, turnstile: Turnstile
) -> None:
    machine = till.machine
    key, accounts = machine.run_python(BEGIN.format(accounts=PURCHASES - OF_ONE_ACCOUNT + 1))
    buyers = [*accounts[1:], *[accounts[0]] * OF_ONE_ACCOUNT]
    till.stripe.webhook_faults(WebhookFaults(drop_types=NOT_ABOUT_MONEY, duplicate=2))
    with crowded_web(machine, turnstile) as port, turnstile.expecting(PURCHASES):
        pages = opened(port, key, buyers)
    assert turnstile.most_at_once == PURCHASES
    assert turnstile.offences == []
    with ThreadPoolExecutor(PURCHASES) as people:
        assert {page.status for page in people.map(browser.pay, pages)} == {303}
    assert till.stripe.drain(PATIENCE_SECONDS)
    before = turnstile.looks
    with crowded_worker(machine, turnstile):
        await_work_done(machine, turnstile)
    assert turnstile.looks - before >= PURCHASES
    assert turnstile.offences == []
    till.stripe.clear_faults()
    till.forget_copies()
    assert_credited_once(machine, buyers)


def opened(port: int, key: str, buyers: Sequence[str]) -> list[str]:
    """A page to pay on for each, all asked for at once, each with a key of its own."""

    def buy(number: int) -> Reply:
        body = {"credit_usd": DOLLARS, "currency": "USD", "account": buyers[number]}
        return send(port, "POST", BUY, key=key, body=json.dumps(body).encode(), headers={"Idempotency-Key": f"crowd-{number}"})

    with ThreadPoolExecutor(len(buyers)) as pool:
        replies = list(pool.map(buy, range(len(buyers))))
    assert {each.status for each in replies} == {200}, replies
    return [each.body["checkout_url"] for each in replies]


def await_work_done(machine: Machine, turnstile: Turnstile) -> None:
    """Wait for every event, some at a time: on a slow machine it takes long, and must not be mistaken for standing still."""

    def is_down_to(left: int) -> bool:
        ((unfinished,),) = machine.ask("SELECT count(*) FROM provider_event WHERE status <> 'done'")
        return unfinished <= left or bool(turnstile.offences)

    for left in range(PURCHASES * 2, -1, -20):
        wait_until(partial(is_down_to, left), f"events are done, but for {left}")


def assert_credited_once(machine: Machine, buyers: Sequence[str]) -> None:
    bought = Counter(buyers)
    granted = {account: tuple(facts) for account, *facts in machine.ask(GRANTED)}
    assert granted == {account: (n, n, n, n * BOUGHT_NANOS) for account, n in bought.items()}
    booked = {account: tuple(facts) for account, *facts in machine.ask(BOOKED)}
    assert booked == {account: (n, n * BOUGHT_NANOS, n * BOUGHT_NANOS, n) for account, n in bought.items()}
    assert machine.ask("SELECT 1 FROM payment_review") == []
    assert machine.product.manage("verify_ledger") == ""


@contextmanager
def crowded_web(machine: Machine, turnstile: Turnstile) -> Iterator[int]:
    """A web server beside the machine's own, with a thread for everybody; its port."""
    port = ports.any_free()
    command = with_option(slowly(machine, turnstile).web(port), "--threads", PURCHASES)
    with machine.beside(command):
        wait_until(lambda: not ports.is_free(port) and call(port, "GET", "/healthz")[0] == 200, "the crowded web server answers")
        yield port


@contextmanager
def crowded_worker(machine: Machine, turnstile: Turnstile) -> Iterator[None]:
    """A worker with more processes than usual."""
    with machine.beside(with_option(slowly(machine, turnstile).worker(), "--concurrency", WORKERS)):
        yield


def slowly(machine: Machine, turnstile: Turnstile) -> Product:
    """The product, with its provider behind the turnstile."""
    patient = {"PROVIDER_TIMEOUT_SECONDS": "60", "PROVIDER_CALLS_AT_ONCE": str(PURCHASES)}
    return Product(machine.state, {**machine.product.environment, **patient, "STRIPE_API_HOST": turnstile.address})


def with_option(command: Command, name: str, value: object) -> Command:
    arguments = list(command.arguments)
    arguments[arguments.index(name) + 1] = str(value)
    return dataclasses.replace(command, arguments=arguments)
