"""Interleavings and answers that are rare, and that once went wrong."""

import json
from datetime import timedelta

import pytest
from django.db import transaction
from pytest_django import Settings

from accounts.models import Account
from billing_platform.checks import a_key_goes_where_it_belongs
from core import clock, idempotency
from core.idempotency import Asked, begin
from payments.contract import PaymentState
from payments.errors import OrderNotPending, ProviderFailed, ProviderUnavailable, TooManyPendingOrders
from payments.gateways.stripe_client import calling, client
from payments.models import Order, Outcome, PaymentAttempt, PaymentReview, Provider, ProviderCustomer, ProviderEvent, ProviderFeed
from payments.services import checkout
from payments.services.cancelling import cancel_order
from payments.services.inbox import TRIES_MAX, process_event
from payments.services.ordering import lease_time
from payments.services.reconciler import FIRST_CHECK, read_feed, reconcile_attempts
from payments.transitions import AttemptStatus, EventStatus, OrderStatus
from sandbox import ApiFault
from tests import factories
from tests.payments import orders
from tests.payments.world import Shop, assert_credited_once, assert_nothing_credited, post_event, provider

pytestmark = pytest.mark.django_db

SESSIONS = "/v1/checkout/sessions"
ASKED = Asked("account POST /x", "key", "f" * 64)


@pytest.fixture
def account(db: None) -> Account:
    return factories.make_account()


def lose_the_answer(shop: Shop, account: Account, asked: Asked | None = None) -> PaymentAttempt:
    """A page was opened, and we were not told."""
    shop.stripe.api_fault(ApiFault(path=SESSIONS, hang_up=True, times=2))
    with pytest.raises(ProviderUnavailable):
        shop.open(account, asked=asked)
    shop.stripe.clear_faults()
    return PaymentAttempt.objects.select_related("order").get()


def test_a_payment_that_was_under_way_for_a_moment_ends_with_its_page(shop: Shop, account: Account) -> None:
    link = shop.open(account)
    attempt = shop.attempt(link)
    orders.apply(attempt, orders.said_of(attempt, PaymentState.PROCESSING, session_id=""))
    shop.stripe.advance(24 * 3600)
    end = shop.order(link).expires_at + timedelta(minutes=2)
    reconcile_attempts(now=end)
    assert (shop.attempt(link).status, shop.order(link).status) == (AttemptStatus.EXPIRED, OrderStatus.EXPIRED)


@pytest.mark.parametrize("name", ["a\x00b", "a\ud800b"])
def test_characters_that_cannot_be_stored_do_not_keep_an_event_out(shop: Shop, account: Account, name: str) -> None:
    link = shop.open(account)
    shop.pay(link)
    event = shop.event("checkout.session.completed")
    event["data"]["object"]["customer_details"] = {"name": name}
    assert post_event(json.dumps(event).encode()).status_code == 200
    process_event(event_pk=ProviderEvent.objects.get(event_id=event["id"]).pk, now=clock.now())
    assert_credited_once(link, account)


def test_a_clock_that_was_ahead_once_does_not_make_the_feed_skip_anything(shop: Shop, account: Account) -> None:
    now = clock.now()
    read_feed(provider=Provider.STRIPE, now=now + timedelta(days=1))
    link = shop.open(account)
    shop.pay(link)
    read_feed(provider=Provider.STRIPE, now=now + timedelta(minutes=5))
    assert ProviderFeed.objects.get().read_until == now + timedelta(minutes=5)
    for event in ProviderEvent.objects.all():
        process_event(event_pk=event.pk, now=now + timedelta(minutes=6))
    assert_credited_once(link, account)


def test_an_answer_lost_while_making_the_customer_leaves_the_account_able_to_buy(shop: Shop, account: Account) -> None:
    shop.stripe.api_fault(ApiFault(path="/v1/customers", hang_up=True, times=2))
    with pytest.raises(ProviderUnavailable):
        shop.open(account)
    shop.stripe.clear_faults()
    Account.objects.filter(pk=account.pk).update(name="Renamed")
    assert shop.open(account).checkout_url


def test_a_page_that_came_after_its_attempt_was_given_up_makes_it_live_again(shop: Shop, account: Account) -> None:
    attempt = lose_the_answer(shop, account)
    opened = checkout._ask(attempt, clock.now())
    checkout._fail(attempt, ProviderFailed("An error of its own."), closes_order=False, now=clock.now())
    link = checkout._opened(attempt, opened, clock.now())
    assert shop.attempt(link).status == AttemptStatus.OPEN
    shop.pay(link)
    reconcile_attempts(now=clock.now() + timedelta(minutes=1))
    assert_credited_once(link, account)


def test_nobody_is_given_the_page_of_an_order_that_was_closed_meanwhile(shop: Shop, account: Account) -> None:
    attempt = lose_the_answer(shop, account)
    opened = checkout._ask(attempt, clock.now())
    PaymentAttempt.objects.update(status=AttemptStatus.FAILED)
    Order.objects.update(status=OrderStatus.CANCELLED, closed_at=clock.now())
    with pytest.raises(OrderNotPending):
        checkout._opened(attempt, opened, clock.now())
    reconcile_attempts(now=clock.now())
    assert shop.stripe.stored(opened.session_id)["status"] == "expired"
    assert PaymentAttempt.objects.get().status == AttemptStatus.EXPIRED


def test_every_payment_that_is_not_its_own_is_looked_at(shop: Shop, account: Account) -> None:
    link = shop.open(account)
    attempt = shop.attempt(link)
    for payment in ("pi_other_1", "pi_other_2", "pi_other_2"):
        orders.apply(attempt, orders.said_of(attempt, payment_id=payment, session_id="cs_other"))
    assert sorted(PaymentReview.objects.values_list("payment_ref", flat=True)) == ["pi_other_1", "pi_other_2"]
    assert_nothing_credited(account)


def test_money_with_our_mark_whose_attempt_is_lost_is_looked_at(shop: Shop, account: Account) -> None:
    link = shop.open(account)
    shop.pay(link)
    metadata = shop.session(link)["metadata"] | {"attempt_key": "attempt:lost"}
    shop.stripe.tamper(link.session_id, metadata=metadata)
    PaymentAttempt.objects.update(session_id=None)
    assert shop.hear(shop.event("checkout.session.completed")) == Outcome.REVIEW
    assert PaymentReview.objects.get().reason == "unknown_attempt"
    assert_nothing_credited(account)


def test_money_that_was_given_back_before_we_heard_of_it_is_not_credited(shop: Shop, account: Account) -> None:
    link = shop.open(account)
    shop.pay(link)
    intent = shop.stripe.stored(shop.session(link)["payment_intent"])
    shop.stripe.tamper(intent["latest_charge"], amount_refunded=500)
    assert shop.hear(shop.event("checkout.session.completed")) == Outcome.REVIEW
    assert shop.review(link).reason == "wrong_amount"
    assert_nothing_credited(account)


def test_a_page_whose_closing_was_lost_is_closed_at_its_next_check(shop: Shop, account: Account) -> None:
    link = shop.open(account)
    other = shop.second_page(link)
    shop.pay(link)
    shop.hear(shop.event("checkout.session.completed"))  # In this test no job runs that waits for a commit.
    reconcile_attempts(now=clock.now())
    assert (shop.session(other)["status"], shop.attempt(other).status) == ("expired", AttemptStatus.EXPIRED)
    assert_credited_once(link, account)


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_the_provider_refuses_closes_no_order(shop: Shop, account: Account, status: int) -> None:
    lose_the_answer(shop, account, ASKED)
    shop.stripe.api_fault(ApiFault(path=SESSIONS, status=status))
    reconcile_attempts(now=clock.now() + timedelta(minutes=4))
    shop.stripe.clear_faults()
    assert Order.objects.get().status == OrderStatus.PENDING
    assert shop.open(account, asked=ASKED).checkout_url


def test_a_refusal_that_closes_nothing_keeps_the_key(shop: Shop, account: Account) -> None:
    attempt = lose_the_answer(shop, account, ASKED)
    with transaction.atomic():
        begun = begin(ASKED, now=clock.now(), lease_for=lease_time())
    link = checkout._opened(attempt, checkout._ask(attempt, clock.now()), clock.now())
    assert not checkout._fail(attempt, ProviderFailed("Refused."), closes_order=True, now=clock.now())
    idempotency.release(begun)
    assert shop.open(account, asked=ASKED) == link
    assert Order.objects.count() == 1


def test_an_event_that_ends_every_worker_is_given_up(shop: Shop, account: Account) -> None:
    event = orders.received(now=clock.now())
    ProviderEvent.objects.filter(pk=event.pk).update(
        status=EventStatus.CLAIMED, tries=TRIES_MAX, lease="dead", lease_until=clock.now() - timedelta(seconds=1)
    )
    assert process_event(event_pk=event.pk, now=clock.now()) is None
    assert ProviderEvent.objects.get(pk=event.pk).status == EventStatus.FAILED


def test_an_outage_does_not_put_the_next_check_off_for_hours(shop: Shop, account: Account) -> None:
    link = shop.open(account)
    shop.stripe.api_fault(ApiFault(path=f"{SESSIONS}/{link.session_id}", status=429))
    now = clock.now()
    for _ in range(5):
        now = shop.attempt(link).check_at or now
        assert reconcile_attempts(now=now) == 0
    assert (shop.attempt(link).checks, shop.attempt(link).check_at) == (0, now + FIRST_CHECK)


def test_a_first_answer_is_given_again_after_the_rules_of_buying_changed(shop: Shop, account: Account, settings: Settings) -> None:
    first = shop.open(account, asked=ASKED)
    settings.PURCHASE_MIN_USD = "50.00"
    assert idempotency.find_answer(ASKED, now=clock.now()) == {
        "order_id": first.order_id,
        "checkout_url": first.checkout_url,
        "session_id": first.session_id,
    }


def test_a_customer_deleted_at_the_provider_can_buy_again(shop: Shop, account: Account) -> None:
    shop.open(account)
    known = ProviderCustomer.objects.get().customer_id
    provider().v1.customers.delete(known)
    with pytest.raises(ProviderFailed):
        shop.open(account, asked=ASKED)
    assert shop.open(account, asked=ASKED).checkout_url
    assert ProviderCustomer.objects.get().customer_id != known
    assert Order.objects.count() == 2


def test_an_order_whose_page_is_gone_at_the_provider_ends_in_time(shop: Shop, account: Account) -> None:
    link = shop.open(account)
    PaymentAttempt.objects.update(session_id="cs_test_of_another_account")
    reconcile_attempts(now=clock.now() + timedelta(hours=1))
    assert Order.objects.get().status == OrderStatus.PENDING
    reconcile_attempts(now=shop.order(link).expires_at + timedelta(hours=6))
    assert Order.objects.get().status == OrderStatus.EXPIRED


def test_an_account_has_only_so_many_unpaid_orders(shop: Shop, account: Account, settings: Settings) -> None:
    settings.PENDING_ORDERS_MAX = 2
    shop.open(account)
    first = shop.open(account)
    with pytest.raises(TooManyPendingOrders):
        shop.open(account)
    cancel_order(account_id=account.pk, order_id=first.order_id, now=clock.now())
    assert shop.open(account).checkout_url


@pytest.mark.parametrize(
    ("live", "key", "host"),
    [
        (True, "sk_live_" + "k" * 24, "http://127.0.0.1:9"),
        (True, "sk_test_" + "k" * 24, ""),
        (False, "sk_live_" + "k" * 24, ""),
        (False, "pk_test_" + "k" * 24, ""),
        (False, "sk_test_" + "k" * 24, "http://elsewhere.example.com"),
    ],
)
def test_a_key_goes_where_it_belongs_and_nowhere_else(live: bool, key: str, host: str, settings: Settings) -> None:  # noqa: FBT001
    settings.STRIPE_LIVE_MODE, settings.STRIPE_API_HOST = live, host
    settings.STRIPE_LIVE_SECRET_KEY = settings.STRIPE_TEST_SECRET_KEY = key
    with pytest.raises(ProviderUnavailable, match="not set up rightly"):
        client()
    assert [each.id for each in a_key_goes_where_it_belongs()] == ["billing.E007"]


def test_whoever_finds_the_provider_busy_does_not_wait(shop: Shop, account: Account, settings: Settings) -> None:
    settings.PROVIDER_CALLS_AT_ONCE = 1
    with calling(), pytest.raises(ProviderUnavailable, match="slow"):
        shop.open(account)
    assert shop.open(account).checkout_url
