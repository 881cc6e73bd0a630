"""A provider that hangs holds up purchases and nothing else: each web process keeps a thread for everybody else."""

import json
import threading
from typing import Final, Self

from sandbox import ApiFault
from tests.scenarios.machine import Reply, call, wait_until
from tests.scenarios.till import SLOW_SECONDS, Customer, Till

PURCHASES: Final = 30
HELD_UP: Final = 2 * 3
"""Two web processes, each of which makes PROVIDER_CALLS_AT_ONCE calls and no more."""
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
    with Crowd(till, who) as crowd:
        wait_until(lambda: len(crowd.replies) == PURCHASES - HELD_UP, "the surplus is turned away")
        for number in range(8):
            assert call(till.machine.web_port, "GET", "/healthz")[0] == 200
            event = {"event_id": f"meanwhile-{number}", "account": public_id, "model": "gpt-4o", "input_tokens": 1}
            status, said = call(till.machine.web_port, "POST", "/v1/usage/events", gateway_key, json.dumps([event]).encode())
            assert (status, json.loads(said)["accepted"]) == (200, 1)
        assert len(crowd.replies) == PURCHASES - HELD_UP
    assert {(each.status, each.body["code"]) for each in crowd.replies} == {(503, "provider_unavailable")}
    assert all(int(each.headers["Retry-After"]) > 0 for each in crowd.replies)


class Crowd:
    """Purchases of one customer at once; `replies` are those that were answered by now, all of them at the end."""

    def __init__(self, till: Till, who: Customer) -> None:
        self.till, self.who = till, who
        self.replies: list[Reply] = []
        self._threads = [threading.Thread(target=self._buy) for _ in range(PURCHASES)]

    def _buy(self) -> None:
        self.replies.append(self.till.buy(self.who))

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for thread in self._threads:
            thread.join()
        self.till.stripe.clear_faults()
