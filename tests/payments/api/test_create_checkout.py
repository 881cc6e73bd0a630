"""`create-checkout` and `create-session`: what is ordered, to the nano and the cent, and what is refused."""

from typing import Any

import pytest
from pytest_django import Settings

from payments.models import Order, OrderLine
from sandbox import ApiFault, Sandbox
from tests.actors import Person
from tests.conftest import Api
from tests.payments.api.purchases import CHECKOUT, IN_CREDITS, SESSION, USD, bought, buy, code_of, fields_of, nothing_moves

pytestmark = pytest.mark.django_db


def ordered(order_id: str) -> tuple[int, str, int]:
    """Minor units, currency and nanos of credit of an order."""
    order = Order.objects.get(public_id=order_id)
    return order.amount_minor, order.currency, sum(line.credit_nanos for line in OrderLine.objects.filter(order=order))


def test_a_checkout_is_opened_for_an_order(api: Api, alice: Person, stripe: Sandbox) -> None:
    answer = buy(api, alice)

    told = answer.json()
    session = stripe.stored(told["session_id"])
    assert (answer.status_code, set(told)) == (200, {"order_id", "checkout_url", "session_id"})
    assert told["checkout_url"] == session["url"]
    assert (session["amount_total"], session["currency"], session["client_reference_id"]) == (2_000, "usd", told["order_id"])
    assert ordered(told["order_id"]) == (2_000, "USD", 20 * USD)
    assert Order.objects.get().placed_by == alice.user.pk


def test_a_session_is_opened_in_the_billing_services_envelope(api: Api, alice: Person, stripe: Sandbox) -> None:
    answer = buy(api, alice, SESSION)

    body = answer.json()
    assert (answer.status_code, body["success"], set(body["data"])) == (200, True, {"order_id", "session_id", "url"})
    assert body["data"]["url"] == stripe.stored(body["data"]["session_id"])["url"]
    assert ordered(body["data"]["order_id"]) == (2_000, "USD", 20 * USD)


@pytest.mark.parametrize(
    ("written", "nanos"),
    [
        ("20", 20 * USD),
        ("12.34", 12_340_000_000),
        ("12.340", 12_340_000_000),
        ("1e1", 10 * USD),
        ("5.1", 5_100_000_000),
        ("9999.99", 9_999_990_000_000),
        ('"12.34"', 12_340_000_000),
        ('"7.10"', 7_100_000_000),
        ('"20"', 20 * USD),
    ],
)
def test_dollars_are_taken_exactly_as_they_are_written(api: Api, alice: Person, stripe: Sandbox, written: str, nanos: int) -> None:
    answer = api.post(CHECKOUT, f'{{"credit_usd": {written}, "currency": "USD"}}', alice)

    assert answer.status_code == 200, answer.content
    assert ordered(answer.json()["order_id"]) == (nanos // 10_000_000, "USD", nanos)


def test_every_cent_of_many_is_the_cent_that_was_written(api: Api, alice: Person, stripe: Sandbox) -> None:
    for cents in range(1_001, 1_100, 7):
        answer = api.post(CHECKOUT, f'{{"credit_usd": {cents / 100}, "currency": "USD"}}', alice)

        assert ordered(answer.json()["order_id"])[0] == cents


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("5.005", "purchase_out_of_range"),
        (repr(8.1 + 0.2), "invalid_amount"),
        ("4.99", "purchase_out_of_range"),
        ("0", "purchase_out_of_range"),
        ("-20", "purchase_out_of_range"),
        ("10000.01", "purchase_out_of_range"),
        ("1e300", "invalid_amount"),
        ("1e-7", "invalid_amount"),
        ("99999999999", "invalid_amount"),
        ('"12,34"', "invalid_amount"),
        ('"1e1"', "invalid_amount"),
        ('" 20"', "invalid_amount"),
        ('"+20"', "invalid_amount"),
        ('"٢٠"', "invalid_amount"),
        ('"NaN"', "invalid_amount"),
        ('""', "invalid_amount"),
        ("true", "invalid_amount"),
        ("[20]", "invalid_amount"),
        ('{"usd": 20}', "invalid_amount"),
        ("null", "invalid_input"),
    ],
)
def test_an_amount_that_cannot_be_bought_orders_nothing(api: Api, alice: Person, stripe: Sandbox, written: str, code: str) -> None:
    with nothing_moves():
        answer = api.post(CHECKOUT, f'{{"credit_usd": {written}, "currency": "USD"}}'.encode(), alice)

    assert (answer.status_code, code_of(answer), fields_of(answer)) == (400, code, ["credit_usd"])
    assert stripe.events() == []


def test_the_old_name_of_the_amount_still_works(api: Api, alice: Person, stripe: Sandbox) -> None:
    answer = api.post(CHECKOUT, {"amount": 12.34, "currency": "USD"}, alice)

    assert ordered(answer.json()["order_id"])[2] == 12_340_000_000


def test_the_old_name_is_not_read_beside_the_new_one(api: Api, alice: Person, stripe: Sandbox) -> None:
    told = bought(api, alice, amount=50)

    assert ordered(told["order_id"])[2] == 20 * USD


def test_a_refusal_names_the_amount_as_the_client_did(api: Api, alice: Person, stripe: Sandbox) -> None:
    with nothing_moves():
        by_old_name = api.post(CHECKOUT, {"amount": 1, "currency": "USD"}, alice)
        in_credits = buy(api, alice, SESSION, credits=1)

    assert (code_of(by_old_name), fields_of(by_old_name)) == ("purchase_out_of_range", ["amount"])
    assert (code_of(in_credits), fields_of(in_credits)) == ("purchase_out_of_range", ["credits"])


@pytest.mark.parametrize(
    "case",
    [
        (CHECKOUT, {"currency": "USD"}, "credit_usd"),
        (CHECKOUT, {"credit_usd": 20}, "currency"),
        (CHECKOUT, {"credit_usd": 20, "currency": ""}, "currency"),
        (CHECKOUT, {"credit_usd": 20, "currency": None}, "currency"),
        (SESSION, {"channel": "stripe", "type": "credits"}, "credits"),
        (SESSION, {"type": "credits", "credits": 20_000}, "channel"),
        (SESSION, {"channel": "stripe", "credits": 20_000}, "type"),
        (SESSION, IN_CREDITS | {"channel": "cash"}, "channel"),
        (SESSION, IN_CREDITS | {"type": "gift"}, "type"),
        (SESSION, IN_CREDITS | {"credits": 20_000.5}, "credits"),
        (SESSION, IN_CREDITS | {"credits": "many"}, "credits"),
        (SESSION, IN_CREDITS | {"credits": True}, "credits"),
        (SESSION, IN_CREDITS | {"credits": 0}, "credits"),
        (SESSION, IN_CREDITS | {"credits": -20_000}, "credits"),
    ],
)
def test_what_is_missing_or_malformed_is_named(api: Api, alice: Person, stripe: Sandbox, case: tuple[str, dict[str, Any], str]) -> None:
    path, body, field = case
    with nothing_moves():
        answer = api.post(path, body, alice)

    assert (answer.status_code, code_of(answer), fields_of(answer)) == (400, "invalid_input", [field])


@pytest.mark.parametrize("count", [4_999, 10_000_001, 10**30, 5_001])
def test_credits_out_of_bounds_or_of_part_of_a_cent_are_refused(api: Api, alice: Person, stripe: Sandbox, count: int) -> None:
    with nothing_moves():
        answer = buy(api, alice, SESSION, credits=count)

    assert (answer.status_code, code_of(answer)) == (400, "purchase_out_of_range")


def test_credits_are_counted_in_the_deployments_unit(api: Api, alice: Person, stripe: Sandbox, settings: Settings) -> None:
    settings.CREDIT_NANOS = 10_000_000

    told = bought(api, alice, SESSION, credits=1_234)

    assert ordered(told["order_id"]) == (1_234, "USD", 12_340_000_000)


@pytest.mark.parametrize(
    ("currency", "code"),
    [
        ("EUR", "currency_not_offered"),
        ("XXX", "unknown_currency"),
        ("US", "unknown_currency"),
        ("\uff35\uff33\uff24", "unknown_currency"),
        ("dollars", "unknown_currency"),
    ],
)
def test_a_currency_that_is_not_taken_is_refused(api: Api, alice: Person, stripe: Sandbox, currency: str, code: str) -> None:
    with nothing_moves():
        answer = buy(api, alice, currency=currency)

    assert (answer.status_code, code_of(answer), fields_of(answer)) == (400, code, ["currency"])


def test_a_currency_without_cents_is_charged_in_whole_units(api: Api, alice: Person, stripe: Sandbox, settings: Settings) -> None:
    settings.PURCHASE_CURRENCIES = {"USD": "100", "JPY": "151.25"}

    told = bought(api, alice, currency="jpy", credit_usd="12.34")

    assert ordered(told["order_id"]) == (1_866, "JPY", 12_340_000_000)
    assert stripe.stored(told["session_id"])["amount_total"] == 1_866
    status = api.get(f"/api-account/user/billing/payment-status/{told['order_id']}", alice).json()
    assert (status["amount"], status["amount_str"], status["currency"], status["credit_usd_str"]) == (1_866, "1866", "JPY", "12.34")


def test_the_platform_fee_is_paid_and_not_credited(api: Api, alice: Person, stripe: Sandbox, settings: Settings) -> None:
    settings.PLATFORM_FEE_BP = 550

    told = bought(api, alice)

    assert ordered(told["order_id"]) == (2_110, "USD", 20 * USD)
    assert stripe.stored(told["session_id"])["amount_total"] == 2_110


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"channel": "creem"}, "channel_unavailable"),
        ({"channel": "creem", "type": "subscription", "plan_id": "pro"}, "channel_unavailable"),
        ({"type": "subscription", "plan_id": "pro", "interval": "monthly"}, "plans_unavailable"),
        ({"type": "subscription"}, "plans_unavailable"),
        ({"plan_id": "pack"}, "plans_unavailable"),
        ({"coupon": "SPRING"}, "coupons_unavailable"),
    ],
)
def test_what_is_not_sold_yet_is_refused(api: Api, alice: Person, stripe: Sandbox, said: dict[str, Any], code: str) -> None:
    with nothing_moves():
        answer = buy(api, alice, SESSION, **said)

    assert (answer.status_code, code_of(answer)) == (400, code)


def test_a_coupon_is_refused_and_an_empty_one_is_none(api: Api, alice: Person, stripe: Sandbox) -> None:
    with nothing_moves():
        refused = buy(api, alice, coupon="SPRING")

    assert (refused.status_code, code_of(refused), fields_of(refused)) == (400, "coupons_unavailable", ["coupon"])
    assert bought(api, alice, coupon="") != bought(api, alice, coupon=None)


def test_a_deployment_without_a_key_of_the_provider_orders_nothing(api: Api, alice: Person, stripe: Sandbox, settings: Settings) -> None:
    settings.STRIPE_TEST_SECRET_KEY = ""
    with nothing_moves():
        answer = buy(api, alice)

    assert (answer.status_code, code_of(answer)) == (503, "provider_unavailable")


def test_prices_that_cannot_be_meant_sell_nothing(api: Api, alice: Person, stripe: Sandbox, settings: Settings) -> None:
    settings.PURCHASE_MIN_USD = "a few"
    with nothing_moves():
        answer = buy(api, alice)

    assert (answer.status_code, code_of(answer)) == (503, "bad_tariff")


@pytest.mark.parametrize(("path", "shape"), [(CHECKOUT, "application/problem+json"), (SESSION, "application/json")])
def test_a_provider_that_fails_is_a_503_in_the_dialect(api: Api, alice: Person, stripe: Sandbox, path: str, shape: str) -> None:
    stripe.api_fault(ApiFault(path="/v1/checkout/sessions", status=500))

    answer = buy(api, alice, path)

    assert (answer.status_code, code_of(answer), answer["Content-Type"]) == (503, "provider_failed", shape)
    assert answer["Retry-After"] == "5"
    assert Order.objects.get().status == "pending"


@pytest.mark.parametrize("body", [b"[]", b"20", b"null", b'"USD"'])
@pytest.mark.parametrize("path", [CHECKOUT, SESSION])
def test_a_body_that_is_no_object_is_refused(api: Api, alice: Person, stripe: Sandbox, path: str, body: bytes) -> None:
    with nothing_moves():
        answer = api.post(path, body, alice)

    assert (answer.status_code, code_of(answer)) == (400, "invalid_input")
