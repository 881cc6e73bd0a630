"""The checker itself: it passes what Stripe's document allows, and it can fail."""

import copy
import gzip
from typing import Any

import pytest

import sandbox
from tests.sandbox import browser
from tests.sandbox.conftest import KEY, LINE, URLS, client_of
from tests.stripe_openapi import contract, prune
from tests.stripe_openapi.contract import BrokenContract

SESSIONS = "/v1/checkout/sessions"


@pytest.fixture(scope="module")
def seen() -> dict[str, Any]:
    """A paid session, expanded, and its event."""
    with sandbox.running(api_key=KEY, record=True) as running:
        client = client_of(running)
        parameters: Any = {"mode": "payment", "line_items": [LINE], **URLS}
        session = client.v1.checkout.sessions.create(parameters)
        browser.pay(str(session.url))
        client.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent.latest_charge", "line_items"]})
        contract.check_all(running)
        return {"session": running.exchanges[-1].body, "event": running.events("checkout.session.completed")[0]}


def broken(body: Any, path: str, value: object = ...) -> Any:
    """A copy in which the value at a dotted path is another, or is gone."""
    made = copy.deepcopy(body)
    *steps, last = path.split(".")
    node = made
    for step in steps:
        node = node[int(step)] if step.isdigit() else node[step]
    if value is ...:
        del node[last]
    else:
        node[last] = value
    return made


def test_what_the_sandbox_says_is_allowed(seen: dict[str, Any]) -> None:
    contract.check_response("GET", f"{SESSIONS}/{seen['session']['id']}", seen["session"])
    contract.check_event(seen["event"])


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("expires_at", ...),
        ("payment_status", ...),
        ("amount_total", "1000"),
        ("amount_total", 10.5),
        ("livemode", None),
        ("status", "paid"),
        ("currency", "USD"),
        ("surprise", 1),
        ("metadata", {"order": 7}),
        ("total_details.surprise", 1),
        ("payment_intent.status", "done"),
        ("payment_intent.latest_charge.paid", "yes"),
        ("payment_intent.latest_charge.payment_method_details.card.surprise", 1),
        ("line_items.data.0.amount_total", None),
        ("line_items.has_more", ...),
        ("line_items.data.0.price.unit_amount_decimal", "1,000"),
    ],
)
def test_a_wrong_answer_is_found(seen: dict[str, Any], path: str, value: object) -> None:
    wrong = broken(seen["session"], path, value)
    with pytest.raises(BrokenContract):
        contract.check_response("GET", f"{SESSIONS}/cs_1", wrong)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("type", "checkout.session.paid"),
        ("pending_webhooks", ...),
        ("data.object.amount_total", "1000"),
        ("data.object.object", "checkout.basket"),
        ("data.object.surprise", 1),
        ("data.previous_attributes", {"surprise": 1}),
        ("surprise", 1),
    ],
)
def test_a_wrong_event_is_found(seen: dict[str, Any], path: str, value: object) -> None:
    with pytest.raises(BrokenContract):
        contract.check_event(broken(seen["event"], path, value))


GOOD = {"mode": "payment", "line_items": [LINE], "expand": ["payment_intent"], "metadata": {"order": "7"}, "expires_at": 1_900_000_000}
ENCODED = {
    "mode": "payment",
    "expires_at": "1900000000",
    "line_items": {"0": {"price": "price_1", "quantity": "2"}},
    "expand": {"0": "customer"},
}


@pytest.mark.parametrize("form", [GOOD, ENCODED, {}, {"allow_promotion_codes": "true"}])
def test_a_request_that_stripe_takes_passes(form: dict[str, object]) -> None:
    contract.check_request("POST", SESSIONS, form)


@pytest.mark.parametrize(
    "form",
    [
        GOOD | {"colour": "red"},
        GOOD | {"mode": "gift"},
        GOOD | {"expires_at": "tomorrow"},
        GOOD | {"line_items": [LINE | {"colour": "red"}]},
        GOOD | {"line_items": [{"price_data": {"unit_amount": 1}}]},
        GOOD | {"line_items": "one"},
        GOOD | {"metadata": {"order": 7}},
        GOOD | {"client_reference_id": "x" * 201},
        GOOD | {"payment_intent_data": {"off_session": True}},
        ENCODED | {"allow_promotion_codes": "yes"},
    ],
)
def test_a_request_that_stripe_would_refuse_is_found(form: dict[str, object]) -> None:
    with pytest.raises(BrokenContract):
        contract.check_request("POST", SESSIONS, form)


def test_the_parameters_of_a_query_are_known_too() -> None:
    contract.check_request(
        "GET", "/v1/events", {"types": ["charge.succeeded"], "created": {"gte": "5"}, "delivery_success": "false", "limit": "3"}
    )
    contract.check_request("GET", "/v1/events", {"created": "5"})
    contract.check_request("DELETE", "/v1/customers/cus_1", {})
    wrong: list[dict[str, object]] = [{"kind": "x"}, {"limit": "many"}, {"created": {"after": "5"}}]
    for form in wrong:
        with pytest.raises(BrokenContract):
            contract.check_request("GET", "/v1/events", form)
    with pytest.raises(BrokenContract):
        contract.check_request("POST", "/v1/payment_intents", {"amount": 5})


def test_an_error_has_a_shape_of_its_own() -> None:
    contract.check_response("POST", SESSIONS, {"error": {"type": "card_error", "code": "card_declined"}}, 402)
    wrong: list[object] = [{"error": {"type": "bad"}}, {"error": {}}, {"message": "no"}, {"error": {"type": "card_error", "surprise": 1}}]
    for body in wrong:
        with pytest.raises(BrokenContract):
            contract.check_response("POST", SESSIONS, body, 402)


def test_an_endpoint_that_stripe_does_not_have_is_found() -> None:
    for method, path in (("GET", "/v1/baskets"), ("DELETE", SESSIONS), ("POST", "/v1/events")):
        with pytest.raises(BrokenContract):
            contract.check_response(method, path, {})


@pytest.mark.parametrize(
    "path",
    [
        "/v1/subscriptions",
        "/v1/subscription_items",
        "/v1/invoices/create_preview",
        "/v1/invoices/in_1/pay",
        "/v1/invoices/in_1/finalize",
        "/v1/invoices/in_1/void",
        "/v1/refunds",
        "/v1/disputes/dp_1/close",
        "/v1/setup_intents",
        "/v1/billing_portal/sessions",
        "/v1/billing_portal/configurations",
        "/v1/coupons",
        "/v1/promotion_codes",
        "/v1/credit_notes",
        "/v1/customers/cus_1/tax_ids",
        "/v1/products",
        "/v1/prices",
    ],
)
def test_the_families_that_come_later_are_there(path: str) -> None:
    contract.check_request("POST", path, {"expand": ["data"]} | _required(path))


def _required(path: str) -> dict[str, object]:
    schema = contract._operation("POST", path)["requestBody"]["content"][contract.FORM]["schema"]
    samples = {"integer": 1, "string": "x", "boolean": True, "array": [], "object": {}}
    return {name: _sample(schema["properties"][name], samples) for name in schema.get("required", ())}


def _sample(schema: dict[str, Any], samples: dict[str, object]) -> object:
    if schema.get("format") == "currency":
        return "usd"
    if "enum" in schema:
        return schema["enum"][0]
    return {"coupon": "x", "type": "coupon"} if "coupon" in schema.get("properties", {}) else samples[schema["type"]]


def test_the_pruned_document_is_whole_and_its_bytes_are_no_accident() -> None:
    document = contract.document()
    assert document["info"]["version"] == prune.VERSION == sandbox.API_VERSION
    assert prune._references(document) <= set(document["components"]["schemas"])
    assert prune.compressed(document) == contract.DOCUMENT.read_bytes()
    assert prune.compressed(prune.pruned(document)) == contract.DOCUMENT.read_bytes()
    assert gzip.decompress(contract.DOCUMENT.read_bytes()).startswith(b"{")
    with pytest.raises(ValueError, match="not 2026-08-26"):
        prune.pruned({"info": {"version": "2020-08-27"}})
