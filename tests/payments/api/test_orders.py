"""Orders as clients read them, cancel them, and go back to pay them."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from payments.models import Order, PaymentAttempt
from sandbox import ApiFault, Sandbox
from tests import factories
from tests.actors import Person
from tests.conftest import Api
from tests.payments.api.purchases import LISTED, STATUS, USD, ask_the_provider, bought, buy, code_of, nothing_moves, pay

pytestmark = pytest.mark.django_db


def test_an_order_that_waits_says_so(api: Api, alice: Person, stripe: Sandbox) -> None:
    order_id = bought(api, alice, credit_usd=12.34)["order_id"]

    answer = api.get(f"{STATUS}/{order_id}", alice)

    assert answer.json() == {
        "order_id": order_id,
        "status": "pending",
        "credit_usd": 12.34,
        "credit_usd_str": "12.34",
        "amount": 12.34,
        "amount_str": "12.34",
        "currency": "USD",
        "paid_at": None,
        "failure_reason": "",
    }


def test_a_paid_order_says_when(api: Api, alice: Person, stripe: Sandbox) -> None:
    told = bought(api, alice)
    pay(told["checkout_url"])
    ask_the_provider()

    status = api.get(f"{STATUS}/{told['order_id']}", alice).json()

    assert (status["status"], status["failure_reason"]) == ("paid", "")
    assert status["paid_at"].endswith("Z")
    assert api.get("/credits/balance", alice).json()["data"]["balance"] == 20_000
    assert factories.disagreements() == []


def test_a_declined_card_credits_nothing_and_says_why(api: Api, alice: Person, stripe: Sandbox) -> None:
    told = bought(api, alice)
    books = factories.books_now()
    pay(told["checkout_url"], "declined")
    ask_the_provider()

    status = api.get(f"{STATUS}/{told['order_id']}", alice).json()

    assert (status["status"], status["paid_at"], status["failure_reason"]) == ("pending", None, "Your card was declined.")
    assert factories.books_now() == books


def test_an_order_in_the_billing_service_has_its_lines_and_tries(api: Api, alice: Person, stripe: Sandbox) -> None:
    told = bought(api, alice)
    pay(told["checkout_url"])
    ask_the_provider()

    body = api.get(f"/orders/{told['order_id']}", alice).json()

    order = body["data"]
    assert body["success"] is True
    assert {name: order[name] for name in ("id", "status", "currency", "amount", "failure_code", "failure_reason", "closed_at")} == {
        "id": told["order_id"],
        "status": "paid",
        "currency": "USD",
        "amount": 2_000,
        "failure_code": "",
        "failure_reason": "",
        "closed_at": None,
    }
    assert order["lines"] == [
        {
            "kind": "credits",
            "sku": "credits",
            "description": "Credits worth $20.00",
            "amount": 2_000,
            "credits": 20_000,
            "credits_str": "20000",
        }
    ]
    (attempt,) = order["attempts"]
    assert {name: attempt[name] for name in ("provider", "status", "failure_code", "settled_amount", "settled_currency")} == {
        "provider": "stripe",
        "status": "settled",
        "failure_code": "",
        "settled_amount": 2_000,
        "settled_currency": "USD",
    }


def test_no_read_tells_what_the_provider_calls_things(api: Api, alice: Person, stripe: Sandbox) -> None:
    told = bought(api, alice)
    pay(told["checkout_url"])
    ask_the_provider()
    attempt = PaymentAttempt.objects.get()

    said = b"".join(
        api.get(path, alice).content for path in (f"/orders/{told['order_id']}", "/orders", LISTED, f"{STATUS}/{told['order_id']}")
    )

    for secret in (attempt.session_id, attempt.payment_id, attempt.idempotency_key, attempt.checkout_url):
        assert secret
        assert secret.encode() not in said


def test_orders_are_listed_newest_first_page_by_page(api: Api, alice: Person, charlie: Person, stripe: Sandbox) -> None:
    ids = [bought(api, alice, credit_usd=dollars)["order_id"] for dollars in (20, 21, 22)][::-1]
    bought(api, charlie)

    page = api.get(f"{LISTED}?limit=2", alice).json()
    rest = api.get(f"{LISTED}?limit=2&offset=2", alice).json()

    assert [item["order_id"] for item in page["items"] + rest["items"]] == ids
    assert {name: page[name] for name in ("total", "limit", "offset")} == {"total": 3, "limit": 2, "offset": 0}
    assert (rest["total"], rest["offset"], set(rest["items"][0]) - set(api.get(f"{STATUS}/{ids[0]}", alice).json())) == (
        3,
        2,
        {"created_at", "expires_at"},
    )
    assert [order["id"] for order in api.get("/orders?limit=2&offset=1", alice).json()["data"]] == ids[1:]
    assert api.get("/orders?offset=3", alice).json() == {"success": True, "data": []}


@pytest.mark.parametrize("path", [LISTED, "/orders"])
@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("limit=101", "out_of_range"),
        ("limit=0", "out_of_range"),
        ("limit=x", "invalid_number"),
        ("offset=-1", "invalid_number"),
        ("offset=10001", "out_of_range"),
    ],
)
def test_a_page_beyond_the_bounds_is_refused(api: Api, alice: Person, path: str, query: str, code: str) -> None:
    answer = api.get(f"{path}?{query}", alice)

    assert (answer.status_code, code_of(answer)) == (400, code)


@pytest.mark.parametrize("path", [LISTED, "/orders"])
def test_a_longer_list_takes_no_more_queries(api: Api, alice: Person, stripe: Sandbox, path: str) -> None:
    counts = []
    for _ in range(2):
        bought(api, alice)
        bought(api, alice)
        with CaptureQueriesContext(connection) as queries:
            api.get(path, alice)
        counts.append(len(queries))

    assert counts[0] == counts[1]


def test_an_order_is_cancelled_and_its_page_closed(api: Api, alice: Person, stripe: Sandbox) -> None:
    told = bought(api, alice)
    books = factories.books_now()

    answer = api.post(f"/v1/orders/{told['order_id']}/cancel", None, alice)

    assert (answer.status_code, answer.json()["status"], answer.json()["id"]) == (200, "cancelled", told["order_id"])
    assert answer.json()["closed_at"].endswith("Z")
    assert [attempt["status"] for attempt in answer.json()["attempts"]] == ["expired"]
    assert stripe.stored(told["session_id"])["status"] == "expired"
    assert factories.books_now() == books


def test_an_order_is_cancelled_once(api: Api, alice: Person, stripe: Sandbox) -> None:
    told = bought(api, alice)
    api.post(f"/v1/orders/{told['order_id']}/cancel", None, alice)
    with nothing_moves():
        answers = [api.post(f"/v1/orders/{told['order_id']}/{act}", None, alice) for act in ("cancel", "checkout")]

    assert [(answer.status_code, code_of(answer)) for answer in answers] == [(409, "order_not_pending")] * 2
    assert [answer.json()["order_status"] for answer in answers] == ["cancelled"] * 2


def test_an_order_that_somebody_paid_is_paid_and_not_cancelled(api: Api, alice: Person, stripe: Sandbox) -> None:
    told = bought(api, alice)
    pay(told["checkout_url"])

    answer = api.post(f"/v1/orders/{told['order_id']}/cancel", None, alice)

    assert (answer.status_code, code_of(answer)) == (409, "order_not_pending")
    assert answer.json()["order_status"] == "paid"
    assert api.get("/credits/balance", alice).json()["data"]["balance"] == 20_000


def test_nothing_is_cancelled_while_the_provider_is_down(api: Api, alice: Person, stripe: Sandbox) -> None:
    told = bought(api, alice)
    stripe.api_fault(ApiFault(status=500))
    with nothing_moves():
        answer = api.post(f"/v1/orders/{told['order_id']}/cancel", None, alice)

    assert (answer.status_code, code_of(answer)) == (503, "provider_failed")


def test_an_order_that_waits_has_one_page(api: Api, alice: Person, stripe: Sandbox) -> None:
    told = bought(api, alice)
    with nothing_moves():
        answer = api.post(f"/v1/orders/{told['order_id']}/checkout", None, alice)

    assert (answer.status_code, answer.json()) == (200, told)


def test_after_a_failed_try_an_order_has_a_fresh_page(api: Api, alice: Person, stripe: Sandbox) -> None:
    stripe.api_fault(ApiFault(path="/v1/checkout/sessions", status=500))
    assert buy(api, alice).status_code == 503
    stripe.clear_faults()
    order = Order.objects.get()

    answer = api.post(f"/v1/orders/{order.public_id}/checkout", None, alice)
    pay(answer.json()["checkout_url"])
    ask_the_provider()

    shown = api.get(f"/orders/{order.public_id}", alice).json()["data"]
    assert [attempt["status"] for attempt in shown["attempts"]] == ["settled", "failed"]
    assert (shown["status"], shown["failure_reason"]) == ("paid", "")
    assert factories.balance_of(alice.account) == 20 * USD


def test_a_paid_order_has_no_page(api: Api, alice: Person, stripe: Sandbox) -> None:
    told = bought(api, alice)
    pay(told["checkout_url"])
    ask_the_provider()
    with nothing_moves():
        answer = api.post(f"/v1/orders/{told['order_id']}/checkout", None, alice)

    assert (answer.status_code, code_of(answer), answer.json()["order_status"]) == (409, "order_not_pending", "paid")
