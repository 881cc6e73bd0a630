"""A provider that hangs holds up purchases and nothing else: each web process keeps a thread for everybody else."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from typing import Final, Self

from launcher import ports
from launcher.children import Child
from launcher.product import Product
from sandbox import ApiFault
from tests.scenarios.machine import Machine, Reply, call, kill_all, send, wait_until
from tests.scenarios.till import BUY, DOLLARS, SLOW_SECONDS, Customer, Till

ORDER: Final = json.dumps({"credit_usd": DOLLARS, "currency": "USD"}).encode()
PURCHASES: Final = 30
CALLS_AT_ONCE: Final = 3
HELD_UP_MAX: Final = 2 * CALLS_AT_ONCE
"""By two web processes. The system deals out connections as it likes, so that one of them may hold up fewer."""
GATEWAY = """
import json
from core import clock
from accounts.services.api_keys import issue_platform_key
from usage.services.starter_prices import load_starter_prices
load_starter_prices(now=clock.now())
issued = issue_platform_key(name="gateway", scopes=["usage:write"], actor_id=None, reason="Tests.", now=clock.now())
print(json.dumps(issued.secret))
"""


def test_a_hanging_provider_leaves_health_and_usage_alone_and_turns_the_surplus_away(till: Till) -> None:
    gateway_key = till.machine.run_python(GATEWAY)
    who = till.customer()
    assert till.buy(who).status == 200
    ((public_id,),) = till.machine.ask("SELECT public_id FROM accounts_account WHERE id = %s", who.account_id)
    till.stripe.api_fault(ApiFault(path="/v1/checkout/sessions", delay_before=SLOW_SECONDS))
    with patient_web(till.machine) as (web, port), Crowd(port, who) as crowd:
        wait_until(lambda: len(crowd.replies) >= PURCHASES - HELD_UP_MAX, "the surplus is turned away")
        for number in range(8):
            assert call(port, "GET", "/healthz")[0] == 200
            event = {"event_id": f"meanwhile-{number}", "account": public_id, "model": "gpt-4o", "input_tokens": 1}
            status, said = call(port, "POST", "/v1/usage/events", gateway_key, json.dumps([event]).encode())
            assert (status, json.loads(said)["accepted"]) == (200, 1)
        kill_all(web)
    till.stripe.clear_faults()
    assert CALLS_AT_ONCE <= PURCHASES - len(crowd.replies) <= HELD_UP_MAX
    assert {(each.status, each.body["code"]) for each in crowd.replies} == {(503, "provider_unavailable")}
    assert all(int(each.headers["Retry-After"]) > 0 for each in crowd.replies)


@contextmanager
def patient_web(machine: Machine) -> Iterator[tuple[Child, int]]:
    """A web server of the usual size, which waits for its provider for longer than the test runs; and its port."""
    port = ports.any_free()
    given = {"PROVIDER_TIMEOUT_SECONDS": str(SLOW_SECONDS), "PROVIDER_CALLS_AT_ONCE": str(CALLS_AT_ONCE)}
    product = Product(machine.state, {**machine.product.environment, **given})
    with machine.beside(product.web(port)) as web:
        wait_until(lambda: not ports.is_free(port) and call(port, "GET", "/healthz")[0] == 200, "the web server answers")
        yield web, port


class Crowd:
    """Purchases of one customer at once; `replies` are those that were answered. Whoever is not is left alone when the server dies."""

    def __init__(self, port: int, who: Customer) -> None:
        self.port, self.who = port, who
        self.replies: list[Reply] = []
        self._threads = [threading.Thread(target=self._buy) for _ in range(PURCHASES)]

    def _buy(self) -> None:
        with suppress(OSError, HTTPException):
            self.replies.append(send(self.port, "POST", BUY, key=self.who.token, body=ORDER))

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for thread in self._threads:
            thread.join()
