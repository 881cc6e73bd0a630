"""`manage.py ensure_webhook_endpoint` makes the endpoint once, and shows its secret once."""

import io
from collections.abc import Iterator

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from payments.gateways.stripe_gateway import LISTENED_EVENTS
from tests.payments.world import Shop, open_shop


@pytest.fixture
def shop(settings: Settings) -> Iterator[Shop]:
    settings.PUBLIC_URL = "https://billing.example.com/"
    with open_shop(settings, None) as shop:
        yield shop


def ensure() -> str:
    said = io.StringIO()
    call_command("ensure_webhook_endpoint", stdout=said, stderr=io.StringIO())
    return said.getvalue()


def test_an_endpoint_is_made_once_and_its_secret_shown_once(shop: Shop) -> None:
    assert ensure().startswith("STRIPE_WEBHOOK_SECRETS=whsec_")
    assert not ensure()
    (endpoint,) = shop.stripe.world.store.newest("webhook_endpoint", limit=10)
    assert endpoint.body["url"] == "https://billing.example.com/payment/webhook/stripe"
    assert set(endpoint.body["enabled_events"]) == set(LISTENED_EVENTS)


def test_without_a_key_it_says_what_is_missing(settings: Settings) -> None:
    settings.STRIPE_TEST_SECRET_KEY = ""
    with pytest.raises(CommandError, match="not set up"):
        ensure()
