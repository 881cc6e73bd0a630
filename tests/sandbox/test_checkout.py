"""Checkout sessions through Stripe's own client: what is made, what is paid, what is refused."""

from typing import Any

import pytest
from stripe import InvalidRequestError, StripeClient

from sandbox import Sandbox
from tests.sandbox import browser
from tests.sandbox.conftest import LINE, OpenCheckout

EVERYTHING = [
    "line_items",
    "payment_intent.latest_charge.balance_transaction",
    "customer",
    "total_details.breakdown",
    "line_items.data.discounts",
]


def types_of(local: Sandbox) -> list[str]:
    return [event["type"] for event in local.events() if not event["type"].startswith(("product.", "price.", "customer.created"))]


def test_a_new_session_is_open_and_unpaid_and_has_no_payment_intent_yet(checkout: OpenCheckout, local: Sandbox) -> None:
    session = checkout(metadata={"order": "7"}, client_reference_id="order-7")
    assert (session.status, session.payment_status, session.payment_intent) == ("open", "unpaid", None)
    assert (session.amount_total, session.currency, session.livemode) == (1000, "usd", False)
    assert session.to_dict()["metadata"] == {"order": "7"}
    assert session.client_reference_id == "order-7"
    assert session.url == f"{local.base_url}/c/pay/{session.id}"
    assert session.expires_at == session.created + 86_400
    assert len(session.id) == 66
    assert types_of(local) == []


def test_a_price_said_in_the_request_becomes_a_real_product_and_price_used_once(checkout: OpenCheckout, client: StripeClient) -> None:
    lines = client.v1.checkout.sessions.line_items.list(checkout().id).data
    price = lines[0].price
    assert price is not None
    found = client.v1.prices.retrieve(price.id, {"expand": ["product", "currency_options", "tiers"]})
    assert (found.unit_amount, found.active, found.type) == (1000, False, "one_time")
    assert not isinstance(found.product, str)
    assert found.product["name"] == "Credits"
    assert client.v1.products.features.list(found.product["id"]).data == []
    with pytest.raises(InvalidRequestError, match="inactive"):
        checkout(line_items=[{"price": price.id, "quantity": 1}])


def test_a_lasting_price_may_be_sold_again(checkout: OpenCheckout, client: StripeClient) -> None:
    product = client.v1.products.create({"name": "Credits"})
    price = client.v1.prices.create({"currency": "eur", "unit_amount": 250, "product": product.id})
    for _ in range(2):
        session = checkout(line_items=[{"price": price.id, "quantity": 4}])
        assert (session.amount_total, session.currency) == (1000, "eur")


def test_a_paid_session_says_so_in_every_object(checkout: OpenCheckout, client: StripeClient) -> None:
    customer = client.v1.customers.create({"email": "ada@example.com"})
    data = {"metadata": {"order": "7"}, "description": "10,000 credits", "setup_future_usage": "off_session"}
    opened = checkout(customer=customer.id, payment_intent_data=data)
    done = browser.pay(str(opened.url))
    assert (done.status, done.location) == (303, f"http://shop.example/paid?session={opened.id}")
    session: Any = client.v1.checkout.sessions.retrieve(opened.id, {"expand": EVERYTHING})
    intent, charge = session.payment_intent, session.payment_intent.latest_charge
    assert (session.status, session.payment_status, session.url) == ("complete", "paid", None)
    assert (intent.status, intent.amount_received, intent.description) == ("succeeded", 1000, "10,000 credits")
    assert intent.metadata.order == "7"
    assert (charge.status, charge.paid, charge.payment_method_details.card.last4) == ("succeeded", True, "4242")
    assert (charge.balance_transaction.fee, charge.balance_transaction.net) == (59, 941)
    assert session.customer.id == customer.id
    assert session.customer_details.email == "ada@example.com"
    assert session.line_items.data[0].discounts == []
    assert session.total_details.breakdown.to_dict() == {"discounts": [], "taxes": []}
    saved = client.v1.customers.payment_methods.list(customer.id)
    assert [method.id for method in saved.data] == [intent.payment_method]


def test_paying_says_what_stripe_says_in_its_order(checkout: OpenCheckout, local: Sandbox) -> None:
    browser.pay(str(checkout(customer_creation="always").url))
    assert [event["type"] for event in local.events()] == [
        "product.created",
        "price.created",
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "charge.updated",
        "customer.created",
        "checkout.session.completed",
    ]


def test_a_guest_leaves_no_customer(checkout: OpenCheckout, client: StripeClient) -> None:
    session = checkout()
    browser.pay(str(session.url))
    paid = client.v1.checkout.sessions.retrieve(session.id)
    assert paid.customer is None
    assert paid.customer_details is not None
    assert paid.customer_details["email"] == "ada@example.com"
    assert client.v1.customers.list().data == []


def test_an_event_keeps_its_object_as_it_was(checkout: OpenCheckout, local: Sandbox, client: StripeClient) -> None:
    session = checkout()
    browser.pay(str(session.url))
    (created,) = local.events("payment_intent.created")
    (charged,) = local.events("charge.succeeded")
    assert created["data"]["object"]["status"] == "requires_payment_method"
    assert charged["data"]["object"]["balance_transaction"] is None
    (updated,) = local.events("charge.updated")
    assert updated["data"]["previous_attributes"] == {"balance_transaction": None}
    assert client.v1.events.retrieve(created["id"]).data.object["status"] == "requires_payment_method"


@pytest.mark.parametrize(
    ("card", "code", "decline_code"),
    [
        ("declined", "card_declined", "generic_decline"),
        ("insufficient_funds", "card_declined", "insufficient_funds"),
        ("expired", "expired_card", "expired_card"),
        ("incorrect_cvc", "incorrect_cvc", "incorrect_cvc"),
    ],
)
def test_a_declined_card_leaves_the_session_open(
    checkout: OpenCheckout, client: StripeClient, local: Sandbox, *, card: str, code: str, decline_code: str
) -> None:
    opened = checkout()
    browser.pay(str(opened.url), card)
    session: Any = client.v1.checkout.sessions.retrieve(opened.id, {"expand": ["payment_intent.latest_charge"]})
    assert (session.status, session.payment_status) == ("open", "unpaid")
    assert (session.payment_intent.status, session.payment_intent.amount_received) == ("requires_payment_method", 0)
    assert session.payment_intent.payment_method is None
    error = session.payment_intent.last_payment_error
    assert (error.code, error.decline_code) == (code, decline_code)
    assert (session.payment_intent.latest_charge.status, session.payment_intent.latest_charge.failure_code) == ("failed", code)
    assert types_of(local) == ["payment_intent.created", "charge.failed", "payment_intent.payment_failed"]
    assert client.v1.balance_transactions.list().data == []


def test_the_next_card_pays_the_same_intent(checkout: OpenCheckout, client: StripeClient) -> None:
    session = checkout()
    browser.pay(str(session.url), "declined")
    first = client.v1.checkout.sessions.retrieve(session.id).payment_intent
    assert browser.pay(str(session.url), "mastercard").status == 303
    paid = client.v1.checkout.sessions.retrieve(session.id)
    assert (paid.payment_status, paid.payment_intent) == ("paid", first)
    assert len(client.v1.charges.list({"payment_intent": str(first)}).data) == 2


def test_expiring_by_the_api_cancels_what_was_begun(checkout: OpenCheckout, client: StripeClient, local: Sandbox) -> None:
    session = checkout()
    browser.pay(str(session.url), "declined")
    expired: Any = client.v1.checkout.sessions.expire(session.id, {"expand": ["payment_intent"]})
    assert (expired.status, expired.url, expired.payment_intent.status) == ("expired", None, "canceled")
    assert types_of(local)[-2:] == ["payment_intent.canceled", "checkout.session.expired"]
    with pytest.raises(InvalidRequestError) as refused:
        client.v1.checkout.sessions.expire(session.id)
    assert refused.value.code == "checkout_session_unexpected_state"


def test_nobody_but_the_session_touches_its_intent(checkout: OpenCheckout, client: StripeClient) -> None:
    session = checkout()
    browser.pay(str(session.url), "declined")
    intent = str(client.v1.checkout.sessions.retrieve(session.id).payment_intent)
    for act in (client.v1.payment_intents.cancel, client.v1.payment_intents.confirm):
        with pytest.raises(InvalidRequestError) as refused:
            act(intent)
        assert refused.value.code == "payment_intent_unexpected_state"


@pytest.mark.parametrize(
    ("given", "param", "code"),
    [
        ({"colour": "red"}, "colour", "parameter_unknown"),
        ({"line_items": [{"price_data": {"currency": "usd"}, "quantity": 1}]}, "line_items[0][price_data][product]", None),
        ({"line_items": [LINE | {"quantity": 0}]}, "line_items[0][quantity]", "parameter_invalid_integer"),
        ({"line_items": [{"price": "price_none", "quantity": 1}]}, "line_items[0][price]", "resource_missing"),
        ({"line_items": [{"price_data": LINE["price_data"]}]}, "line_items[0][quantity]", "parameter_missing"),
        ({"line_items": [LINE, {"price_data": LINE["price_data"] | {"currency": "eur"}, "quantity": 1}]}, "line_items", None),
        ({"line_items": [{"price_data": LINE["price_data"] | {"unit_amount": 49}, "quantity": 1}]}, "line_items", "amount_too_small"),
        ({"success_url": "javascript:alert(1)"}, "success_url", "url_invalid"),
        ({"success_url": "http://shop.example/\r\nX: 1"}, "success_url", "url_invalid"),
        ({"expires_at": 1}, "expires_at", None),
        ({"customer": "cus_none"}, "customer", "resource_missing"),
        ({"customer_email": "nobody"}, "customer_email", "email_invalid"),
        ({"mode": "subscription"}, "mode=subscription", None),
        ({"discounts": [{"coupon": "x"}]}, "discounts", None),
        ({"automatic_tax": {"enabled": True}}, "automatic_tax[enabled]", None),
        ({"mode": "gift"}, "mode", None),
        ({"metadata": {"x" * 41: "1"}}, f"metadata[{'x' * 41}]", None),
        ({"metadata": {"x": "1" * 501}}, "metadata[x]", None),
        ({"expand": ["nothing"]}, "expand", None),
        ({"expand": ["nothing.more"]}, "expand", None),
        ({"expand": ["amount_total"]}, "expand", None),
        ({"expand": ["a.b.c.d.e"]}, "expand", None),
    ],
)
def test_what_stripe_would_not_take_is_refused_and_nothing_is_kept(
    checkout: OpenCheckout, client: StripeClient, local: Sandbox, *, given: dict[str, Any], param: str, code: str | None
) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        checkout(**given)
    assert (refused.value.http_status, refused.value.param, refused.value.code) == (400, param, code)
    assert client.v1.checkout.sessions.list().data == []
    assert client.v1.products.list().data == []
    assert local.events() == []


def test_sessions_are_found_by_what_they_are(checkout: OpenCheckout, client: StripeClient) -> None:
    customer = client.v1.customers.create({"email": "ada@example.com"})
    first, second, third = checkout(customer=customer.id), checkout(), checkout(customer_email="bo@example.com")
    browser.pay(str(second.url))
    sessions = client.v1.checkout.sessions
    paid = sessions.retrieve(second.id)
    assert [each.id for each in sessions.list().data] == [third.id, second.id, first.id]
    assert [each.id for each in sessions.list({"customer": customer.id}).data] == [first.id]
    assert [each.id for each in sessions.list({"status": "complete"}).data] == [second.id]
    assert [each.id for each in sessions.list({"payment_intent": str(paid.payment_intent)}).data] == [second.id]
    assert [each.id for each in sessions.list({"customer_details": {"email": "bo@example.com"}}).data] == [third.id]


def test_a_bank_debit_is_complete_before_it_is_paid(checkout: OpenCheckout, client: StripeClient, local: Sandbox) -> None:
    session = checkout()
    assert browser.pay_by_bank(str(session.url)).status == 303
    waiting = client.v1.checkout.sessions.retrieve(session.id)
    assert (waiting.status, waiting.payment_status) == ("complete", "unpaid")
    assert client.v1.payment_intents.retrieve(str(waiting.payment_intent)).status == "processing"
    local.end_debit(session.id, settled=True)
    assert client.v1.checkout.sessions.retrieve(session.id).payment_status == "paid"
    assert types_of(local) == [
        "payment_intent.created",
        "payment_intent.processing",
        "charge.pending",
        "checkout.session.completed",
        "charge.succeeded",
        "payment_intent.succeeded",
        "charge.updated",
        "checkout.session.async_payment_succeeded",
    ]
    with pytest.raises(KeyError):
        local.end_debit(session.id, settled=True)


def test_a_bank_debit_that_comes_back_was_never_paid(checkout: OpenCheckout, client: StripeClient, local: Sandbox) -> None:
    session = checkout()
    browser.pay_by_bank(str(session.url))
    intent = str(client.v1.checkout.sessions.retrieve(session.id).payment_intent)
    local.end_debit(intent, settled=False)
    failed = client.v1.checkout.sessions.retrieve(session.id)
    assert (failed.status, failed.payment_status) == ("complete", "unpaid")
    assert client.v1.payment_intents.retrieve(intent).status == "requires_payment_method"
    assert types_of(local)[-3:] == ["charge.failed", "payment_intent.payment_failed", "checkout.session.async_payment_failed"]


def test_a_merchant_who_takes_cards_only_offers_no_bank_debit(checkout: OpenCheckout) -> None:
    session = checkout(payment_method_types=["card"])
    assert "us_bank_account" not in browser.get(str(session.url)).text
    page = browser.pay_by_bank(str(session.url))
    assert (page.status, page.location) == (200, None)
