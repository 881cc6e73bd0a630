"""A provider for tests: the sandbox in this process, with the settings pointed at it."""

from collections.abc import Iterator

import pytest
import stripe as stripe_sdk
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from sandbox import Sandbox
from tests.payments.world import Shop, open_shop


@pytest.fixture
def shop(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """A shop whose provider sends no webhooks: what it says is asked for."""
    with open_shop(settings, None) as shop:
        _mirror_from(shop, monkeypatch)
        yield shop


@pytest.fixture
def stripe(shop: Shop) -> Sandbox:
    """Its provider alone."""
    return shop.stripe


@pytest.fixture
def live_shop(settings: Settings, live_server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """A shop with a web server, to which its provider sends signed webhooks. `shop.stripe.drain()` waits for them."""
    with open_shop(settings, live_server) as shop:
        _mirror_from(shop, monkeypatch)
        yield shop


def _mirror_from(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy sets the SDK's global address; this puts it back afterwards."""
    monkeypatch.setattr(stripe_sdk, "api_base", shop.stripe.base_url)
