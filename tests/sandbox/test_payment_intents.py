"""Customers, saved cards and payment intents by the API, with the person there or not."""

import http.client
from typing import Any

import pytest
from stripe import AuthenticationError, CardError, InvalidRequestError, StripeClient
from stripe import Customer as StripeCustomer

import sandbox
from sandbox import Sandbox
from tests.sandbox import browser
from tests.sandbox.conftest import KEY, OpenCheckout, client_of


@pytest.fixture
def customer(client: StripeClient) -> StripeCustomer:
    return client.v1.customers.create({"email": "ada@example.com", "name": "Ada", "metadata": {"account": "7", "plan": "x"}})


def charge_now(client: StripeClient, customer: StripeCustomer, method: str, **more: Any) -> Any:
    """Charge a saved card without the person, as an automatic top-up does."""
    parameters: Any = {
        "amount": 500,
        "currency": "usd",
        "customer": customer.id,
        "payment_method": method,
        "confirm": True,
        "off_session": True,
    }
    return client.v1.payment_intents.create(parameters | more)


def saved(client: StripeClient, customer: StripeCustomer, card: str = "pm_card_visa") -> str:
    return client.v1.payment_methods.attach(card, {"customer": customer.id}).id


def test_the_account_is_always_the_same(client: StripeClient) -> None:
    first, second = client.v1.accounts.retrieve_current(), client.v1.accounts.retrieve_current()
    assert first.id == second.id
    assert first.charges_enabled


def test_a_customer_is_kept_changed_and_deleted(client: StripeClient, customer: StripeCustomer, local: Sandbox) -> None:
    changed = client.v1.customers.update(customer.id, {"name": "Ada L.", "metadata": {"plan": "", "team": "y"}})
    assert changed.name == "Ada L."
    assert changed.to_dict()["metadata"] == {"account": "7", "team": "y"}
    (event,) = local.events("customer.updated")
    assert event["data"]["previous_attributes"] == {"name": "Ada", "metadata": {"account": "7", "plan": "x"}}
    assert [each.id for each in client.v1.customers.list({"email": "ada@example.com"}).data] == [customer.id]
    method = saved(client, customer)
    assert client.v1.customers.delete(customer.id).deleted
    assert client.v1.customers.retrieve(customer.id).deleted
    assert client.v1.customers.list().data == []
    assert client.v1.payment_methods.retrieve(method).customer is None
    with pytest.raises(InvalidRequestError) as refused:
        client.v1.customers.update(customer.id, {"name": "x"})
    assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")


def test_expanding_a_customer_shows_what_is_left_out(client: StripeClient, customer: StripeCustomer) -> None:
    method = saved(client, customer)
    client.v1.customers.update(customer.id, {"invoice_settings": {"default_payment_method": method}})
    parameters: Any = {"expand": ["sources", "default_source", "tax_ids", "subscriptions", "invoice_settings.default_payment_method"]}
    found: Any = client.v1.customers.retrieve(customer.id, parameters)
    assert found.sources.data == []
    assert found.default_source is None
    assert found.invoice_settings.default_payment_method.card.last4 == "4242"
    deep = "customer.invoice_settings.default_payment_method.customer"
    shown: Any = client.v1.payment_methods.retrieve(method, {"expand": [deep]})
    assert shown.customer.invoice_settings.default_payment_method.customer.id == customer.id
    with pytest.raises(InvalidRequestError, match="more than 4 levels"):
        client.v1.payment_methods.retrieve(method, {"expand": [f"{deep}.default_source"]})


def test_a_saved_card_is_charged_without_the_person(client: StripeClient, customer: StripeCustomer) -> None:
    intent = charge_now(
        client, customer, saved(client, customer), description="top-up", metadata={"attempt": "1"}, expand=["latest_charge"]
    )
    assert (intent.status, intent.amount_received, intent.latest_charge.description) == ("succeeded", 500, "top-up")
    assert [each.id for each in client.v1.payment_intents.list({"customer": customer.id}).data] == [intent.id]


@pytest.mark.parametrize(
    ("token", "code", "decline_code"),
    [
        ("pm_card_chargeCustomerFail", "card_declined", "generic_decline"),
        ("pm_card_authenticationRequired", "authentication_required", "authentication_required"),
    ],
)
def test_a_refused_charge_is_a_card_error_that_names_the_intent(
    client: StripeClient, customer: StripeCustomer, token: str, code: str, decline_code: str
) -> None:
    with pytest.raises(CardError) as refused:
        charge_now(client, customer, saved(client, customer, token))
    error: Any = refused.value.error
    assert (refused.value.http_status, refused.value.code, error.decline_code) == (402, code, decline_code)
    intent = client.v1.payment_intents.retrieve(error.payment_intent.id)
    assert (intent.status, intent.amount_received) == ("requires_payment_method", 0)
    assert intent.last_payment_error is not None
    assert intent.last_payment_error.code == code


def test_a_card_that_always_declines_cannot_be_saved(client: StripeClient, customer: StripeCustomer) -> None:
    with pytest.raises(CardError) as refused:
        saved(client, customer, "pm_card_chargeDeclinedInsufficientFunds")
    assert refused.value.code == "card_declined"
    assert client.v1.customers.payment_methods.list(customer.id).data == []


def test_a_card_that_was_confirmed_once_is_charged_later_without_asking(
    client: StripeClient, customer: StripeCustomer, checkout: OpenCheckout, local: Sandbox
) -> None:
    session = checkout(customer=customer.id, payment_intent_data={"setup_future_usage": "off_session"})
    browser.answer_challenge(local.base_url, browser.pay(str(session.url), "3ds"))
    (method,) = client.v1.customers.payment_methods.list(customer.id, {"type": "card"}).data
    assert charge_now(client, customer, method.id).status == "succeeded"
    with pytest.raises(CardError):
        charge_now(client, customer, saved(client, customer, "pm_card_authenticationRequiredOnSetup"))


def test_an_intent_that_the_person_must_confirm_leads_to_a_page_and_back(
    client: StripeClient, customer: StripeCustomer, local: Sandbox
) -> None:
    created = client.v1.payment_intents.create({"amount": 500, "currency": "usd", "customer": customer.id})
    assert created.status == "requires_payment_method"
    method = saved(client, customer, "pm_card_threeDSecure2Required")
    waiting: Any = client.v1.payment_intents.confirm(created.id, {"payment_method": method, "return_url": "http://shop.example/back?a=1"})
    assert waiting.status == "requires_action"
    page = waiting.next_action.redirect_to_url.url
    back = browser.request("POST", page, {"answer": "complete"})
    assert str(back.location).startswith(f"http://shop.example/back?a=1&payment_intent={created.id}&")
    assert str(back.location).endswith("redirect_status=succeeded")
    assert client.v1.payment_intents.retrieve(created.id).status == "succeeded"
    assert local.events("payment_intent.requires_action")


def test_an_intent_is_canceled_once_and_never_after_it_was_paid(client: StripeClient, customer: StripeCustomer) -> None:
    intent = client.v1.payment_intents.create({"amount": 500, "currency": "usd", "customer": customer.id})
    canceled = client.v1.payment_intents.cancel(intent.id, {"cancellation_reason": "duplicate"})
    assert (canceled.status, canceled.cancellation_reason) == ("canceled", "duplicate")
    paid = charge_now(client, customer, saved(client, customer))
    for id_ in (intent.id, paid.id):
        with pytest.raises(InvalidRequestError) as refused:
            client.v1.payment_intents.cancel(id_)
        assert refused.value.code == "payment_intent_unexpected_state"
    assert client.v1.payment_intents.retrieve(paid.id).status == "succeeded"


def test_a_card_belongs_to_one_customer_and_after_that_to_none(client: StripeClient, customer: StripeCustomer) -> None:
    other = client.v1.customers.create({"email": "bo@example.com"})
    method = saved(client, customer)
    with pytest.raises(InvalidRequestError):
        saved(client, other, method)
    with pytest.raises(InvalidRequestError):
        charge_now(client, other, method)
    assert client.v1.payment_methods.detach(method).customer is None
    for owner in (customer, other):
        with pytest.raises(InvalidRequestError):
            saved(client, owner, method)
    with pytest.raises(InvalidRequestError):
        charge_now(client, customer, method)
    assert client.v1.charges.list().data == []


def test_a_number_given_to_the_api_is_not_kept(client: StripeClient, customer: StripeCustomer, local: Sandbox) -> None:
    card: Any = {"number": "4242 4242 4242 4242", "exp_month": 12, "exp_year": 2034, "cvc": "123"}
    method = client.v1.payment_methods.create({"type": "card", "card": card})
    again = client.v1.payment_methods.create({"type": "card", "card": card})
    assert method.card is not None
    assert again.card is not None
    assert (method.card.last4, method.card.brand) == ("4242", "visa")
    assert method.card.fingerprint == again.card.fingerprint
    assert "4242424242424242" not in "".join(local.world.store._connection.iterdump())
    with pytest.raises(CardError) as refused:
        client.v1.payment_methods.create({"type": "card", "card": card | {"number": "4242424242424241"}})
    assert refused.value.code == "incorrect_number"


def test_a_wrong_key_another_version_and_unknown_things_are_refused(client: StripeClient, local: Sandbox) -> None:
    with pytest.raises(AuthenticationError) as refused:
        client_of(local, "sk_test_" + "x" * 24).v1.customers.list()
    assert "xxx" not in str(refused.value)
    with pytest.raises(InvalidRequestError, match="API version"):
        client.v1.customers.list(options={"stripe_version": "2020-08-27"})
    with pytest.raises(InvalidRequestError) as unknown:
        client.v1.payment_intents.retrieve("pi_none")
    assert (unknown.value.http_status, unknown.value.code, unknown.value.request_id is not None) == (404, "resource_missing", True)
    with pytest.raises(InvalidRequestError, match="Unrecognized request URL"):
        client.raw_request("get", "/v1/no_such_thing")
    # The wrong key and the unknown address are in no document of Stripe's.
    local.exchanges[:] = [each for each in local.exchanges if each.path != "/v1/no_such_thing"]


def test_a_key_may_also_come_as_a_user_name(local: Sandbox) -> None:
    good = {"Authorization": "Basic c2tfdGVzdF9ra2tra2tra2tra2tra2tra2tra2tra2s6"}
    assert KEY == "sk_test_" + "k" * 24
    assert browser.request("GET", f"{local.base_url}/v1/account", headers=good).status == 200
    assert browser.request("GET", f"{local.base_url}/v1/account", headers={"Authorization": "Basic !"}).status == 401
    assert browser.get(f"{local.base_url}/v1/account").status == 401


@pytest.mark.parametrize("form", ["a[b", "a=1&a[b]=2", "a[b]=1&a=2", "a[]=1&a=2", "[]=1", "%ff=1", "a[b][c][d][e][f][g][h][i]=1"])
def test_a_form_that_cannot_be_read_is_refused(local: Sandbox, form: str) -> None:
    connection = http.client.HTTPConnection(local.base_url.removeprefix("http://"))
    connection.request(
        "POST", "/v1/customers", form, {"Authorization": f"Bearer {KEY}", "Content-Type": "application/x-www-form-urlencoded"}
    )
    answer = connection.getresponse()
    answer.read()
    connection.close()
    assert answer.status == 400
    assert local.events() == []


def test_two_sandboxes_with_one_seed_make_the_same_ids() -> None:
    made = []
    for _ in range(2):
        with sandbox.running(api_key=KEY, seed="same") as running:
            made.append(client_of(running).v1.customers.create({}).id)
    assert made[0] == made[1]
