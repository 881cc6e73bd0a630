"""Lists a page at a time, and the list of events that reconciliation reads."""

import pytest
from stripe import InvalidRequestError, StripeClient

from sandbox import Sandbox, WebhookFaults
from tests.sandbox import browser
from tests.sandbox.conftest import OpenCheckout

DAY = 86_400


def test_a_list_is_newest_first_and_pages_both_ways(client: StripeClient) -> None:
    ids = [client.v1.customers.create({}).id for _ in range(7)][::-1]
    first = client.v1.customers.list({"limit": 3})
    assert ([each.id for each in first.data], first.has_more) == (ids[:3], True)
    second = client.v1.customers.list({"limit": 3, "starting_after": ids[2]})
    assert ([each.id for each in second.data], second.has_more) == (ids[3:6], True)
    last = client.v1.customers.list({"limit": 3, "starting_after": ids[5]})
    assert ([each.id for each in last.data], last.has_more) == (ids[6:], False)
    back = client.v1.customers.list({"limit": 3, "ending_before": ids[3]})
    assert ([each.id for each in back.data], back.has_more) == (ids[:3], False)
    assert [each.id for each in client.v1.customers.list({"limit": 2}).auto_paging_iter()] == ids


def test_a_list_refuses_bounds_that_are_none(client: StripeClient) -> None:
    customer = client.v1.customers.create({})
    for wrong in (
        {"limit": 0},
        {"limit": 101},
        {"starting_after": "cus_none"},
        {"starting_after": customer.id, "ending_before": customer.id},
    ):
        with pytest.raises(InvalidRequestError):
            client.v1.customers.list(wrong)  # type: ignore[arg-type]


def test_lists_know_when_things_were_made(client: StripeClient, local: Sandbox) -> None:
    old = client.v1.customers.create({})
    local.advance(100)
    new = client.v1.customers.create({})
    assert [each.id for each in client.v1.customers.list({"created": {"lt": old.created + 50}}).data] == [old.id]
    assert [each.id for each in client.v1.customers.list({"created": {"gte": new.created, "lte": new.created + 5}}).data] == [new.id]
    assert [each.id for each in client.v1.customers.list({"created": old.created}).data] == [old.id]


def test_the_lines_of_a_session_page_too(client: StripeClient, checkout: OpenCheckout) -> None:
    line = {"price_data": {"currency": "usd", "unit_amount": 100, "product_data": {"name": "x"}}, "quantity": 1}
    session = checkout(line_items=[line] * 5)
    first = client.v1.checkout.sessions.line_items.list(session.id, {"limit": 2})
    assert (len(first.data), first.has_more) == (2, True)
    assert len(list(first.auto_paging_iter())) == 5


def test_events_are_found_by_type_time_and_delivery(client: StripeClient, local: Sandbox, checkout: OpenCheckout) -> None:
    browser.pay(str(checkout().url))
    assert local.drain()
    local.webhook_faults(WebhookFaults(drop_next=1))
    client.v1.customers.create({})
    events = client.v1.events
    assert [each.type for each in events.list({"type": "payment_intent.*"}).data] == ["payment_intent.succeeded", "payment_intent.created"]
    both = events.list({"types": ["charge.succeeded", "checkout.session.completed"]}).data
    assert [each.type for each in both] == ["checkout.session.completed", "charge.succeeded"]
    assert [each.type for each in events.list({"delivery_success": False}).data] == ["customer.created"]
    assert len(events.list({"delivery_success": True}).data) == 7
    with pytest.raises(InvalidRequestError):
        events.list({"type": "x", "types": ["y"]})


def test_an_event_says_which_request_made_it(client: StripeClient, local: Sandbox) -> None:
    made = client.v1.customers.create({}, {"idempotency_key": "key-1"})
    (event,) = client.v1.events.list({"type": "customer.created"}).data
    assert made.last_response is not None
    assert event["request"].to_dict() == {"id": made.last_response.request_id, "idempotency_key": "key-1"}
    assert (event.api_version, event.livemode) == ("2026-08-26.dahlia", False)
    local.advance(30 * DAY + 1)
    assert client.v1.events.list().data == []
    with pytest.raises(InvalidRequestError) as gone:
        client.v1.events.retrieve(event.id)
    assert gone.value.http_status == 404
