"""A machine that sells: the sandbox stands beside it, customers buy over HTTP and pay on the sandbox's pages."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any, Final

import sandbox
from launcher import product
from sandbox import ApiFault, Sandbox
from tests.sandbox import browser
from tests.scenarios.machine import PATIENCE_SECONDS, Machine, Reply, running_machine, send, wait_until

BUY: Final = "/api-account/user/billing/create-checkout"
PASSWORD: Final = "correct horse battery"
DOLLARS: Final = 20
BOUGHT_NANOS: Final = 20_000_000_000
BOUGHT_MINOR: Final = 2_000
SLOW_SECONDS: Final = 60
"""Longer than any test waits: who asks the provider meanwhile is killed while it waits."""
BEAT_SECONDS: Final = 2
HOUR_LATER: Final = (
    (
        "UPDATE provider_event SET lease_until = lease_until - interval '1 hour', next_try_at = next_try_at - interval '1 hour',"
        " received_at = received_at - interval '1 hour' WHERE status IN ('waiting', 'claimed')"
    ),
    "UPDATE core_idempotentrequest SET lease_until = lease_until - interval '1 hour'",
    "UPDATE payment_attempt SET check_at = check_at - interval '1 hour'",
)


@dataclass
class Customer:
    """Somebody who registered: their token, and their account's id in the rows."""

    token: str
    account_id: int


@dataclass
class Till:
    """The machine and its provider."""

    machine: Machine
    stripe: Sandbox

    def customer(self) -> Customer:
        """Somebody new, registered over HTTP."""
        ((number,),) = self.machine.ask("SELECT count(*) FROM accounts_account")
        given = {"email": f"customer-{number}@example.com", "password": PASSWORD}
        made = self._send("POST", "/auth/register", body=given)
        assert made.status == 201, made.content
        token = made.body["access"]
        public_id = self._send("GET", "/auth/me", token).body["accounts"][0]["id"]
        ((account_id,),) = self.machine.ask("SELECT id FROM accounts_account WHERE public_id = %s", public_id)
        return Customer(token, account_id)

    def buy(self, who: Customer, key: str = "", *, dollars: int = DOLLARS) -> Reply:
        """Ask for a checkout. Raises OSError or HTTPException if the web server is killed meanwhile."""
        headers = {"Idempotency-Key": key} if key else {}
        return self._send("POST", BUY, who.token, {"credit_usd": dollars, "currency": "USD"}, headers)

    def buy_into_the_void(self, who: Customer, key: str) -> None:
        """The same, of a web server that will not live to answer."""
        try:
            reply = self.buy(who, key)
        except (OSError, HTTPException):
            return
        raise AssertionError(f"it was to be killed, and answered {reply.status}")

    def _send(self, method: str, path: str, token: str = "", body: object = None, headers: Mapping[str, str] | None = None) -> Reply:
        return send(
            self.machine.web_port, method, path, key=token, body=b"" if body is None else json.dumps(body).encode(), headers=headers
        )

    def paid_checkout(self, who: Customer) -> list[dict[str, Any]]:
        """A checkout that a person has paid; its events, which the provider holds back."""
        reply = self.buy(who)
        assert reply.status == 200, reply.content
        self.stripe.hold()
        page = browser.pay(reply.body["checkout_url"])
        assert page.status == 303, page.text
        return self.stripe.held()

    def tell(self, events: list[dict[str, Any]], kind: str = "checkout.session.completed") -> None:
        """Deliver the held event of this type; it was taken."""
        (event,) = [each["id"] for each in events if each["type"] == kind]
        assert [each.status for each in self.stripe.release([event])] == [200]

    def sessions_of(self, who: Customer) -> list[str]:
        """The checkout sessions that the provider has for an account's orders, whatever we know of them."""
        orders = {order for (order,) in self.machine.ask("SELECT public_id FROM payment_order WHERE account_id = %s", who.account_id)}
        with self.stripe.world.store.transaction():
            found = self.stripe.world.store.newest("checkout.session", limit=1_000)
        return [each.id for each in found if each.body["client_reference_id"] in orders]

    def fault(self, path: str, method: str = "GET", *, before: float = 0, after: float = 0) -> None:
        """The provider is slow at its next request of this kind."""
        self.stripe.api_fault(ApiFault(path=path, method=method, times=1, delay_before=before, delay_after=after))

    def await_fault(self) -> None:
        """Wait until somebody has run into it."""
        wait_until(lambda: not self.stripe.faults.shown()["api"], "the slow request has begun")

    def an_hour_passes(self) -> None:
        """Leases end, and what waits is due."""
        for statement in HOUR_LATER:
            self.machine.do(statement)

    def forget_copies(self) -> None:
        """What happened so far needs no copies for operators any more."""
        self.machine.do("UPDATE provider_event SET mirrored_at = now() WHERE mirrored_at IS NULL")

    def recover(self, who: Customer) -> None:
        """What is done after a crash until the order is paid; then the provider delivers all that it held back."""
        self.stripe.clear_faults()
        self.an_hour_passes()
        self._await(lambda: self.orders_of(who) == ["paid"], "the order is paid")
        self.stripe.release()
        self.stripe.retry()
        assert self.stripe.drain(PATIENCE_SECONDS)
        mine = "order_id IN (SELECT id FROM payment_order WHERE account_id = %s)"
        unfinished = f"SELECT 1 FROM provider_event WHERE status <> 'done' AND {mine}"  # noqa: S608  A constant; the value is bound.
        self._await(lambda: not self.machine.ask(unfinished, who.account_id), "every event is done")

    def _await(self, is_so: Callable[[], bool], what: str) -> None:
        """
        Wait for what workers bring about. As beat does, ask for the sweep again and again: a broker that dies forgets. And as whoever
        runs the worker does, start it again when it ends: Celery's may, when the broker dies while it has a job in hand.
        """
        due = 0.0

        def is_so_now() -> bool:
            nonlocal due
            if time.monotonic() >= due:
                self.ensure_worker()
                self.machine.enqueue("payments.tasks.sweep_events")
                due = time.monotonic() + BEAT_SECONDS
            return is_so()

        wait_until(is_so_now, what)

    def ensure_worker(self) -> None:
        """A worker lives."""
        if self.machine.worker is None or not self.machine.worker.is_alive():
            self.machine.start_worker()

    def orders_of(self, who: Customer) -> list[str]:
        """How an account's orders stand."""
        return [
            status for (status,) in self.machine.ask("SELECT status FROM payment_order WHERE account_id = %s ORDER BY id", who.account_id)
        ]

    def assert_credited_once(self, who: Customer) -> None:
        """One order, one attempt, one grant, one entry, the balance that follows, no review; and the books agree."""
        ask, account = self.machine.ask, who.account_id
        assert self.orders_of(who) == ["paid"]
        assert len(self.sessions_of(who)) == 1
        attempts = ask(
            "SELECT a.status, settled_minor FROM payment_attempt a JOIN payment_order o ON o.id = order_id WHERE account_id = %s", account
        )
        assert attempts == [("settled", BOUGHT_MINOR)]
        assert ask("SELECT kind, amount_nanos FROM ledger_entry WHERE account_id = %s", account) == [("purchase", BOUGHT_NANOS)]
        assert ask("SELECT amount_nanos FROM credit_grant WHERE account_id = %s", account) == [(BOUGHT_NANOS,)]
        assert ask("SELECT balance_nanos FROM wallet WHERE account_id = %s", account) == [(BOUGHT_NANOS,)]
        assert ask("SELECT 1 FROM payment_review") == []
        assert self.machine.product.manage("verify_ledger") == ""

    def assert_nothing_credited(self, who: Customer) -> None:
        """Whatever was stored of a purchase, no money has moved."""
        for table in ("ledger_entry", "credit_grant"):
            assert self.machine.ask(f"SELECT 1 FROM {table} WHERE account_id = %s", who.account_id) == []  # noqa: S608
        assert "paid" not in self.orders_of(who)


@contextmanager
def running_till(**given: str) -> Iterator[Till]:
    """A machine with web server and worker down, beside a sandbox that sends it webhooks. `given`: settings of the product."""
    with running_machine(given) as machine:
        secret, webhook = product.webhook_secret(machine.state), f"http://127.0.0.1:{machine.web_port}{product.WEBHOOK_PATH}"
        with sandbox.running(
            api_key=product.stripe_key(machine.state), webhook_url=webhook, webhook_secret=secret, port=machine.sandbox_port
        ) as stripe:
            yield Till(machine, stripe)
