"""Who may tell us of money: a signature that is right, fresh and unambiguous. Anything else is a 400 and leaves no row."""

import json
import time
from collections.abc import Callable
from typing import Final

import pytest
from pytest_django import Settings

import sandbox
from payments.models import ProviderEvent
from payments.webhooks import BODY_MAX
from tests.conftest import Answer, Api
from tests.payments.api.purchases import nothing_moves
from tests.payments.world import SECRET, WEBHOOK, Shop, post_event

pytestmark = pytest.mark.django_db

OLD_SECRET: Final = "whsec_the_one_before_0123456789"
EVENT: Final = {
    "id": "evt_1",
    "type": "customer.created",
    "api_version": sandbox.API_VERSION,
    "livemode": False,
    "created": 1_700_000_000,
    "data": {"object": {"id": "cus_1"}},
}
BODY: Final = json.dumps(EVENT).encode()


def signed(secret: str = SECRET, *, age: int = 0, body: bytes = BODY) -> str:
    return sandbox.signature(secret, body, int(time.time()) - age)


def digest_of(header: str) -> str:
    return header.rpartition("v1=")[2]


def fresh_time_before(header: str) -> str:
    return f"t={int(time.time())},{header}"


def fresh_time_behind(header: str) -> str:
    return f"{header},t={int(time.time())}"


FORGED: Final[dict[str, Callable[[], str]]] = {
    "no header": lambda: "",
    "no signature at all": lambda: "v1=",
    "another secret": lambda: signed("whsec_somebody_elses_0123456789"),
    "an empty secret": lambda: signed(""),
    "too old": lambda: signed(age=310),
    "too far ahead": lambda: signed(age=-310),
    "an old one with a fresh time before it": lambda: fresh_time_before(signed(age=86_400)),
    "an old one with a fresh time behind it": lambda: fresh_time_behind(signed(age=86_400)),
    "a fresh one whose time stands twice": lambda: fresh_time_behind(signed()),
    "a time that was not signed": lambda: f"t={int(time.time())},v1={digest_of(signed(age=60))}",
    "no time": lambda: f"v1={digest_of(signed())}",
    "a time that is no number": lambda: f"t=now,v1={digest_of(signed())}",
    "an older scheme alone": lambda: signed().replace("v1=", "v0="),
    "another scheme alone": lambda: signed().replace("v1=", "v2="),
    "half a digest": lambda: signed()[:-32],
    "another body": lambda: signed(body=BODY + b" "),
    "rubbish": lambda: "é=\x01,,=,t",
}


def assert_refused(answer: Answer, status: int = 400, code: str = "invalid_signature") -> None:
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert "whsec" not in answer.content.decode()


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_signature_is_refused_and_nothing_is_stored(shop: Shop, name: str) -> None:
    with nothing_moves():
        assert_refused(post_event(BODY, FORGED[name]()))


def test_without_a_header_nothing_is_taken(shop: Shop, api: Api) -> None:
    with nothing_moves():
        assert_refused(api.post(WEBHOOK, BODY))


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"{}", b"not json", b"\xff\xfe", b'"text"', json.dumps(EVENT | {"id": None, "data": {}}).encode()],
)
def test_what_is_signed_and_is_no_event_is_refused(shop: Shop, body: bytes) -> None:
    with nothing_moves():
        assert_refused(post_event(body))


def test_a_body_that_was_changed_by_one_byte_is_refused(shop: Shop) -> None:
    with nothing_moves():
        assert_refused(post_event(BODY.replace(b"cus_1", b"cus_2"), signed()))


def test_a_body_without_end_is_refused(shop: Shop) -> None:
    body = BODY[:-1] + b" " * BODY_MAX + b"}"
    with nothing_moves():
        assert_refused(post_event(body), 413, "payload_too_large")


def test_without_secrets_nothing_is_taken(shop: Shop, settings: Settings) -> None:
    for secrets in ([], [""]):
        settings.STRIPE_WEBHOOK_SECRETS = secrets
        with nothing_moves():
            assert_refused(post_event(BODY))
            assert_refused(post_event(BODY, signed("")))


ACCEPTED: Final[dict[str, Callable[[], str]]] = {
    "fresh": signed,
    "nearly too old": lambda: signed(age=280),
    "nearly too far ahead": lambda: signed(age=-280),
    "by the secret before this one": lambda: signed(OLD_SECRET),
    "by two secrets, as while one is being changed": lambda: f"{signed('whsec_unknown_0123456789012')},v1={digest_of(signed())}",
    "beside an older scheme": lambda: f"{signed()},v0=0123456789",
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_signature_that_is_right_is_taken(shop: Shop, settings: Settings, name: str) -> None:
    settings.STRIPE_WEBHOOK_SECRETS = [SECRET, OLD_SECRET]
    answer = post_event(BODY, ACCEPTED[name]())
    assert (answer.status_code, answer.json()) == (200, {"success": True, "data": {"received": True}})
    assert ProviderEvent.objects.get().event_id == "evt_1"


def test_the_old_secret_is_worth_nothing_once_it_is_gone(shop: Shop) -> None:
    with nothing_moves():
        assert_refused(post_event(BODY, signed(OLD_SECRET)))


def test_nobody_reads_the_webhooks_address(shop: Shop, api: Api) -> None:
    assert api.get(WEBHOOK).status_code == 405


def test_dj_stripes_own_webhook_is_nowhere(shop: Shop, api: Api) -> None:
    for path in ("/stripe/webhook/", "/stripe/webhook/00000000-0000-0000-0000-000000000000/", "/djstripe/webhook/"):
        assert api.post(path, BODY).status_code == 404
