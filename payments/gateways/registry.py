"""Which gateway serves a provider."""

from functools import cache

from payments.contract import Gateway
from payments.errors import ChannelUnavailable
from payments.gateways.stripe_client import secret_key
from payments.gateways.stripe_gateway import StripeGateway


def gateway_of(provider: str) -> Gateway:
    """The gateway of a provider. Raises ChannelUnavailable for one that is not connected."""
    if provider != "stripe":
        raise ChannelUnavailable("Nothing is sold through this channel yet; use stripe.", field="channel")
    return _stripe()


def is_connected(provider: str) -> bool:
    """Whether this deployment has the key of a provider."""
    return provider == "stripe" and bool(secret_key())


@cache
def _stripe() -> Gateway:
    return StripeGateway()
