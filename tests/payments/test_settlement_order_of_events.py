"""Webhooks twice, late, lost, forged and in any order: over real HTTP, from the sandbox to the web server."""

from datetime import timedelta
from itertools import permutations
from typing import Final

import pytest
from pytest_django import Settings

from accounts.models import Account
from core import clock
from credits.models import Grant
from payments.models import Outcome, PaymentReview, Provider, ProviderEvent
from payments.services.checkout import CheckoutLink
from payments.services.inbox import process_event
from payments.services.reconciler import FIRST_CHECK, read_feed, reconcile_attempts
from payments.transitions import AttemptStatus, EventStatus, OrderStatus
from sandbox import ApiFault, WebhookFaults
from tests import factories
from tests.payments.api.purchases import nothing_moves
from tests.payments.world import (
    MONEY_EVENTS,
    PRICE_NANOS,
    Shop,
    assert_credited_once,
    assert_nothing_credited,
    ledger_now,
    provider,
    wait_until,
)
from tests.threads import at_once, failures

pytestmark = pytest.mark.django_db(transaction=True)

ALL_EVENTS: Final = (*MONEY_EVENTS, "checkout.session.expired")
MONTH: Final = 30 * 86_400
SOME_SECONDS: Final = 5
"""What happened this very second is not on the provider's list yet: in these tests it happened some seconds ago."""
NOTHING_LISTENS: Final = "http://127.0.0.1:9"


@pytest.fixture
def account(transactional_db: None) -> Account:
    return factories.make_account()


def statuses(shop: Shop, what: str) -> list[int | None]:
    return [each.status for each in shop.stripe.attempts() if each.what == what]


def outcomes() -> list[str]:
    return sorted(ProviderEvent.objects.exclude(outcome=Outcome.NOTHING).values_list("outcome", flat=True))


def test_one_webhook_twenty_times_at_once_credits_once(live_shop: Shop, account: Account) -> None:
    link = live_shop.open(account)
    assert live_shop.stripe.drain()
    live_shop.stripe.webhook_faults(WebhookFaults(duplicate=20, drop_types=("charge.*",)))
    live_shop.pay(link)
    assert live_shop.stripe.drain()
    assert statuses(live_shop, "copy") == [200] * 19 * 2
    assert ProviderEvent.objects.filter(order__public_id=link.order_id).count() == 2
    assert outcomes() == [Outcome.SETTLED]
    assert_credited_once(link, account)


@pytest.mark.parametrize("first", ALL_EVENTS)
def test_the_events_of_a_purchase_credit_once_in_every_order(live_shop: Shop, account: Account, first: str) -> None:
    """The last of the four is about another page of the same order, which nobody paid."""
    live_shop.stripe.hold()
    for rest in permutations([each for each in ALL_EVENTS if each != first]):
        buyer = factories.make_account()
        link = live_shop.open(buyer)
        unpaid = live_shop.second_page(link)
        provider().v1.checkout.sessions.expire(unpaid.session_id)
        live_shop.pay(link)
        ids = [live_shop.event(each, link)["id"] for each in (first, *rest)]
        assert [each.status for each in live_shop.stripe.release(ids)] == [200] * len(ALL_EVENTS)
        assert (live_shop.order(link).status, factories.balance_of(buyer)) == (OrderStatus.PAID, PRICE_NANOS), rest
        assert (live_shop.attempt(link).status, live_shop.attempt(unpaid).status) == (AttemptStatus.SETTLED, AttemptStatus.EXPIRED)
        assert Grant.objects.filter(account=buyer).count() == 1
    assert PaymentReview.objects.count() == 0
    assert factories.disagreements() == []


@pytest.mark.parametrize("faults", [WebhookFaults(reorder="reverse"), WebhookFaults(reorder="shuffle", duplicate=3, delay_seconds=0.3)])
def test_webhooks_in_disorder_credit_once(live_shop: Shop, account: Account, faults: WebhookFaults) -> None:
    live_shop.stripe.webhook_faults(faults)
    link = live_shop.open(account)
    live_shop.pay(link)
    assert live_shop.stripe.drain()
    assert_credited_once(link, account)


def test_events_that_arrive_before_the_checkouts_own_answer_credit_once(live_shop: Shop, account: Account) -> None:
    live_shop.stripe.api_fault(ApiFault(path="/v1/checkout/sessions", method="POST", times=1, delay_after=1))

    def open_a_page() -> object:
        return live_shop.open(account)

    def pay_while_the_shop_waits() -> object:
        store = live_shop.stripe.world.store
        wait_until(lambda: bool(store.newest("checkout.session", limit=1)))
        (session,) = store.newest("checkout.session", limit=1)
        live_shop.pay(CheckoutLink("", session.body["url"], session.id))
        assert live_shop.stripe.drain()
        wait_until(lambda: ProviderEvent.objects.filter(outcome=Outcome.SETTLED).exists())
        return session.id

    link, session_id = at_once(open_a_page, pay_while_the_shop_waits)
    assert isinstance(link, CheckoutLink)
    assert link.session_id == session_id
    attempt = live_shop.attempt(link)
    assert (attempt.status, attempt.checkout_url) == (AttemptStatus.SETTLED, link.checkout_url)
    assert_credited_once(link, account)


def test_when_every_webhook_is_lost_the_poll_credits_once(live_shop: Shop, account: Account) -> None:
    live_shop.stripe.webhook_faults(WebhookFaults(drop=True))
    link = live_shop.open(account)
    live_shop.pay(link)
    assert live_shop.stripe.drain()
    assert ProviderEvent.objects.count() == 0
    assert_nothing_credited(account)
    due = live_shop.attempt(link).check_at
    assert due is not None
    assert reconcile_attempts(now=due) == 1
    assert_credited_once(link, account)
    with nothing_moves():
        assert reconcile_attempts(now=due + FIRST_CHECK) == 0


def test_when_every_webhook_is_lost_the_providers_list_credits_once(live_shop: Shop, account: Account) -> None:
    read_feed(provider=Provider.STRIPE, now=clock.now())
    live_shop.stripe.advance(-SOME_SECONDS)
    live_shop.stripe.webhook_faults(WebhookFaults(drop=True))
    link = live_shop.open(account)
    live_shop.pay(link)
    assert read_feed(provider=Provider.STRIPE, now=clock.now()) >= len(MONEY_EVENTS)
    assert set(ProviderEvent.objects.values_list("source", "status")) == {("list", EventStatus.DONE)}
    assert_credited_once(link, account)
    assert read_feed(provider=Provider.STRIPE, now=clock.now()) == 0
    assert_credited_once(link, account)


def test_webhooks_that_come_after_the_poll_credit_nothing_more(live_shop: Shop, account: Account) -> None:
    live_shop.stripe.hold()
    link = live_shop.open(account)
    live_shop.pay(link)
    reconcile_attempts(now=clock.now() + timedelta(minutes=10))
    assert_credited_once(link, account)
    books = ledger_now()
    answers = live_shop.stripe.release()
    assert {each.status for each in answers} == {200}
    assert outcomes() == []
    assert ledger_now() == books
    assert_credited_once(link, account)


def test_a_forged_webhook_beside_each_true_one_is_refused_and_changes_nothing(live_shop: Shop, account: Account) -> None:
    live_shop.stripe.webhook_faults(WebhookFaults(forge=True))
    link = live_shop.open(account)
    live_shop.pay(link)
    assert live_shop.stripe.drain()
    forged, true = statuses(live_shop, "forged"), statuses(live_shop, "delivery")
    assert (set(forged), set(true)) == ({400}, {200})
    assert len(forged) == len(true) == ProviderEvent.objects.count()
    assert_credited_once(link, account)


def test_a_replay_after_a_month_is_a_duplicate(live_shop: Shop, account: Account) -> None:
    link = live_shop.open(account)
    live_shop.pay(link)
    assert live_shop.stripe.drain()
    live_shop.stripe.advance(MONTH)
    assert live_shop.stripe.drain()
    with nothing_moves():
        for event in live_shop.stripe.events(*MONEY_EVENTS):
            live_shop.stripe.resend(event["id"])
        assert live_shop.stripe.drain()
    assert statuses(live_shop, "resent") == [200] * len(MONEY_EVENTS)
    assert_credited_once(link, account)


def test_a_provider_that_is_down_when_its_webhooks_arrive_is_asked_again(live_shop: Shop, settings: Settings, account: Account) -> None:
    link = live_shop.open(account)
    assert live_shop.stripe.drain()
    live_shop.stripe.webhook_faults(WebhookFaults(drop_types=("charge.*", "checkout.*")))
    up, settings.STRIPE_API_HOST = settings.STRIPE_API_HOST, NOTHING_LISTENS
    live_shop.pay(link)
    assert live_shop.stripe.drain()
    event = ProviderEvent.objects.get(type="payment_intent.succeeded")
    assert (event.status, event.tries, event.last_error.partition(":")[0]) == (EventStatus.WAITING, 1, "provider_unavailable")
    assert statuses(live_shop, "delivery")[-1] == 200
    assert_nothing_credited(account)

    settings.STRIPE_API_HOST = up
    assert process_event(event_pk=event.pk, now=event.next_try_at - timedelta(microseconds=1)) is None
    assert process_event(event_pk=event.pk, now=event.next_try_at) == Outcome.SETTLED
    assert_credited_once(link, account)


@pytest.mark.parametrize("fault", [{"hang_up": True}, {"status": 500}, {"status": 429}, {"status": 404}])
def test_a_provider_that_fails_when_asked_is_asked_again(shop: Shop, account: Account, fault: dict[str, object]) -> None:
    link = shop.open(account)
    shop.pay(link)
    shop.stripe.api_fault(ApiFault(path="/v1/payment_intents/*", times=2, **fault))  # type: ignore[arg-type]
    assert shop.hear(shop.event("payment_intent.succeeded")) is None
    event = ProviderEvent.objects.get()
    assert event.status == EventStatus.WAITING
    assert_nothing_credited(account)
    shop.stripe.clear_faults()
    assert process_event(event_pk=event.pk, now=event.next_try_at) == Outcome.SETTLED
    assert_credited_once(link, account)


def test_the_poll_the_list_and_the_webhooks_at_once_credit_once(live_shop: Shop, account: Account) -> None:
    read_feed(provider=Provider.STRIPE, now=clock.now())
    live_shop.stripe.advance(-SOME_SECONDS)
    live_shop.stripe.hold()
    links = [live_shop.open(account) for _ in range(3)]
    for link in links:
        live_shop.pay(link)
    later = clock.now() + timedelta(minutes=10)
    heard = at_once(
        lambda: len(live_shop.stripe.release()),
        lambda: reconcile_attempts(now=later),
        lambda: read_feed(provider=Provider.STRIPE, now=clock.now()),
        lambda: reconcile_attempts(now=later),
        lambda: read_feed(provider=Provider.STRIPE, now=clock.now()),
    )
    assert failures(heard) == []
    assert {live_shop.order(link).status for link in links} == {OrderStatus.PAID}
    assert factories.balance_of(account) == len(links) * PRICE_NANOS
    assert PaymentReview.objects.count() == 0
    assert factories.disagreements() == []
