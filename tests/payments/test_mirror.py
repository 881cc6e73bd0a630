"""dj-stripe's copies: for operators to look at. They come after the money and apart from it, and they hold no keys."""

from datetime import timedelta
from typing import Final

import pytest
from djstripe import models as mirrored
from pytest_django import Settings

from accounts.models import Account
from core import clock
from payments.gateways import stripe_mirror
from payments.models import Outcome, ProviderEvent
from payments.services.checkout import CheckoutLink
from payments.services.mirror import mirror_events
from payments.transitions import EventStatus
from sandbox import ApiFault
from tests import factories
from tests.payments.api.purchases import nothing_moves
from tests.payments.world import KEY, PRICE_MINOR, Json, Shop, assert_credited_once, ledger_now

pytestmark = pytest.mark.django_db

NOTHING_LISTENS: Final = "http://127.0.0.1:9"
COPIED: Final = ("customer.created", "charge.succeeded", "checkout.session.completed", "payment_intent.succeeded")


@pytest.fixture
def account(db: None) -> Account:
    return factories.make_account()


@pytest.fixture
def link(shop: Shop, account: Account) -> CheckoutLink:
    """A purchase that is paid and credited; nothing of it has been copied."""
    link = shop.open(account)
    shop.pay(link)
    for event_type in COPIED:
        shop.hear(shop.event(event_type))
    return link


def copies() -> dict[str, int]:
    kinds = (mirrored.Customer, mirrored.Charge, mirrored.Session, mirrored.PaymentIntent, mirrored.PaymentMethod)
    return {kind.__name__: kind.objects.count() for kind in kinds}


def not_copied() -> list[str]:
    return list(ProviderEvent.objects.filter(mirrored_at=None).order_by("pk").values_list("type", flat=True))


def test_the_money_does_not_wait_for_the_copies(shop: Shop, account: Account, link: CheckoutLink) -> None:
    assert set(copies().values()) == {0}
    assert not_copied() == list(COPIED)
    assert_credited_once(link, account)


def test_what_was_bought_is_copied_once_and_belongs_to_its_account(shop: Shop, account: Account, link: CheckoutLink) -> None:
    now, books = clock.now(), ledger_now()
    assert mirror_events(now=now) == len(COPIED)
    assert copies() == {"Customer": 1, "Charge": 1, "Session": 1, "PaymentIntent": 1, "PaymentMethod": 1}
    customer, charge = mirrored.Customer.objects.get(), mirrored.Charge.objects.get()
    assert (customer.subscriber, customer.id) == (account, shop.session(link)["customer"])
    assert (charge.stripe_data["amount"], charge.customer) == (PRICE_MINOR, customer)
    assert mirrored.Session.objects.get().id == link.session_id
    assert set(ProviderEvent.objects.values_list("mirrored_at", flat=True)) == {now}
    assert mirror_events(now=now + timedelta(days=1)) == 0
    assert ledger_now() == books


def test_a_copy_is_what_the_provider_says_now_and_not_what_an_old_event_said(shop: Shop, account: Account) -> None:
    link = shop.open(account)
    early = shop.event("customer.created")
    shop.stripe.tamper(shop.session(link)["customer"], name="Ada, since then")
    shop.hear(early)
    mirror_events(now=clock.now())
    assert mirrored.Customer.objects.get().stripe_data["name"] == "Ada, since then"


def test_no_key_is_written_down(shop: Shop, link: CheckoutLink) -> None:
    mirror_events(now=clock.now())
    stored = [key.secret for key in mirrored.APIKey.objects.all()]
    assert all(secret.startswith("pk_test_") and KEY[8:] not in secret for secret in stored)


def test_while_the_provider_is_down_the_copies_wait_and_are_made_later(
    settings: Settings, shop: Shop, account: Account, link: CheckoutLink
) -> None:
    up, settings.STRIPE_API_HOST = settings.STRIPE_API_HOST, NOTHING_LISTENS
    with nothing_moves():
        assert mirror_events(now=clock.now()) == 0
    assert (set(copies().values()), not_copied()) == ({0}, list(COPIED))
    settings.STRIPE_API_HOST = up
    assert mirror_events(now=clock.now()) == len(COPIED)
    assert_credited_once(link, account)


def test_what_cannot_be_copied_does_not_hold_up_the_rest(shop: Shop, link: CheckoutLink, caplog: pytest.LogCaptureFixture) -> None:
    shop.stripe.tamper(shop.event("charge.succeeded")["data"]["object"]["id"], object="spoon")
    assert mirror_events(now=clock.now()) == len(COPIED)
    assert "could not be copied" in caplog.text
    assert copies()["Session"] == 1
    assert not_copied() == []


def test_what_the_other_mode_has_is_not_asked_for(shop: Shop, account: Account) -> None:
    shop.open(account)
    told: Json = shop.event("customer.created") | {"livemode": True}
    assert shop.hear(told) == Outcome.REVIEW
    asked = len(shop.stripe.exchanges)
    assert mirror_events(now=clock.now()) == 1
    assert (len(shop.stripe.exchanges), copies()["Customer"]) == (asked, 0)


def test_what_there_is_no_copy_of_is_not_asked_for(shop: Shop) -> None:
    assert not stripe_mirror.mirror("payment_intent.created", "pi_1")
    assert not stripe_mirror.mirror("customer.created", "")
    assert shop.stripe.exchanges == []


def test_an_event_is_copied_when_it_is_done_and_not_before(shop: Shop, account: Account) -> None:
    link = shop.open(account)
    shop.pay(link)
    shop.stripe.api_fault(ApiFault(path="/v1/checkout/sessions/*", times=1, status=400))
    assert shop.hear(shop.event("checkout.session.completed")) is None
    assert mirror_events(now=clock.now()) == 0
    assert ProviderEvent.objects.get().status == EventStatus.WAITING
