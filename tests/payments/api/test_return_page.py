"""The page after a checkout: what our own rows say, to whoever holds its address."""

import re
import time
from urllib.parse import urlsplit

import pytest
from django.core import signing
from pytest_django import Settings

from core import clock
from payments.api.return_page import LOOKS_MAX
from payments.models import Order, PaymentAttempt
from payments.returning import own_page
from sandbox import Sandbox
from tests.actors import Person
from tests.conftest import Answer, Api
from tests.payments.api.purchases import ask_the_provider, bought, nothing_moves, pay

pytestmark = pytest.mark.django_db


def path_of(order_id: str, *, is_cancelled: bool = False) -> str:
    parts = urlsplit(own_page(order_id, is_cancelled=is_cancelled))
    return f"{parts.path}?{parts.query}"


def heading(answer: Answer) -> str:
    found = re.search(r"<h1>(.*?)</h1>", answer.content.decode())
    assert found
    return found[1]


def looks_again(answer: Answer) -> str | None:
    found = re.search(r'http-equiv="refresh" content="([^"]*)"', answer.content.decode())
    return found[1] if found else None


class OldSigner(signing.TimestampSigner):
    """Signs as if it were eight days ago."""

    def timestamp(self) -> str:
        return signing.b62_encode(int(time.time()) - 8 * 86_400)


def test_the_way_back_from_the_provider_proves_nothing(api: Api, alice: Person, stripe: Sandbox) -> None:
    told = bought(api, alice)
    with nothing_moves():
        back = pay(told["checkout_url"])
        answer = api.get(urlsplit(back).path)

    assert (answer.status_code, heading(answer)) == (200, "Waiting for the bank")
    assert "Credits appear as soon as the bank confirms." in answer.content.decode()
    assert looks_again(answer) == "3;url=?look=1"


def test_it_says_paid_once_the_provider_says_so(api: Api, alice: Person, stripe: Sandbox) -> None:
    told = bought(api, alice)
    back = pay(told["checkout_url"])
    ask_the_provider()

    answer = api.get(urlsplit(back).path)

    page = answer.content.decode()
    assert (heading(answer), looks_again(answer)) == ("Paid", None)
    assert "Credits worth $20.00" in page
    assert page.count("20.00 USD") == 2


def test_it_says_what_was_bought_with_its_fee(api: Api, alice: Person, stripe: Sandbox, settings: Settings) -> None:
    settings.PLATFORM_FEE_BP = 550
    order_id = bought(api, alice)["order_id"]

    page = api.get(path_of(order_id)).content.decode()

    assert [text in page for text in ("Credits worth $20.00", "20.00 USD", "Platform fee", "1.10 USD", "21.10 USD")] == [True] * 5


def test_who_gave_up_is_told_that_nothing_was_paid_as_far_as_we_know(api: Api, alice: Person, stripe: Sandbox) -> None:
    order_id = bought(api, alice)["order_id"]

    answer = api.get(path_of(order_id, is_cancelled=True))

    assert (heading(answer), looks_again(answer)) == ("Not paid", "3;url=?look=1&amp;cancelled=1")


def test_who_gave_up_after_paying_has_paid(api: Api, alice: Person, stripe: Sandbox) -> None:
    told = bought(api, alice)
    pay(told["checkout_url"])
    ask_the_provider()

    assert heading(api.get(path_of(told["order_id"], is_cancelled=True))) == "Paid"


def test_a_decline_is_told_in_the_banks_words(api: Api, alice: Person, stripe: Sandbox) -> None:
    told = bought(api, alice)
    pay(told["checkout_url"], "declined")
    ask_the_provider()

    answer = api.get(path_of(told["order_id"], is_cancelled=True))

    assert heading(answer) == "Not paid yet"
    assert ">Your card was declined.<" in answer.content.decode()
    assert looks_again(answer) is not None


def test_who_paid_after_a_decline_is_not_told_to_pay_again(api: Api, alice: Person, stripe: Sandbox) -> None:
    told = bought(api, alice)
    pay(told["checkout_url"], "declined")
    ask_the_provider()
    back = pay(told["checkout_url"])

    answer = api.get(urlsplit(back).path)

    assert heading(answer) == "Waiting for the bank"
    assert ">An earlier try did not work: Your card was declined.<" in answer.content.decode()


def test_what_a_provider_says_is_text_and_not_a_page(api: Api, alice: Person, stripe: Sandbox) -> None:
    order_id = bought(api, alice)["order_id"]
    Order.objects.update(failure_code="x", failure_reason="<script>alert(1)</script>")

    page = api.get(path_of(order_id)).content.decode()

    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_money_that_takes_days_is_on_its_way(api: Api, alice: Person, stripe: Sandbox) -> None:
    order_id = bought(api, alice)["order_id"]
    PaymentAttempt.objects.update(status="processing")

    answer = api.get(path_of(order_id))

    assert heading(answer) == "On its way"
    assert "some days" in answer.content.decode()


@pytest.mark.parametrize(
    ("status", "title"),
    [("in_review", "Being checked"), ("cancelled", "Cancelled"), ("expired", "Too late"), ("failed", "It did not work")],
)
def test_an_order_that_waits_no_more_says_how_it_ended(api: Api, alice: Person, stripe: Sandbox, status: str, title: str) -> None:
    order_id = bought(api, alice)["order_id"]
    closed_at = None if status == "in_review" else clock.now()
    Order.objects.update(status=status, closed_at=closed_at, failure_reason="Your card has expired.")

    answer = api.get(path_of(order_id))

    assert (heading(answer), looks_again(answer)) == (title, None)
    assert "Your card has expired." in answer.content.decode()


def test_a_forgotten_tab_stops_looking(api: Api, alice: Person, stripe: Sandbox) -> None:
    path = path_of(bought(api, alice)["order_id"])

    assert looks_again(api.get(f"{path}&look={LOOKS_MAX - 1}")) == f"3;url=?look={LOOKS_MAX}"
    assert looks_again(api.get(f"{path}&look={LOOKS_MAX}")) is None
    assert "Reload this page" in api.get(f"{path}&look={LOOKS_MAX}").content.decode()


@pytest.mark.parametrize("look", ["-1", "x", "1e9", "9" * 5_000, "%00", '"><script>', "\u0663"])
def test_a_count_that_is_none_starts_anew(api: Api, alice: Person, stripe: Sandbox, look: str) -> None:
    answer = api.get(f"{path_of(bought(api, alice)['order_id'])}&look={look}")

    assert looks_again(answer) == "3;url=?look=1"


def test_nobody_keeps_or_finds_or_frames_the_page_and_nothing_runs_in_it(api: Api, alice: Person, stripe: Sandbox) -> None:
    path = path_of(bought(api, alice)["order_id"])

    first, again = api.get(path), api.get(path)

    policy = first["Content-Security-Policy"]
    nonces = [re.search(r"'nonce-([^']+)'", answer["Content-Security-Policy"]) for answer in (first, again)]
    assert nonces[0]
    assert nonces[1]
    assert nonces[0][1] != nonces[1][1]
    assert f'<style nonce="{nonces[0][1]}">' in first.content.decode()
    assert policy.startswith("default-src 'none'; style-src 'nonce-")
    assert (first["Cache-Control"], first["Referrer-Policy"], first["X-Frame-Options"]) == ("no-store", "no-referrer", "DENY")
    assert first["X-Robots-Tag"].startswith("noindex")
    assert not re.search(r"<script|<link|<img|src=|@import|url\(|style=\"|onload", first.content.decode())


def test_it_tells_nothing_of_the_account_or_the_provider(api: Api, alice: Person, stripe: Sandbox) -> None:
    told = bought(api, alice)

    page = api.get(path_of(told["order_id"])).content.decode()

    attempt = PaymentAttempt.objects.get()
    secrets = (
        alice.user.email,
        alice.account.public_id,
        alice.account.name,
        attempt.session_id,
        attempt.checkout_url,
        attempt.idempotency_key,
    )
    assert [secret for secret in secrets if not secret or secret in page] == []


@pytest.mark.parametrize("tail", ["", "/", "/x", "/a:b:c", "/%00", "/../orders", "/" + "a" * 4_096, "/%ff%fe"])
def test_an_address_of_nothing_is_a_friendly_404(api: Api, tail: str) -> None:
    answer = api.get(f"/payment/return{tail}")

    assert (answer.status_code, heading(answer), looks_again(answer)) == (404, "This page is not here", None)
    assert answer["Content-Type"].startswith("text/html")


def test_an_address_is_ours_only_with_our_signature_and_for_a_week(api: Api, alice: Person, stripe: Sandbox, settings: Settings) -> None:
    order_id = bought(api, alice)["order_id"]
    path = path_of(order_id).rstrip("?")
    forged = [
        path.replace("return/", "return/x"),
        path[:-3],
        f"/payment/return/{order_id}",
        f"/payment/return/{signing.dumps(order_id, salt='another')}",
        f"/payment/return/{OldSigner(salt='payments.returning').sign_object(order_id)}",
    ]

    assert api.get(path).status_code == 200
    assert [api.get(each).status_code for each in forged] == [404] * len(forged)
    settings.SECRET_KEY = "another " * 8
    assert api.get(path).status_code == 404


def test_a_signed_address_of_an_order_that_is_gone_is_the_same_404(api: Api) -> None:
    assert api.get(path_of(f"ord_{'f' * 32}")).status_code == 404


def test_the_page_is_read_only(api: Api, alice: Person, stripe: Sandbox) -> None:
    path = path_of(bought(api, alice)["order_id"])
    with nothing_moves():
        answers = [api.send(method, path) for method in ("POST", "PUT", "DELETE", "PATCH")]
        head = api.send("HEAD", path)

    assert [answer.status_code for answer in answers] == [405] * 4
    assert (head.status_code, head.content) == (200, b"")
