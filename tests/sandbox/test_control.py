"""The clock, tampering, and the control surface over HTTP."""

import http.client
import json
from typing import Any

import pytest
from stripe import StripeClient

from sandbox import Sandbox, WebhookFaults
from tests.sandbox import browser
from tests.sandbox.conftest import OpenCheckout
from tests.sandbox.receiver import Receiver
from tests.sandbox.waiting import until

DAY = 86_400


def control(local: Sandbox, method: str, path: str, body: object = None) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(local.base_url.removeprefix("http://"), timeout=30)
    connection.request(method, f"/_sandbox/{path}", None if body is None else json.dumps(body))
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, json.loads(text)


def test_it_says_when_it_is_ready(local: Sandbox) -> None:
    assert control(local, "GET", "health") == (200, {"status": "ok"})


def test_the_clock_moves_what_is_made_and_what_expires(local: Sandbox, checkout: OpenCheckout, client: StripeClient) -> None:
    long, short = checkout(), checkout(expires_at=local.now() + 1900)
    before = client.v1.customers.create({}).created
    status, answer = control(local, "POST", "clock", {"advance": 1901})
    assert status == 200
    assert answer["now"] >= before + 1901
    (event,) = local.events("checkout.session.expired")
    assert (event["data"]["object"]["id"], event["created"]) == (short.id, short.expires_at)
    assert client.v1.customers.create({}).created >= before + 1901
    assert client.v1.checkout.sessions.retrieve(short.id).status == "expired"
    assert client.v1.checkout.sessions.retrieve(long.id).status == "open"
    control(local, "POST", "clock", {"set": long.expires_at})
    assert client.v1.checkout.sessions.retrieve(long.id).status == "expired"
    assert control(local, "GET", "clock")[1]["now"] - local.now() in {-1, 0}


def test_a_session_expires_although_nobody_looks(local: Sandbox, checkout: OpenCheckout, receiver: Receiver) -> None:
    session = checkout()
    local.world.clock.advance(DAY + 1)
    until(lambda: "checkout.session.expired" in receiver.types)
    assert local.stored(session.id)["status"] == "expired"


def test_a_session_that_has_expired_is_so_for_the_next_who_looks(local: Sandbox, checkout: OpenCheckout, client: StripeClient) -> None:
    by_api, by_page = checkout(), checkout()
    local.world.clock.advance(DAY + 1)
    assert client.v1.checkout.sessions.retrieve(by_api.id).status == "expired"
    assert browser.pay(str(by_page.url)).status == 410


def test_a_paid_session_does_not_expire(local: Sandbox, checkout: OpenCheckout) -> None:
    session = checkout()
    browser.pay(str(session.url))
    local.advance(2 * DAY)
    assert local.stored(session.id)["status"] == "complete"
    assert local.events("checkout.session.expired") == []


def test_a_session_expires_at_its_own_second_however_late_one_looks(local: Sandbox, checkout: OpenCheckout) -> None:
    first, second = checkout(expires_at=local.now() + 5000), checkout(expires_at=local.now() + 2000)
    local.advance(30 * DAY)
    expired = [(event["data"]["object"]["id"], event["created"]) for event in local.events("checkout.session.expired")]
    assert expired == [(second.id, second.expires_at), (first.id, first.expires_at)]


def test_tampering_changes_what_is_fetched_and_says_nothing(local: Sandbox, checkout: OpenCheckout, client: StripeClient) -> None:
    session = checkout()
    browser.pay(str(session.url))
    before = len(local.events())
    assert control(local, "PATCH", f"objects/{session.id}", {"amount_total": 1, "currency": "eur", "livemode": True})[0] == 200
    found = client.v1.checkout.sessions.retrieve(session.id)
    assert (found.amount_total, found.currency, found.livemode) == (1, "eur", True)
    assert control(local, "GET", f"objects/{session.id}")[1]["amount_total"] == 1
    assert len(local.events()) == before


def test_knobs_are_turned_read_and_cleared_over_http(local: Sandbox, client: StripeClient, receiver: Receiver) -> None:
    wanted = {"webhooks": {"duplicate": 3, "drop_types": ["price.*"]}, "api": [{"path": "/v1/products", "status": 500, "times": 1}]}
    status, shown = control(local, "PUT", "faults", wanted)
    assert (status, shown["webhooks"]["duplicate"], shown["api"][0]["status"]) == (200, 3, 500)
    assert local.faults.webhooks == WebhookFaults(duplicate=3, drop_types=("price.*",))
    client.v1.customers.create({})
    assert local.drain()
    assert len(receiver.deliveries) == 3
    assert control(local, "GET", "faults")[1]["webhooks"]["duplicate"] == 3
    assert control(local, "DELETE", "faults")[1]["api"] == []
    assert local.faults.webhooks == WebhookFaults()


@pytest.mark.parametrize(
    "wrong",
    [
        {"webhooks": {"triplicate": 1}},
        {"webhooks": {"duplicate": "3"}},
        {"webhooks": {"duplicate": True}},
        {"webhooks": {"drop": 1}},
        {"webhooks": {"drop_types": [1]}},
        {"webhooks": []},
        {"api": {}},
        {"api": [{"status": 200}]},
        {"api": [{"times": 0}]},
        {"api": [{"delay_before": -1}]},
        {"webhooks": {"duplicate": 5}, "api": [{"speed": 1}]},
        {"else": 1},
    ],
)
def test_a_knob_that_does_not_exist_changes_nothing(local: Sandbox, wrong: object) -> None:
    before = local.faults.shown()
    status, answer = control(local, "PUT", "faults", wrong)
    assert status == 400
    assert answer["error"]
    assert local.faults.shown() == before


def test_holding_releasing_resending_and_reading_deliveries_over_http(local: Sandbox, client: StripeClient, receiver: Receiver) -> None:
    assert control(local, "POST", "webhooks/hold")[1] == {"holding": True}
    for _ in range(2):
        client.v1.customers.create({})
    first, second = control(local, "GET", "webhooks/held")[1]["held"]
    attempts = control(local, "POST", "webhooks/release", {"order": [second["id"], first["id"]]})[1]["attempts"]
    assert [each["event"] for each in attempts] == [second["id"], first["id"]]
    assert control(local, "POST", "webhooks/release", {})[1] == {"attempts": []}
    assert control(local, "POST", f"events/{first['id']}/resend")[0] == 200
    assert control(local, "POST", "webhooks/retry")[0] == 200
    assert control(local, "POST", "webhooks/drain")[1] == {"drained": True}
    seen = control(local, "GET", "deliveries")[1]
    assert [each["state"] for each in seen["deliveries"]] == ["delivered"] * 3
    assert [each["what"] for each in seen["attempts"]] == ["delivery", "delivery", "resent"]
    assert len(receiver.deliveries) == 3


def test_a_debit_is_settled_over_http(local: Sandbox, checkout: OpenCheckout) -> None:
    session = checkout()
    browser.pay_by_bank(str(session.url))
    assert control(local, "POST", f"debits/{session.id}", {"outcome": "perhaps"})[0] == 400
    assert control(local, "POST", f"debits/{session.id}", {"outcome": "fail"})[1]["status"] == "requires_payment_method"
    assert control(local, "POST", f"debits/{session.id}", {"outcome": "settle"})[0] == 404


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "nothing", None, 404),
        ("GET", "objects/cs_none", None, 404),
        ("PATCH", "objects/cs_none", {"a": 1}, 404),
        ("POST", "events/evt_none/resend", None, 404),
        ("POST", "webhooks/hold/on", None, 404),
        ("POST", "clock", {"advance": "1"}, 400),
        ("POST", "clock", {"advance": True}, 400),
        ("POST", "clock", {"advance": 1, "set": 1}, 400),
        ("POST", "clock", [1], 400),
        ("POST", "webhooks/release", {"order": [1]}, 400),
    ],
)
def test_what_it_does_not_understand_it_says(local: Sandbox, method: str, path: str, *, body: object, status: int) -> None:
    offset = local.world.clock.offset
    assert control(local, method, path, body)[0] == status
    assert local.world.clock.offset == offset


def test_a_body_that_is_too_long_is_not_read(local: Sandbox) -> None:
    connection = http.client.HTTPConnection(local.base_url.removeprefix("http://"), timeout=30)
    connection.putrequest("POST", "/v1/customers")
    connection.putheader("Content-Length", str(10**9))
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, answer.headers["Connection"]) == (413, "close")
    answer.read()
    connection.close()


def test_one_connection_serves_many_requests(local: Sandbox) -> None:
    connection = http.client.HTTPConnection(local.base_url.removeprefix("http://"), timeout=30)
    connection.connect()
    own = connection.sock.getsockname()
    for _ in range(3):
        connection.request("GET", "/_sandbox/health")
        assert connection.getresponse().read()
        assert connection.sock.getsockname() == own
    connection.close()
