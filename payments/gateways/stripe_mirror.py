"""
dj-stripe's copies of Stripe's objects: for operators to look at, and for the customer's link to its account. No money depends on them.

An object is read and written down here, with what it refers to. dj-stripe's own webhook view and its helpers are not used: some of
them fail on the pinned API version, and its processing keeps a transaction open while it asks the network.
"""

import hashlib
from typing import Any, Final

import stripe
from django.conf import settings
from djstripe import models as mirrored
from djstripe.enums import APIKeyType
from djstripe.models.api import APIKeyManager, get_api_key_details_by_prefix

from payments.gateways.stripe_client import CONNECT_SECONDS, calling, host, secret_key

MODEL_OF: Final[dict[str, Any]] = {
    "customer.created": mirrored.Customer,
    "customer.updated": mirrored.Customer,
    "charge.succeeded": mirrored.Charge,
    "charge.failed": mirrored.Charge,
    "charge.updated": mirrored.Charge,
    "checkout.session.completed": mirrored.Session,
    "checkout.session.expired": mirrored.Session,
    "checkout.session.async_payment_succeeded": mirrored.Session,
    "checkout.session.async_payment_failed": mirrored.Session,
    "payment_method.attached": mirrored.PaymentMethod,
    "payment_method.detached": mirrored.PaymentMethod,
}
"""What an event brings up to date. A charge brings its payment intent, customer and card along."""


class KeyFingerprints(APIKeyManager):  # type: ignore[misc]  # dj-stripe has no types
    """
    dj-stripe writes down every API key that it works with, in plain text. Here it gets a row without the key: a fingerprint of it,
    called publishable, so that nothing takes it for a key to call with and the settings' own key is used.
    """

    def get_or_create_by_api_key(self, secret: str) -> tuple[Any, bool]:
        _, livemode = get_api_key_details_by_prefix(secret)
        mode = "live" if livemode else "test"
        fingerprint = f"pk_{mode}_{hashlib.sha256(secret.encode()).hexdigest()}"
        return self.get_or_create(  # type: ignore[no-any-return]
            secret=fingerprint, defaults={"type": APIKeyType.publishable, "livemode": livemode}
        )


def prepare() -> None:
    """Before the first copy is made: no keys and no secrets in rows, and time-outs for the calls that dj-stripe makes by itself."""
    # Of two managers of one name the one that was first counts, so dj-stripe's own has to go.
    mirrored.APIKey._meta.local_managers.clear()
    mirrored.APIKey.add_to_class("objects", KeyFingerprints())
    for model in (mirrored.PaymentIntent, mirrored.SetupIntent, mirrored.Session):
        model.add_to_class("_manipulate_stripe_object_hook", classmethod(_without_client_secret))
    stripe.default_http_client = stripe.RequestsClient(timeout=(CONNECT_SECONDS, settings.PROVIDER_TIMEOUT_SECONDS))


def _without_client_secret(_model: type, data: dict[str, Any]) -> dict[str, Any]:
    """An object as it is copied: without what lets a browser act on a payment."""
    data.pop("client_secret", None)
    return data


def mirror(event_type: str, object_id: str) -> bool:
    """Copy the object of an event as it is now; whether there is a copy of its kind. Raises the gateway's errors."""
    model = MODEL_OF.get(event_type)
    if model is None or not object_id:
        return False
    with calling():
        stripe.api_base = host() or stripe.DEFAULT_API_BASE
        key = secret_key()
        model.sync_from_stripe_data(model(id=object_id).api_retrieve(api_key=key), api_key=key)
    return True
