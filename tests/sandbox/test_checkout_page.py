"""The page for a person, over plain HTTP and without scripts."""

import re

import pytest
from stripe import StripeClient

from sandbox import Sandbox
from tests.sandbox import browser
from tests.sandbox.browser import Inputs
from tests.sandbox.conftest import LINE, OpenCheckout


def test_the_page_shows_what_is_bought_and_that_no_money_moves(checkout: OpenCheckout) -> None:
    named = LINE | {"price_data": LINE["price_data"] | {"unit_amount": 123_456, "product_data": {"name": "Credits <b>&"}}, "quantity": 2}
    page = browser.get(str(checkout(line_items=[named], customer_email="ada@example.com").url))
    assert page.status == 200
    for expected in (
        "Sandbox: no money moves",
        "Credits &lt;b&gt;&amp;",
        "2 × $1,234.56",
        "$2,469.12",
        "ada@example.com",
        "4000 0000 0000 0002",
    ):
        assert expected in page.text
    assert "<script" not in page.text
    assert "<b>" not in page.text
    assert "http://shop.example/cart" in Inputs(page.text).links


def test_every_input_has_a_label_and_the_names_that_scripts_rely_on(checkout: OpenCheckout) -> None:
    inputs = Inputs(browser.get(str(checkout().url)).text)
    assert inputs.ids <= inputs.labelled
    assert {"email", "number", "exp", "cvc", "name"} <= inputs.values.keys()


def test_a_click_on_a_test_card_fills_in_the_form(checkout: OpenCheckout) -> None:
    url = str(checkout().url)
    links = [link for link in Inputs(browser.get(url).text).links if link.startswith("?card=")]
    assert len(links) >= 9
    filled = Inputs(browser.get(url + links[0]).text).values | {"email": "ada@example.com"}
    assert browser.request("POST", url, filled).status == 303
    assert browser.get(url + "?card=nonsense").status == 200


@pytest.mark.parametrize(
    ("typed", "field", "says"),
    [
        ({"number": "4242424242424241"}, "number", "card number is invalid"),
        ({"number": "42"}, "number", "card number is invalid"),
        ({"number": "٤٢٤٢٤٢٤٢٤٢٤٢٤٢٤٢"}, "number", "card number is invalid"),
        ({"exp": "13/34"}, "exp", "incomplete"),
        ({"exp": "01/20"}, "exp", "in the past"),
        ({"cvc": "12"}, "cvc", "incomplete"),
        ({"name": "  "}, "name", "Enter your name"),
        ({"email": "nobody"}, "email", "Enter an e-mail"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_tried(
    checkout: OpenCheckout, local: Sandbox, typed: dict[str, str], field: str, says: str
) -> None:
    session = checkout()
    page = browser.pay(str(session.url), **typed)
    assert (page.status, page.location) == (200, None)
    assert page.alert is not None
    found = re.search(rf'id="{field}-error">([^<]*)<', page.text)
    assert found is not None
    assert says in found[1]
    assert local.stored(session.id)["payment_intent"] is None
    assert local.events("payment_intent.created", "charge.failed") == []


def test_what_was_typed_stays_except_a_number_that_is_no_test_card(checkout: OpenCheckout) -> None:
    url = str(checkout().url)
    declined = Inputs(browser.pay(url, "declined").text).values
    assert (declined["name"], declined["number"]) == ("Ada Lovelace", "4000000000000002")
    other = browser.pay(url, number="4111111111111111")
    assert other.alert is not None
    assert "test mode" in other.alert
    assert "4111111111111111" not in other.text


def test_a_decline_says_why_and_the_person_tries_again(checkout: OpenCheckout) -> None:
    url = str(checkout().url)
    page = browser.pay(url, "insufficient_funds")
    assert (page.status, page.alert) == (200, "Your card has insufficient funds.")
    assert browser.pay(url).status == 303


def test_a_bank_that_asks_is_answered_on_a_page_of_its_own(checkout: OpenCheckout, client: StripeClient, local: Sandbox) -> None:
    session = checkout()
    page = browser.pay(str(session.url), "3ds")
    waiting = client.v1.payment_intents.retrieve(str(client.v1.checkout.sessions.retrieve(session.id).payment_intent))
    assert waiting.status == "requires_action"
    asked = browser.get(local.base_url + str(page.location))
    assert "Complete" in asked.text
    assert "$10.00" in asked.text
    done = browser.answer_challenge(local.base_url, page)
    assert done.location == f"http://shop.example/paid?session={session.id}"
    assert client.v1.checkout.sessions.retrieve(session.id).payment_status == "paid"
    assert [event["type"] for event in local.events()][2:5] == [
        "payment_intent.created",
        "payment_intent.requires_action",
        "charge.succeeded",
    ]
    assert browser.answer_challenge(local.base_url, page).status == 410


def test_a_bank_that_is_refused_leaves_the_session_open(checkout: OpenCheckout, local: Sandbox) -> None:
    session = checkout()
    page = browser.answer_challenge(local.base_url, browser.pay(str(session.url), "3ds_always"), "fail")
    assert page.location == f"/c/pay/{session.id}?refused=1"
    assert "unable to authenticate" in str(browser.get(local.base_url + page.location).alert)
    assert local.stored(session.id)["status"] == "open"
    assert local.events("charge.failed", "charge.succeeded") == []
    assert len(local.events("payment_intent.payment_failed")) == 1


def test_a_card_may_be_declined_after_its_bank_was_answered(checkout: OpenCheckout, local: Sandbox) -> None:
    session = checkout()
    page = browser.answer_challenge(local.base_url, browser.pay(str(session.url), "3ds_declined"))
    assert browser.get(local.base_url + str(page.location)).alert == "Your card was declined."
    assert local.stored(session.id)["payment_status"] == "unpaid"


def test_an_answer_that_is_none_changes_nothing(checkout: OpenCheckout, local: Sandbox) -> None:
    page = browser.pay(str(checkout().url), "3ds")
    before = len(local.events())
    assert browser.answer_challenge(local.base_url, page, "perhaps").status == 400
    assert len(local.events()) == before


def test_a_paid_session_is_not_paid_again(checkout: OpenCheckout, local: Sandbox) -> None:
    session = checkout()
    browser.pay(str(session.url))
    before = len(local.events())
    again = browser.pay(str(session.url))
    assert (again.status, again.location) == (200, None)
    assert "Already paid" in again.text
    assert "Already paid" in browser.get(str(session.url)).text
    assert len(local.events()) == before


def test_an_expired_session_is_not_paid(checkout: OpenCheckout, client: StripeClient, local: Sandbox) -> None:
    session = checkout()
    client.v1.checkout.sessions.expire(session.id)
    page = browser.pay(str(session.url))
    assert page.status == 410
    assert "has expired" in page.text
    assert local.stored(session.id)["payment_intent"] is None


@pytest.mark.parametrize(
    "path", ["/c/pay/cs_test_none", "/c/authenticate/pi_none", "/c/receipt/ch_none", "/c/pay", "/c/../etc", "/nothing"]
)
def test_an_unknown_page_says_so(local: Sandbox, path: str) -> None:
    page = browser.get(local.base_url + path)
    assert page.status == 404
    assert "Nothing here" in page.text


def test_a_receipt_is_a_page(checkout: OpenCheckout, client: StripeClient) -> None:
    session = checkout()
    browser.pay(str(session.url))
    (charge,) = client.v1.charges.list({}).data
    assert "$10.00" in browser.get(str(charge.receipt_url)).text


def test_another_sites_page_cannot_pay_or_turn_knobs(checkout: OpenCheckout, local: Sandbox) -> None:
    session = checkout()
    foreign = {"Origin": "http://evil.example"}
    assert browser.request("POST", str(session.url), browser.GOOD | {"number": browser.CARDS["visa"]}, foreign).status == 403
    assert browser.request("DELETE", f"{local.base_url}/_sandbox/faults", headers={"Host": "evil.example"}).status == 403
    assert local.stored(session.id)["status"] == "open"
    own = {"Origin": local.base_url}
    assert browser.request("POST", str(session.url), browser.GOOD | {"number": browser.CARDS["visa"]}, own).status == 303


def test_the_index_page_shows_what_happened_and_settles_debits(checkout: OpenCheckout, local: Sandbox) -> None:
    assert "None yet" in browser.get(local.base_url + "/").text
    session = checkout()
    browser.pay_by_bank(str(session.url))
    assert local.drain()
    page = browser.get(local.base_url + "/")
    for expected in (session.id, "checkout.session.completed", "Settle the bank debit", "delivery · 200"):
        assert expected in page.text
    intent = local.stored(session.id)["payment_intent"]
    assert browser.request("POST", f"{local.base_url}/_sandbox/debits/{intent}", {"outcome": "settle"}).location == "/"
    assert local.stored(session.id)["payment_status"] == "paid"
    assert "Settle the bank debit" not in browser.get(local.base_url + "/").text
