"""A sandbox per test, Stripe's own client for it, and a merchant's endpoint. At the end all of it is held against Stripe's document."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from stripe import StripeClient
from stripe.checkout import Session

import sandbox
from sandbox import Sandbox
from tests.sandbox.receiver import SECRET, Receiver, receiving
from tests.stripe_openapi import contract

KEY = "sk_test_" + "k" * 24
LINE: dict[str, Any] = {"price_data": {"currency": "usd", "unit_amount": 1000, "product_data": {"name": "Credits"}}, "quantity": 1}
URLS = {"success_url": "http://shop.example/paid?session={CHECKOUT_SESSION_ID}", "cancel_url": "http://shop.example/cart"}

OpenCheckout = Callable[..., Session]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture
def local(receiver: Receiver) -> Iterator[Sandbox]:
    """A sandbox that sends everything to `receiver`."""
    with sandbox.running(api_key=KEY, webhook_url=receiver.url, webhook_secret=SECRET, seed="tests", record=True) as running:
        yield running
        if running.exchanges:
            contract.check_all(running)


def client_of(running: Sandbox, key: str = KEY, retries: int = 0) -> StripeClient:
    return StripeClient(key, base_addresses={"api": running.base_url}, max_network_retries=retries)


@pytest.fixture
def client(local: Sandbox) -> StripeClient:
    return client_of(local)


@pytest.fixture
def checkout(client: StripeClient) -> OpenCheckout:
    """Opens a session over $10; keywords add to its parameters or replace them."""

    def open_checkout(**given: Any) -> Session:
        parameters: Any = {"mode": "payment", "line_items": [LINE], **URLS, **given}
        return client.v1.checkout.sessions.create(parameters)

    return open_checkout
