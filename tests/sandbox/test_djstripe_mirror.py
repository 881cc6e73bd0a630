"""dj-stripe's own mirror, fed by the sandbox: it fetches what it refers to by the real client, and every row appears."""

import pytest
import stripe
from django.test import override_settings
from djstripe.models import Charge, Customer, Event, PaymentIntent, PaymentMethod, Price, Product, Session
from stripe import StripeClient

from sandbox import Sandbox
from tests.actors import Person
from tests.sandbox import browser
from tests.sandbox.conftest import KEY, OpenCheckout

pytestmark = pytest.mark.django_db


@pytest.fixture
def mirrored(local: Sandbox, monkeypatch: pytest.MonkeyPatch) -> object:
    """Stripe's module-level client, which dj-stripe uses, talks to the sandbox."""
    monkeypatch.setattr(stripe, "api_base", local.base_url)
    with override_settings(STRIPE_TEST_SECRET_KEY=KEY, STRIPE_LIVE_MODE=False):
        yield


def test_a_purchase_is_mirrored_whole(
    mirrored: object, local: Sandbox, client: StripeClient, checkout: OpenCheckout, alice: Person
) -> None:
    account = alice.account
    customer = client.v1.customers.create({"email": account.email, "metadata": {"djstripe_subscriber": str(account.pk)}})
    session = checkout(customer=customer.id, payment_intent_data={"setup_future_usage": "off_session"})
    browser.pay(str(session.url))
    for kind, model in (
        ("checkout.session.completed", Session),
        ("payment_intent.succeeded", PaymentIntent),
        ("charge.updated", Charge),
        ("payment_method.attached", PaymentMethod),
        ("customer.created", Customer),
        ("price.created", Price),
        ("product.created", Product),
    ):
        (event,) = local.events(kind)
        id_ = event["data"]["object"]["id"]
        found = model(id=id_).api_retrieve(api_key=KEY)
        assert model.sync_from_stripe_data(found, api_key=KEY).id == id_
    for completed in client.v1.events.list({"type": "checkout.session.completed"}).data:
        Event.sync_from_stripe_data(completed, api_key=KEY)
    mirrored_session = Session.objects.get()
    assert mirrored_session.stripe_data["payment_status"] == "paid"
    assert mirrored_session.customer.subscriber == account
    intent = PaymentIntent.objects.get()
    assert (mirrored_session.payment_intent, intent.stripe_data["status"]) == (intent, "succeeded")
    charge = Charge.objects.get()
    assert (charge.stripe_data["amount"], charge.balance_transaction.stripe_data["fee"]) == (1000, 59)
    assert PaymentMethod.objects.get().customer.id == customer.id
    assert Event.objects.get().type == "checkout.session.completed"
