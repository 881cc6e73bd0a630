"""Idempotency keys: the first answer again, whatever it was; never two works under one key."""

import threading
from typing import Any

import pytest
from stripe import APIConnectionError, CardError, IdempotencyError, InvalidRequestError, StripeClient, StripeError

from sandbox import ApiFault, Sandbox
from tests.sandbox.conftest import OpenCheckout, client_of
from tests.sandbox.waiting import until
from tests.threads import at_once, failures, successes

DAY = 86_400


def replayed(made: Any) -> bool:
    return bool(made.last_response.headers.get("idempotent-replayed") == "true")


def test_the_same_request_under_one_key_is_done_once(client: StripeClient, local: Sandbox) -> None:
    first = client.v1.customers.create({"name": "Ada"}, {"idempotency_key": "k"})
    again = client.v1.customers.create({"name": "Ada"}, {"idempotency_key": "k"})
    assert (first.id, replayed(first), replayed(again)) == (again.id, False, True)
    client.v1.customers.update(first.id, {"name": "Bo"})
    assert client.v1.customers.create({"name": "Ada"}, {"idempotency_key": "k"}).name == "Ada"
    assert len(local.events("customer.created")) == 1


def test_another_request_under_the_same_key_is_refused(client: StripeClient, local: Sandbox) -> None:
    made = client.v1.customers.create({"name": "Ada"}, {"idempotency_key": "k"})
    with pytest.raises(IdempotencyError) as other_parameters:
        client.v1.customers.create({"name": "Bo"}, {"idempotency_key": "k"})
    with pytest.raises(IdempotencyError) as other_endpoint:
        client.v1.customers.update(made.id, {"name": "Ada"}, {"idempotency_key": "k"})
    for refused in (other_parameters.value, other_endpoint.value):
        assert refused.http_status == 400
    assert "same parameters" in str(other_parameters.value)
    assert "same endpoint" in str(other_endpoint.value)
    assert [event["type"] for event in local.events()] == ["customer.created"]


def test_a_decline_is_kept_and_not_tried_again(client: StripeClient, local: Sandbox) -> None:
    customer = client.v1.customers.create({})
    method = client.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": customer.id})
    seen = []
    for _ in range(2):
        with pytest.raises(CardError) as declined:
            client.v1.payment_intents.create(
                {
                    "amount": 500,
                    "currency": "usd",
                    "customer": customer.id,
                    "payment_method": method.id,
                    "confirm": True,
                    "off_session": True,
                },
                {"idempotency_key": "k"},
            )
        seen.append(declined.value.json_body)
    assert seen[0] == seen[1]
    assert len(local.events("charge.failed")) == 1


def test_what_was_refused_before_anything_was_done_is_not_kept(client: StripeClient) -> None:
    product: Any = {"currency": "usd", "unit_amount": 100, "product": "prod_late"}
    with pytest.raises(InvalidRequestError):
        client.v1.prices.create(product, {"idempotency_key": "k"})
    client.v1.products.create({"id": "prod_late", "name": "x"})
    assert client.v1.prices.create(product, {"idempotency_key": "k"}).unit_amount == 100


def test_a_key_is_forgotten_after_a_day_of_the_sandboxs_clock(client: StripeClient, local: Sandbox) -> None:
    first = client.v1.customers.create({}, {"idempotency_key": "k"})
    local.advance(DAY - 5)
    assert client.v1.customers.create({}, {"idempotency_key": "k"}).id == first.id
    local.advance(10)
    assert client.v1.customers.create({}, {"idempotency_key": "k"}).id != first.id


def test_a_second_request_while_the_first_is_under_way_gets_409(client: StripeClient, local: Sandbox) -> None:
    local.api_fault(ApiFault(path="/v1/customers", delay_before=1, times=1))
    outcomes = at_once(*[lambda: client.v1.customers.create({}, {"idempotency_key": "k"})] * 4)
    refused: list[Any] = failures(outcomes)
    assert [(each.http_status, each.error.code) for each in refused] == [(409, "idempotency_key_in_use")] * 3
    (made,) = successes(outcomes)
    assert client.v1.customers.create({}, {"idempotency_key": "k"}).id == made.id
    assert len(local.events("customer.created")) == 1


def test_stripes_client_gets_over_a_409_by_itself(local: Sandbox) -> None:
    local.api_fault(ApiFault(path="/v1/customers", delay_after=0.2, times=1))
    patient = client_of(local, retries=5)
    outcomes = at_once(*[lambda: patient.v1.customers.create({}, {"idempotency_key": "k"})] * 2)
    assert failures(outcomes) == []
    assert len({each.id for each in successes(outcomes)}) == 1


def test_an_answer_that_never_came_is_there_for_the_next_try(client: StripeClient, local: Sandbox) -> None:
    local.api_fault(ApiFault(hang_up=True, times=1))
    with pytest.raises(APIConnectionError):
        client.v1.customers.create({"name": "Ada"}, {"idempotency_key": "k"})
    (event,) = local.events("customer.created")
    again = client.v1.customers.create({"name": "Ada"}, {"idempotency_key": "k"})
    assert (again.id, replayed(again)) == (event["data"]["object"]["id"], True)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_error_on_purpose_does_nothing_and_is_not_kept(client: StripeClient, local: Sandbox, status: int) -> None:
    local.api_fault(ApiFault(path="/v1/cust*", method="POST", status=status, times=2))
    for _ in range(2):
        with pytest.raises(StripeError) as refused:
            client.v1.customers.create({}, {"idempotency_key": "k"})
        assert refused.value.http_status == status
        assert client.v1.customers.list().data == []
    assert local.events() == []
    assert not replayed(client.v1.customers.create({}, {"idempotency_key": "k"}))


def test_keys_of_an_impossible_length_are_refused(client: StripeClient, local: Sandbox) -> None:
    with pytest.raises(InvalidRequestError):
        client.v1.customers.create({}, {"idempotency_key": "k" * 256})
    assert local.events() == []


def test_two_hundred_checkouts_at_once_wait_for_a_slow_answer_together(checkout: OpenCheckout, local: Sandbox) -> None:
    local.api_fault(ApiFault(path="/v1/checkout/sessions", delay_before=1, delay_after=1))
    made = at_once(*[lambda: checkout().id] * 200)
    assert failures(made) == []
    assert len(set(successes(made))) == 200
    assert len(local.events("price.created")) == 200
    # What two of them said stands for all: holding each against the document takes its time.
    del local.exchanges[2:]


def test_while_one_request_is_slow_the_others_and_the_webhooks_go_on(checkout: OpenCheckout, client: StripeClient, local: Sandbox) -> None:
    hour = ApiFault(path="/v1/customers", method="POST", delay_after=3600, times=1)
    local.api_fault(hour)
    stuck = threading.Thread(target=lambda: failures(at_once(lambda: client.v1.customers.create({}))))
    stuck.start()
    until(lambda: client.v1.customers.list().data)
    assert checkout().status == "open"
    assert local.drain()
    assert "customer.created" in [each.type for each in local.attempts()]
    local.stopping.set()
    stuck.join(timeout=60)
    assert not stuck.is_alive()
