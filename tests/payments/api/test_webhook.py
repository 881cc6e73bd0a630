"""`POST /payment/webhook/stripe`: what is signed is stored once, what is not is not stored at all."""

import http.client
import io
import json
import time
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

import sandbox
from payments.models import ProviderEvent
from payments.webhooks import BODY_MAX
from sandbox import Sandbox, WebhookFaults
from tests import factories
from tests.actors import Person
from tests.conftest import Answer, Api
from tests.payments.api.purchases import STATUS, USD, bought, code_of, nothing_moves, pay
from tests.payments.world import SECRET, WEBHOOK, Shop

pytestmark = pytest.mark.django_db

HEADER = "Stripe-Signature"


def event(**said: object) -> dict[str, Any]:
    """An event about nothing of ours."""
    return {
        "id": "evt_1",
        "object": "event",
        "type": "customer.created",
        "api_version": sandbox.API_VERSION,
        "created": int(time.time()),
        "livemode": False,
        "data": {"object": {"id": "cus_1", "object": "customer"}},
        **said,
    }


def signed(body: bytes, secret: str = SECRET, at: int | None = None) -> str:
    return sandbox.signature(secret, body, int(time.time()) if at is None else at)


def post(api: Api, body: bytes, header: str | None, content_type: str = "application/json; charset=utf-8") -> Answer:
    headers = {} if header is None else {HEADER: header}
    return api.client.generic("POST", WEBHOOK, body, content_type=content_type, headers=headers)


def test_a_signed_event_is_stored_and_answered(api: Api, stripe: Sandbox) -> None:
    body = json.dumps(event()).encode()

    answer = post(api, body, signed(body))

    assert (answer.status_code, answer.json()) == (200, {"success": True, "data": {"received": True}})
    assert ProviderEvent.objects.values_list("event_id", "type", "object_id", "source").get() == (
        "evt_1",
        "customer.created",
        "cus_1",
        "webhook",
    )


def test_the_same_event_again_is_answered_the_same_and_stored_once(api: Api, stripe: Sandbox) -> None:
    body = json.dumps(event()).encode()

    answers = [post(api, body, signed(body)) for _ in range(3)]

    assert {answer.content for answer in answers} == {answers[0].content}
    assert ProviderEvent.objects.count() == 1


@pytest.mark.parametrize(
    "body",
    [
        b'{ "livemode" : false,\n\n "id":"evt_1","type":"x.y","created":1,"data":{"object":{"id":"\xc3\xa9"}},"api_version":null}\n',
        json.dumps(event(note="\u20ac \U0001f600"), ensure_ascii=False).encode(),
        json.dumps(event(), indent=4).replace("\n", "\r\n").encode(),
    ],
)
def test_the_signature_is_over_the_bytes_as_they_came(api: Api, stripe: Sandbox, body: bytes) -> None:
    assert post(api, body, signed(body)).status_code == 200
    with nothing_moves():
        assert post(api, body + b" ", signed(body)).status_code == 400
        assert post(api, json.dumps(json.loads(body)).encode(), signed(body)).status_code == 400


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/octet-stream", "x"],
)
def test_the_content_type_does_not_matter(api: Api, stripe: Sandbox, content_type: str) -> None:
    body = json.dumps(event()).encode()

    assert post(api, body, signed(body), content_type).status_code == 200
    assert ProviderEvent.objects.count() == 1


def test_no_login_and_no_csrf_token_play_a_part(stripe: Sandbox) -> None:
    body = json.dumps(event()).encode()
    strict = Api(Client(enforce_csrf_checks=True))

    answer = strict.client.generic("POST", WEBHOOK, body, headers={HEADER: signed(body), "Authorization": "Bearer nonsense"})

    assert answer.status_code == 200


FORGERIES = [
    ("no header", None),
    ("an empty header", ""),
    ("another secret", lambda body: signed(body, "whsec_" + "x" * 26)),
    ("an empty secret", lambda body: signed(body, "")),
    ("too old", lambda body: signed(body, at=int(time.time()) - 301)),
    ("too far ahead", lambda body: signed(body, at=int(time.time()) + 400)),
    ("another body", lambda body: signed(body + b" ")),
    ("a fresh time before the old one", lambda body: f"t={int(time.time())},{signed(body, at=int(time.time()) - 3_000)}"),
    ("a fresh time behind the old one", lambda body: f"{signed(body, at=int(time.time()) - 3_000)},t={int(time.time())}"),
    ("no time", lambda body: signed(body).split(",", 1)[1]),
    ("a time that is none", lambda body: "t=x," + signed(body).split(",", 1)[1]),
    ("the old scheme", lambda body: signed(body).replace("v1=", "v0=")),
    ("nonsense", "t=1,v1=\u00e9"),
]


@pytest.mark.parametrize("header", [header for _, header in FORGERIES], ids=[name for name, _ in FORGERIES])
def test_a_forged_event_is_a_400_and_stores_nothing(api: Api, stripe: Sandbox, header: Any) -> None:
    body = json.dumps(event()).encode()
    with nothing_moves():
        answer = post(api, body, header(body) if callable(header) else header)

    assert (answer.status_code, code_of(answer)) == (400, "invalid_signature")
    assert ProviderEvent.objects.count() == 0


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"{}", b"\xff\xfe", b'{"id": "evt_1"}', json.dumps(event(data=None)).encode()])
def test_signed_bytes_that_are_no_event_are_a_400_and_store_nothing(api: Api, stripe: Sandbox, body: bytes) -> None:
    with nothing_moves():
        answer = post(api, body, signed(body))

    assert (answer.status_code, code_of(answer)) == (400, "invalid_signature")


def test_while_a_secret_is_changed_both_are_good(api: Api, stripe: Sandbox, settings: Settings) -> None:
    settings.STRIPE_WEBHOOK_SECRETS = ["whsec_" + "n" * 26, SECRET]
    bodies = [json.dumps(event(id=f"evt_{secret}")).encode() for secret in settings.STRIPE_WEBHOOK_SECRETS]

    answers = [post(api, body, signed(body, secret)) for body, secret in zip(bodies, settings.STRIPE_WEBHOOK_SECRETS, strict=True)]

    assert [answer.status_code for answer in answers] == [200, 200]


def test_without_any_secret_nothing_is_believed(api: Api, stripe: Sandbox, settings: Settings) -> None:
    settings.STRIPE_WEBHOOK_SECRETS = []
    body = json.dumps(event()).encode()
    with nothing_moves():
        assert [post(api, body, signed(body, secret)).status_code for secret in (SECRET, "")] == [400, 400]


def test_a_body_over_a_mebibyte_is_a_413(api: Api, stripe: Sandbox) -> None:
    fits = json.dumps(event()).encode().ljust(BODY_MAX)
    with nothing_moves():
        answer = post(api, fits + b" ", signed(fits + b" "))

    assert (answer.status_code, code_of(answer)) == (413, "payload_too_large")
    assert post(api, fits, signed(fits)).status_code == 200


def test_what_was_stored_has_no_secret_of_a_browser(api: Api, stripe: Sandbox) -> None:
    body = json.dumps(event(data={"object": {"id": "pi_1", "client_secret": "pi_1_secret_x", "list": [{"client_secret": "y"}]}})).encode()
    post(api, body, signed(body))

    assert "secret" not in json.dumps(ProviderEvent.objects.get().payload)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_other_methods_are_refused(api: Api, stripe: Sandbox, method: str) -> None:
    with nothing_moves():
        answer = api.send(method, WEBHOOK)

    assert (answer.status_code, code_of(answer)) == (405, "method_not_allowed")


def test_the_webhook_of_a_channel_that_is_not_connected_is_not_there(api: Api) -> None:
    assert api.post("/payment/webhook/creem", {}).status_code == 404


def test_a_body_in_chunks_is_read_whole(api: Api, stripe: Sandbox) -> None:
    """As gunicorn hands it over: a stream that ends by itself, without a length."""
    body = json.dumps(event()).encode()
    as_sent: dict[str, Any] = {
        "HTTP_TRANSFER_ENCODING": "chunked",
        "wsgi.input": io.BytesIO(body),
        "wsgi.input_terminated": True,
        "CONTENT_LENGTH": "",
    }

    answer = api.client.generic("POST", WEBHOOK, b"", headers={HEADER: signed(body)}, **as_sent)

    assert answer.status_code == 200, answer.content
    assert ProviderEvent.objects.count() == 1


class BrokenOff(io.BytesIO):
    """What a server hands over of a sender that goes away."""

    def read(self, *_: object) -> bytes:
        raise OSError("connection reset")


def test_a_body_that_breaks_off_is_a_400_and_stores_nothing(api: Api, stripe: Sandbox) -> None:
    body = json.dumps(event()).encode()
    as_sent: dict[str, Any] = {"wsgi.input": BrokenOff()}
    with nothing_moves():
        answer = api.client.generic("POST", WEBHOOK, body, headers={HEADER: signed(body)}, **as_sent)

    assert (answer.status_code, code_of(answer)) == (400, "malformed_body")


@pytest.mark.django_db(transaction=True)
def test_the_bytes_reach_the_signature_check_through_a_real_server(live_server: LiveServer, stripe: Sandbox) -> None:
    body = json.dumps(event(data={"object": {"id": "x", "note": "\u00e9" * 300_000}}), ensure_ascii=False).encode()
    with closing(http.client.HTTPConnection(urlsplit(live_server.url).netloc, timeout=30)) as connection:
        connection.request("POST", WEBHOOK, body, {HEADER: signed(body)})
        answer = connection.getresponse()
        told = json.load(answer)

    assert (answer.status, told) == (200, {"success": True, "data": {"received": True}})
    assert ProviderEvent.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_purchase_over_http_is_credited_by_its_webhook(api: Api, alice: Person, live_shop: Shop) -> None:
    told = bought(api, alice, credit_usd=12.34)
    pay(told["checkout_url"], "declined")
    assert live_shop.stripe.drain()
    declined = api.get(f"{STATUS}/{told['order_id']}", alice).json()
    pay(told["checkout_url"])
    assert live_shop.stripe.drain()

    paid = api.get(f"{STATUS}/{told['order_id']}", alice).json()

    assert (declined["status"], declined["failure_reason"]) == ("pending", "Your card was declined.")
    assert (paid["status"], paid["failure_reason"], paid["credit_usd_str"]) == ("paid", "", "12.34")
    assert factories.balance_of(alice.account) == 12_340_000_000
    assert factories.disagreements() == []


@pytest.mark.django_db(transaction=True)
def test_twice_delivered_and_forged_beside_it_is_credited_once(api: Api, alice: Person, live_shop: Shop) -> None:
    live_shop.stripe.webhook_faults(WebhookFaults(duplicate=3, forge=True, reorder="reverse"))
    told = bought(api, alice)
    pay(told["checkout_url"])
    assert live_shop.stripe.drain()

    assert api.get(f"{STATUS}/{told['order_id']}", alice).json()["status"] == "paid"
    assert factories.balance_of(alice.account) == 20 * USD
    assert ProviderEvent.objects.count() == len({delivery.event for delivery in live_shop.stripe.deliveries()})
    assert factories.disagreements() == []
