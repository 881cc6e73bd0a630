"""A shop of the tests: our own web server on a port, the sandbox on another, webhooks between them, and people who pay."""

import http.client
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import stripe
from django.db import transaction
from django.test import Client
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

import sandbox
from accounts.models import Account
from core import clock
from core.idempotency import Asked
from core.locks import lock_one
from credits.models import Grant
from payments.gateways.stripe_client import client
from payments.gateways.stripe_gateway import LISTENED_EVENTS
from payments.models import Order, Outcome, PaymentAttempt, PaymentReview, Provider, ProviderEvent
from payments.pricing import quote_credits
from payments.services.checkout import CheckoutLink, learn_session, open_purchase
from payments.services.inbox import process_event
from payments.services.ordering import Placement, add_attempt
from payments.tariff import tariff
from payments.transitions import OrderStatus
from sandbox import Sandbox
from tests import factories
from tests.conftest import Answer

KEY: Final = "sk_test_0123456789abcdefghijklmn"
SECRET: Final = "whsec_0123456789abcdefghijklmnop"
WEBHOOK: Final = "/payment/webhook/stripe"
USD: Final = 1_000_000_000
PRICE_NANOS: Final = 20 * USD
PRICE_MINOR: Final = 2_000
CARDS: Final = {"good": "4242424242424242", "declined": "4000000000000002", "challenged": "4000002500003155"}
CVC: Final = "739"
MONEY_EVENTS: Final = ("payment_intent.succeeded", "checkout.session.completed", "charge.succeeded")
LEDGER_TABLES: Final = {"wallet", "credit_grant", "ledger_entry", "allocation"}
PATIENCE_SECONDS: Final = 10

Json = dict[str, Any]


@dataclass
class Shop:
    """The platform and its provider."""

    stripe: Sandbox

    def open(
        self, account: Account, *, nanos: int = PRICE_NANOS, currency: str = "USD", asked: Asked | None = None, now: datetime | None = None
    ) -> CheckoutLink:
        """An order and its page, by the service that the API calls."""
        quote = quote_credits(tariff(), credit_nanos=nanos, currency=currency)
        placement = Placement(account_id=account.pk, placed_by=None, quote=quote, provider=Provider.STRIPE)
        return open_purchase(placement, asked=asked, now=now or clock.now())

    def second_page(self, link: CheckoutLink) -> CheckoutLink:
        """Another page for the same order, although the first can still be paid."""
        with transaction.atomic():
            order = lock_one(Order.objects.filter(public_id=link.order_id))
            assert order is not None
            attempt = add_attempt(order, Provider.STRIPE, now=clock.now())
        opened = learn_session(attempt, now=clock.now())
        return CheckoutLink(link.order_id, opened.checkout_url, str(opened.session_id))

    def pay(self, link: CheckoutLink, card: str = "good") -> str:
        """What a person does on the page: the form, filled in and sent. Where it led, or the page that came."""
        return submit(link.checkout_url, number=CARDS[card], exp="12/34", cvc=CVC, name="Ada Lovelace", email="ada@example.com")

    def debit(self, link: CheckoutLink) -> str:
        """Pay by a bank debit, which settles, or comes back, by `stripe.end_debit`."""
        return submit(link.checkout_url, method="us_bank_account", name="Ada Lovelace", email="ada@example.com")

    def confirm(self, where: str, answer: str = "complete") -> str:
        """Answer the bank's question (3-D Secure) at the address to which paying led; `complete` or `fail`."""
        return submit(f"{self.stripe.base_url}{where}", answer=answer)

    def payable_again(self, link: CheckoutLink) -> None:
        """The provider errs: a page that it closed takes money after all."""
        self.stripe.tamper(link.session_id, status="open", url=link.checkout_url)

    def session(self, link: CheckoutLink) -> Json:
        """The session as the provider has it."""
        return self.stripe.stored(link.session_id)

    def event(self, event_type: str, link: CheckoutLink | None = None) -> Json:
        """The newest event of a type; with a link, of that order (by what we wrote on the object)."""
        events = reversed(self.stripe.events(event_type))
        return next(each for each in events if link is None or each["data"]["object"]["metadata"].get("order_id") == link.order_id)

    def hear(self, event: Mapping[str, Any], *, now: datetime | None = None) -> Outcome | None:
        """One event comes in, signed, over the webhook's view, and is worked on. None if it was worked on before."""
        assert post_event(json.dumps(event).encode()).status_code == 200
        known = ProviderEvent.objects.get(event_id=event["id"])
        return process_event(event_pk=known.pk, now=now or clock.now())

    def order(self, link: CheckoutLink) -> Order:
        """The order as it is now."""
        return Order.objects.get(public_id=link.order_id)

    def attempt(self, link: CheckoutLink) -> PaymentAttempt:
        """The attempt of that page as it is now; of a page that never came, the order's only one."""
        attempts = PaymentAttempt.objects.filter(order__public_id=link.order_id)
        return attempts.get(session_id=link.session_id) if link.session_id else attempts.get()

    def review(self, link: CheckoutLink) -> PaymentReview:
        """The only review of the order."""
        return PaymentReview.objects.get(order__public_id=link.order_id)


def post_event(body: bytes, signed: str | None = None) -> Answer:
    """POST to the webhook; signed rightly and now, unless a header is given."""
    header = sandbox.signature(SECRET, body, int(time.time())) if signed is None else signed
    return Client(raise_request_exception=False).post(WEBHOOK, body, content_type="application/json", headers={"Stripe-Signature": header})


def submit(url: str, **fields: str) -> str:
    """POST a form; the address it redirects to, or the page."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    connection.request("POST", parts.path, urlencode(fields), {"Content-Type": "application/x-www-form-urlencoded"})
    response = connection.getresponse()
    page = response.read().decode()
    connection.close()
    return response.headers["Location"] or page


def alert_of(page: str) -> str:
    """What a page says went wrong."""
    found = re.search(r'role="alert"[^>]*>(.*?)</', page, re.DOTALL)
    assert found, page
    return re.sub(r"<[^>]+>", "", found.group(1)).strip()


def provider() -> stripe.StripeClient:
    """The provider's API, for what somebody else does on the same account."""
    return client()


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait for something that another thread does, but not for ever."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def ledger_now() -> dict[str, str]:
    """A digest of every row of the ledger: orders and events may move, and credits must not."""
    return {table: digest for table, digest in factories.books_now().items() if table in LEDGER_TABLES}


def credited_nanos(account: Account) -> list[int]:
    """The account's grants."""
    return list(Grant.objects.filter(account=account).order_by("pk").values_list("amount_nanos", flat=True))


def assert_credited_once(link: CheckoutLink, account: Account) -> None:
    """The order is paid, its credits are there once, and the books agree."""
    assert Order.objects.get(public_id=link.order_id).status == OrderStatus.PAID
    assert (credited_nanos(account), factories.balance_of(account)) == ([PRICE_NANOS], PRICE_NANOS)
    assert factories.disagreements() == []


def assert_nothing_credited(account: Account) -> None:
    """No credit, and books that agree: money that came is under review."""
    assert credited_nanos(account) == []
    assert factories.disagreements() == []


@contextmanager
def open_shop(settings: Settings, live_server: LiveServer | None, **options: Any) -> Iterator[Shop]:
    """A shop whose webhooks reach the live server, if there is one: those that a deployment subscribes to."""
    with sandbox.running(api_key=KEY, record=True, **options) as stripe:
        if live_server:
            stripe.add_webhook(f"{live_server.url}{WEBHOOK}", LISTENED_EVENTS, secret=SECRET)
        settings.STRIPE_LIVE_MODE = False
        settings.STRIPE_API_HOST = stripe.base_url
        settings.STRIPE_TEST_SECRET_KEY = KEY
        settings.STRIPE_WEBHOOK_SECRETS = [SECRET]
        yield Shop(stripe)
