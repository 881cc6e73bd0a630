"""What is sent to a merchant: signed, in order, again when it was not taken; and everything that may go wrong with it on purpose."""

import json
from collections import Counter

import pytest
import stripe
from stripe import InvalidRequestError, StripeClient

import sandbox
from sandbox import BadKnob, Sandbox, WebhookFaults
from sandbox.stripe import customers
from sandbox.stripe.act import acting
from tests.sandbox import browser
from tests.sandbox.conftest import KEY, OpenCheckout, client_of
from tests.sandbox.receiver import SECRET, Receiver
from tests.sandbox.waiting import until

PURCHASE = ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded", "charge.updated", "checkout.session.completed"]


@pytest.fixture
def bought(checkout: OpenCheckout, local: Sandbox, receiver: Receiver) -> str:
    """The page of a session that is still to be paid; what came before is delivered and forgotten."""
    url = str(checkout().url)
    assert local.drain()
    receiver.deliveries.clear()
    return url


def test_what_is_sent_is_signed_and_is_the_event_itself(bought: str, client: StripeClient, local: Sandbox, receiver: Receiver) -> None:
    browser.pay(bought)
    assert local.drain()
    assert receiver.types == PURCHASE
    for delivery in receiver.deliveries:
        known = client.v1.events.retrieve(delivery.event["id"])
        assert json.loads(delivery.body) | {"pending_webhooks": 0} == known.to_dict()
    assert json.loads(receiver.deliveries[0].body)["pending_webhooks"] == 1


def test_a_changed_body_or_an_old_signature_is_not_ours(bought: str, local: Sandbox, receiver: Receiver) -> None:
    browser.pay(bought)
    assert local.drain()
    sent = receiver.deliveries[0]
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(sent.body.replace(b"1000", b"9000"), sent.signature, SECRET)
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(sent.body, sandbox.signature(SECRET, sent.body, 1_000_000_000), SECRET)


def test_the_signature_keeps_the_machines_time_when_the_clock_is_moved(client: StripeClient, local: Sandbox, receiver: Receiver) -> None:
    local.advance(400 * 86_400)
    client.v1.customers.create({})
    assert local.drain()
    assert receiver.types == ["customer.created"]


def test_an_endpoint_gets_what_it_asked_for_and_its_secret_once(client: StripeClient, local: Sandbox, receiver: Receiver) -> None:
    made = client.v1.webhook_endpoints.create(
        {"url": receiver.url, "enabled_events": ["customer.deleted"], "metadata": {"a": "1"}, "api_version": "2026-08-26.dahlia"}
    )
    assert str(made.secret).startswith("whsec_")
    assert "secret" not in client.v1.webhook_endpoints.retrieve(made.id).to_dict()
    assert "secret" not in client.v1.webhook_endpoints.list().data[0].to_dict()
    customer = client.v1.customers.create({})
    client.v1.customers.delete(customer.id)
    assert local.drain()
    to_it = [each.type for each in local.attempts() if each.endpoint == made.id]
    assert to_it == ["customer.deleted"]
    updated = client.v1.webhook_endpoints.update(made.id, {"disabled": True, "enabled_events": ["*"]})
    assert updated.status == "disabled"
    client.v1.customers.create({})
    assert local.drain()
    assert local.events()[-1]["pending_webhooks"] == 0
    client.v1.webhook_endpoints.update(made.id, {"disabled": False})
    client.v1.webhook_endpoints.delete(made.id)
    client.v1.customers.create({})
    assert local.drain()
    assert [each.type for each in local.attempts() if each.endpoint == made.id] == to_it
    with pytest.raises(InvalidRequestError):
        client.v1.webhook_endpoints.retrieve(made.id)


def test_what_is_not_taken_comes_again_until_it_is(client: StripeClient, local: Sandbox, receiver: Receiver) -> None:
    receiver.answers += [500, 302]
    client.v1.customers.create({})
    until(lambda: len(receiver.deliveries) >= 3, local.retry)
    assert local.drain()
    assert [(each.what, each.status) for each in local.attempts()] == [("delivery", 500), ("retry", 302), ("retry", 200)]
    assert len({each.event["id"] for each in receiver.deliveries}) == 1
    assert local.events()[0]["pending_webhooks"] == 0


def test_it_gives_up_and_the_event_stays_undelivered(receiver: Receiver) -> None:
    receiver.answers += [500] * 3
    with sandbox.running(api_key=KEY, webhook_url=receiver.url, retry_seconds=(0, 0)) as running:
        client_of(running).v1.customers.create({})
        assert running.drain()
        assert [each.status for each in running.attempts()] == [500] * 3
        assert [each.state for each in running.deliveries()] == ["failed"]
        assert running.events()[0]["pending_webhooks"] == 1


def test_nobody_there_is_an_attempt_too(client: StripeClient, local: Sandbox) -> None:
    local.add_webhook("http://127.0.0.1:9/hook")
    client.v1.customers.create({})
    until(lambda: len(local.attempts()) >= 2)
    assert {(each.status, each.error) for each in local.attempts()} == {(200, None), (None, "ConnectionRefusedError")}
    assert local.events()[0]["pending_webhooks"] == 1


def test_copies_are_sent_all_at_once(bought: str, local: Sandbox, receiver: Receiver) -> None:
    local.webhook_faults(WebhookFaults(duplicate=20))
    browser.pay(bought)
    assert local.drain()
    assert Counter(receiver.types) == dict.fromkeys(PURCHASE, 20)


def test_events_of_one_act_may_come_in_reverse(bought: str, local: Sandbox, receiver: Receiver) -> None:
    local.webhook_faults(WebhookFaults(reorder="reverse"))
    browser.pay(bought)
    assert local.drain()
    assert receiver.types == PURCHASE[::-1]


def test_events_of_one_act_may_come_shuffled(bought: str, local: Sandbox, receiver: Receiver) -> None:
    local.webhook_faults(WebhookFaults(reorder="shuffle"))
    browser.pay(bought)
    assert local.drain()
    assert sorted(receiver.types) == sorted(PURCHASE)
    assert receiver.types != PURCHASE


def test_what_is_dropped_never_comes_and_is_listed_as_undelivered(
    bought: str, local: Sandbox, receiver: Receiver, client: StripeClient
) -> None:
    local.webhook_faults(WebhookFaults(drop_types=("checkout.session.*", "charge.*"), drop_next=1))
    browser.pay(bought)
    assert local.drain()
    assert receiver.types == ["payment_intent.succeeded"]
    undelivered = {event.type for event in client.v1.events.list({"delivery_success": False}).data}
    assert undelivered == set(PURCHASE) - {"payment_intent.succeeded"}
    local.webhook_faults(WebhookFaults(drop=True))
    client.v1.customers.create({})
    assert local.drain()
    assert len(receiver.deliveries) == 1


def test_a_delayed_event_waits_and_may_be_hurried(client: StripeClient, local: Sandbox, receiver: Receiver) -> None:
    local.webhook_faults(WebhookFaults(delay_seconds=3600))
    client.v1.customers.create({})
    assert not local.drain(0.2)
    assert receiver.deliveries == []
    local.retry()
    assert local.drain()
    assert receiver.types == ["customer.created"]


def test_a_forged_copy_comes_first_and_does_not_count(client: StripeClient, local: Sandbox, receiver: Receiver) -> None:
    local.webhook_faults(WebhookFaults(forge=True))
    receiver.answers += [200, 500]
    client.v1.customers.create({})
    until(lambda: len(receiver.deliveries) >= 4, local.retry)
    assert local.drain()
    assert [each.is_true for each in receiver.deliveries] == [False, True, False, True]
    assert len({each.body for each in receiver.deliveries}) == 1
    assert [each.what for each in local.attempts()] == ["forged", "delivery", "forged", "retry"]


def test_held_events_are_released_in_any_order_and_more_than_once(bought: str, local: Sandbox, receiver: Receiver) -> None:
    local.hold()
    browser.pay(bought)
    assert local.drain()
    held = local.held()
    assert [event["type"] for event in held] == PURCHASE
    assert receiver.deliveries == []
    order = [held[4]["id"], held[0]["id"], held[4]["id"]]
    assert [(each.event, each.status) for each in local.release(order)] == [(id_, 200) for id_ in order]
    assert receiver.types == [PURCHASE[4], PURCHASE[0], PURCHASE[4]]
    assert [event["type"] for event in local.held()] == PURCHASE[1:4]
    local.release()
    assert receiver.types[3:] == PURCHASE[1:4]
    assert {event["pending_webhooks"] for event in local.events(*PURCHASE)} == {0}


def test_what_happens_after_an_ordered_release_is_held_too_and_after_a_whole_one_flows(
    client: StripeClient, local: Sandbox, receiver: Receiver
) -> None:
    local.hold()
    client.v1.customers.create({})
    (first,) = local.held()
    local.release([first["id"]])
    local.resend(first["id"])
    client.v1.customers.create({})
    assert local.drain()
    assert (len(receiver.deliveries), len(local.held())) == (1, 2)
    assert [each.what for each in local.release()] == ["resent", "delivery"]
    client.v1.customers.create({})
    assert local.drain()
    assert len(receiver.deliveries) == 4


def test_an_old_event_may_be_sent_again_after_thirty_days(bought: str, local: Sandbox, receiver: Receiver) -> None:
    browser.pay(bought)
    assert local.drain()
    (event,) = local.events("payment_intent.succeeded")
    local.advance(31 * 86_400)
    receiver.deliveries.clear()
    local.resend(event["id"])
    assert local.drain()
    assert [each.event["id"] for each in receiver.deliveries] == [event["id"]]
    assert local.attempts()[-1].what == "resent"
    with pytest.raises(KeyError):
        local.resend("evt_none")


def test_webhooks_of_a_request_wait_until_it_is_answered(local: Sandbox, receiver: Receiver) -> None:
    local.sender.wait_for_answer("burst_1")
    with acting(local.world, burst="burst_1") as act:
        customers.new(act)
    local.sender.wake()
    assert not local.drain(0.3)
    assert receiver.deliveries == []
    local.sender.answered("burst_1")
    assert local.drain()
    assert receiver.types == ["customer.created"]


def test_webhooks_of_a_request_that_is_never_answered_go_out(client: StripeClient, local: Sandbox, receiver: Receiver) -> None:
    local.api_fault(sandbox.ApiFault(path="/v1/customers", hang_up=True, times=1))
    with pytest.raises(stripe.APIConnectionError):
        client.v1.customers.create({})
    assert local.drain()
    assert receiver.types == ["customer.created"]


@pytest.mark.parametrize(
    "wrong",
    [WebhookFaults(duplicate=0), WebhookFaults(reorder="upwards"), WebhookFaults(delay_seconds=-1), WebhookFaults(drop_next=-1)],
)
def test_a_knob_does_not_turn_beyond_its_end(local: Sandbox, wrong: WebhookFaults) -> None:
    with pytest.raises(BadKnob):
        local.webhook_faults(wrong)
    assert local.faults.webhooks == WebhookFaults()


def test_clearing_faults_ends_them(client: StripeClient, local: Sandbox, receiver: Receiver) -> None:
    local.webhook_faults(WebhookFaults(drop=True))
    local.api_fault(sandbox.ApiFault(status=500))
    local.clear_faults()
    client.v1.customers.create({})
    assert local.drain()
    assert receiver.types == ["customer.created"]
