"""Where a person may be sent after a checkout: hosts that the deployment allows, and nothing that looks like one."""

import pytest
from pytest_django import Settings

from payments.models import Order
from sandbox import Sandbox
from tests.actors import Person
from tests.conftest import Api
from tests.payments.api.purchases import CHECKOUT, SESSION, bought, buy, code_of, fields_of, nothing_moves

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def hosts(settings: Settings) -> None:
    settings.CHECKOUT_REDIRECT_HOSTS = ["shop.example.com", "127.0.0.1:3000"]
    settings.PUBLIC_URL = "https://billing.example.com"


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example.com",
        "https://shop.example.com/paid?order=1&x=%20y#done",
        "https://SHOP.example.com/paid",
        "http://127.0.0.1:3000/paid",
        "https://shop.example.com/paid?session={CHECKOUT_SESSION_ID}",
    ],
)
def test_an_address_on_an_allowed_host_is_taken_as_it_is(api: Api, alice: Person, stripe: Sandbox, url: str) -> None:
    told = bought(api, alice, success_url=url)

    assert Order.objects.get().success_url == url
    assert stripe.stored(told["session_id"])["success_url"] == url


FORBIDDEN = [
    "https://evil.example.com/",
    "https://shop.example.com.evil.com/",
    "https://evil.com/?shop.example.com",
    "https://evil.com#shop.example.com",
    "https://shop.example.com:8443/",
    "https://127.0.0.1/",
    "https://user@shop.example.com/",
    "https://user:secret@shop.example.com/",
    "https://shop.example.com@evil.com/",
    "https://shop.example.com\\@evil.com/",
    "https://evil.com\\shop.example.com/",
    "https:\\\\shop.example.com/",
    "//shop.example.com/",
    "///shop.example.com/",
    "https:///evil.com/",
    "https:/shop.example.com/",
    "https:shop.example.com",
    "/paid",
    "paid",
    "javascript:alert(1)//shop.example.com",
    "javascript://shop.example.com/%0aalert(1)",
    "data:text/html,<h1>paid</h1>",
    "ftp://shop.example.com/",
    "https://shop.example.com/<script>",
    'https://shop.example.com/"onload="',
    "https://shop.example.com/a b",
    "https://shop.example.com/a\nSet-Cookie: x",
    "https://shop.example.com/\t",
    " https://shop.example.com/",
    "https://shop.example.com/ ",
    "https://sh\u00f6p.example.com/",
    "https://shop\u3002example.com/",
    "https://shop.example.com/caf\u00e9",
    "https://shop.example.com\u2044@evil.com/",
    "https://[::1",
    "https://shop.example.com./",
    "https://{CHECKOUT_SESSION_ID}/",
    "https://shop.example.com/{OTHER}",
    "https://shop.example.com/" + "a" * 2_000,
]


@pytest.mark.parametrize("url", FORBIDDEN)
def test_any_other_address_is_refused_and_orders_nothing(api: Api, alice: Person, stripe: Sandbox, url: str) -> None:
    with nothing_moves():
        answers = [buy(api, alice, path, **{field: url}) for path in (CHECKOUT, SESSION) for field in ("success_url", "cancel_url")]

    assert [answer.status_code for answer in answers] == [400] * 4
    assert {code_of(answer) for answer in answers} == {"redirect_not_allowed"}
    assert [fields_of(answer) for answer in answers] == [["success_url"], ["cancel_url"]] * 2
    assert stripe.events() == []


def test_the_place_of_the_session_is_filled_in_by_the_provider_on_success_only(api: Api, alice: Person, stripe: Sandbox) -> None:
    with nothing_moves():
        answer = buy(api, alice, cancel_url="https://shop.example.com/?session={CHECKOUT_SESSION_ID}")

    assert (answer.status_code, code_of(answer)) == (400, "redirect_not_allowed")


def test_plain_http_is_for_machines_of_ones_own(api: Api, alice: Person, stripe: Sandbox, settings: Settings) -> None:
    settings.LOCAL_HTTP = False
    with nothing_moves():
        answer = buy(api, alice, success_url="http://127.0.0.1:3000/")

    assert (answer.status_code, code_of(answer)) == (400, "redirect_not_allowed")


def test_a_deployment_whose_own_host_is_not_known_sends_nobody_anywhere(
    api: Api, alice: Person, stripe: Sandbox, settings: Settings
) -> None:
    settings.CHECKOUT_REDIRECT_HOSTS = [""]
    with nothing_moves():
        answer = buy(api, alice, success_url="https:///evil.com/")

    assert (answer.status_code, code_of(answer)) == (400, "redirect_not_allowed")


@pytest.mark.parametrize("nothing", ["", None])
def test_without_an_address_our_own_page_is_used(api: Api, alice: Person, stripe: Sandbox, nothing: str | None) -> None:
    told = bought(api, alice, success_url=nothing, cancel_url=nothing)

    session = stripe.stored(told["session_id"])
    assert session["success_url"].startswith("https://billing.example.com/payment/return/")
    assert session["cancel_url"].endswith("?cancelled=1")
