"""What nobody told us is asked for; an order ends only once the provider says that nobody can pay it any more."""

from datetime import datetime, timedelta
from typing import Any, Final

import pytest
from pytest_django import Settings

from accounts.models import Account
from core import clock
from payments.errors import ProviderUnavailable
from payments.models import Order, Outcome, PaymentReview, Provider, ProviderEvent, ProviderFeed
from payments.services.checkout import CheckoutLink
from payments.services.inbox import process_event
from payments.services.ordering import lease_time
from payments.services.reconciler import (
    FEED_KEPT,
    FEED_OVERLAP,
    FIRST_CHECK,
    close_orders,
    read_feed,
    reconcile_attempt,
    reconcile_attempts,
    retire_attempt,
)
from payments.transitions import AttemptStatus, OrderStatus
from sandbox import ApiFault
from tests import factories
from tests.payments.api.purchases import nothing_moves
from tests.payments.world import MONEY_EVENTS, Json, Shop, assert_credited_once, assert_nothing_credited

pytestmark = pytest.mark.django_db

NOTHING_LISTENS: Final = "http://127.0.0.1:9"
INSTANT: Final = timedelta(microseconds=1)
MINUTE: Final = timedelta(minutes=1)


@pytest.fixture
def account(db: None) -> Account:
    return factories.make_account()


@pytest.fixture
def link(shop: Shop, account: Account) -> CheckoutLink:
    return shop.open(account)


def due(shop: Shop, link: CheckoutLink) -> datetime:
    at = shop.attempt(link).check_at
    assert at is not None
    return at


def end_of(shop: Shop, link: CheckoutLink) -> datetime:
    return shop.order(link).expires_at


def go_to_the_end(shop: Shop, link: CheckoutLink) -> None:
    """The provider's clock is past the order's end: it has closed the page."""
    shop.stripe.set_time(int(end_of(shop, link).timestamp()) + 1)


def test_an_attempt_is_asked_after_when_it_is_due_and_not_before(shop: Shop, account: Account, link: CheckoutLink) -> None:
    shop.pay(link)
    now = due(shop, link)
    with nothing_moves():
        assert reconcile_attempts(now=now - INSTANT) == 0
    assert reconcile_attempts(now=now) == 1
    assert_credited_once(link, account)
    assert due_is_over(shop, link)


def due_is_over(shop: Shop, link: CheckoutLink) -> bool:
    return shop.attempt(link).check_at is None


def test_an_attempt_that_nobody_pays_is_asked_after_less_and_less_often_and_last_right_after_its_end(
    shop: Shop, account: Account, link: CheckoutLink
) -> None:
    now, gaps = due(shop, link), []
    while now <= end_of(shop, link):
        assert reconcile_attempts(now=now) == 1
        gaps.append(due(shop, link) - now)
        now = due(shop, link)
    assert gaps[0] == FIRST_CHECK
    assert gaps[:-1] == sorted(gaps[:-1])
    assert max(gaps) <= timedelta(hours=6)
    assert now == end_of(shop, link) + MINUTE
    assert len(gaps) < 15
    assert shop.attempt(link).status == AttemptStatus.OPEN

    go_to_the_end(shop, link)
    assert reconcile_attempts(now=now) == 1
    assert (shop.order(link).status, shop.attempt(link).status) == (OrderStatus.EXPIRED, AttemptStatus.EXPIRED)
    assert_nothing_credited(account)


def test_an_order_past_its_end_waits_until_the_provider_has_closed_its_page(shop: Shop, account: Account, link: CheckoutLink) -> None:
    later = end_of(shop, link) + MINUTE
    assert close_orders(now=later) == 0
    reconcile_attempts(now=later)
    assert shop.order(link).status == OrderStatus.PENDING

    go_to_the_end(shop, link)
    reconcile_attempts(now=later + timedelta(days=1))
    order = shop.order(link)
    assert (order.status, order.closed_at, order.paid_at) == (OrderStatus.EXPIRED, later + timedelta(days=1), None)
    assert_nothing_credited(account)


def test_an_order_whose_page_the_provider_closed_early_ends_at_its_own_end(shop: Shop, account: Account, link: CheckoutLink) -> None:
    go_to_the_end(shop, link)
    assert shop.hear(shop.event("checkout.session.expired")) == Outcome.NOTED
    assert (shop.order(link).status, shop.attempt(link).status) == (OrderStatus.PENDING, AttemptStatus.EXPIRED)
    end = end_of(shop, link)
    assert close_orders(now=end - INSTANT) == 0
    assert close_orders(now=end) == 1
    assert close_orders(now=end) == 0
    assert shop.order(link).status == OrderStatus.EXPIRED
    assert_nothing_credited(account)


def test_a_payment_in_the_last_second_is_credited_although_it_is_heard_of_after_the_end(
    shop: Shop, account: Account, link: CheckoutLink
) -> None:
    shop.stripe.set_time(int(end_of(shop, link).timestamp()) - 1)
    shop.pay(link)
    go_to_the_end(shop, link)
    later = end_of(shop, link) + timedelta(days=2)
    assert close_orders(now=later) == 0
    assert reconcile_attempts(now=later) == 1
    assert shop.order(link).paid_at == later
    assert_credited_once(link, account)


def test_an_order_that_is_paid_by_a_debit_waits_for_it_past_its_end(shop: Shop, account: Account, link: CheckoutLink) -> None:
    shop.debit(link)
    later = end_of(shop, link) + timedelta(days=3)
    reconcile_attempts(now=later)
    assert (shop.order(link).status, shop.attempt(link).status) == (OrderStatus.PENDING, AttemptStatus.PROCESSING)
    shop.stripe.end_debit(link.session_id, settled=True)
    reconcile_attempts(now=due(shop, link))
    assert_credited_once(link, account)


def test_a_debit_that_comes_back_after_the_orders_end_ends_it(shop: Shop, account: Account, link: CheckoutLink) -> None:
    shop.debit(link)
    later = end_of(shop, link) + timedelta(days=3)
    reconcile_attempts(now=later)
    shop.stripe.end_debit(link.session_id, settled=False)
    reconcile_attempts(now=due(shop, link))
    order = shop.order(link)
    assert (order.status, order.failure_reason) == (OrderStatus.EXPIRED, "The bank debit was returned.")
    assert_nothing_credited(account)


def test_an_attempt_whose_page_we_never_heard_of_is_asked_for_and_paid(shop: Shop, account: Account) -> None:
    shop.stripe.api_fault(ApiFault(path="/v1/checkout/sessions", times=2, hang_up=True))
    with pytest.raises(ProviderUnavailable):
        shop.open(account)
    (session,) = shop.stripe.world.store.newest("checkout.session", limit=9)
    link = CheckoutLink(session.body["metadata"]["order_id"], session.body["url"], "")
    assert (shop.attempt(link).status, shop.attempt(link).session_id) == (AttemptStatus.OPENING, None)
    assert due(shop, link) == shop.attempt(link).created_at + 2 * lease_time()
    shop.pay(link)
    assert reconcile_attempts(now=due(shop, link)) == 1
    attempt = shop.attempt(link)
    assert (attempt.session_id, attempt.status) == (session.id, AttemptStatus.SETTLED)
    assert_credited_once(link, account)


def test_while_the_provider_is_down_nothing_is_decided_and_it_is_asked_again_soon(
    settings: Settings, shop: Shop, account: Account, link: CheckoutLink
) -> None:
    others = [shop.open(account) for _ in range(3)]
    shop.pay(link)
    later = end_of(shop, link) + timedelta(days=1)
    up, settings.STRIPE_API_HOST = settings.STRIPE_API_HOST, NOTHING_LISTENS
    assert reconcile_attempts(now=later) == 0
    assert [shop.attempt(each).checks for each in [link, *others]] == [0, 0, 0, 0]
    assert {shop.order(each).status for each in [link, *others]} == {OrderStatus.PENDING}
    assert_nothing_credited(account)

    settings.STRIPE_API_HOST = up
    reconcile_attempts(now=later + timedelta(days=1))
    assert_credited_once(link, account)


def test_one_attempt_that_cannot_be_checked_does_not_stop_the_others(shop: Shop, account: Account, link: CheckoutLink) -> None:
    other = shop.open(account)
    shop.pay(other)
    shop.stripe.api_fault(ApiFault(path=f"/v1/checkout/sessions/{link.session_id}", status=404))
    assert reconcile_attempts(now=due(shop, other)) == 2
    assert shop.order(link).status == OrderStatus.PENDING
    assert_credited_once(other, account)


def test_one_answer_that_cannot_be_read_does_not_stop_the_others(shop: Shop, account: Account, link: CheckoutLink) -> None:
    other = shop.open(account)
    shop.pay(other)
    shop.stripe.tamper(link.session_id, metadata="no metadata")
    reconcile_attempts(now=due(shop, other))
    assert shop.order(link).status == OrderStatus.PENDING
    assert_credited_once(other, account)


def test_a_check_that_somebody_else_has_begun_is_not_made_twice(shop: Shop, link: CheckoutLink) -> None:
    now = due(shop, link)
    attempt_id = shop.attempt(link).pk
    reconcile_attempt(attempt_id=attempt_id, now=now)
    asked = len(shop.stripe.exchanges)
    with nothing_moves():
        assert reconcile_attempt(attempt_id=attempt_id, now=now) is None
    assert len(shop.stripe.exchanges) == asked


def test_a_page_that_is_to_be_closed_and_whose_provider_is_down_stays_to_be_asked_after(
    settings: Settings, shop: Shop, account: Account, link: CheckoutLink
) -> None:
    attempt_id = shop.attempt(link).pk
    Order.objects.update(status=OrderStatus.IN_REVIEW)  # As other money for it leaves it.
    up, settings.STRIPE_API_HOST = settings.STRIPE_API_HOST, NOTHING_LISTENS
    with nothing_moves(), pytest.raises(ProviderUnavailable):
        retire_attempt(attempt_id=attempt_id, now=clock.now())
    settings.STRIPE_API_HOST = up
    retire_attempt(attempt_id=attempt_id, now=clock.now())
    assert (shop.attempt(link).status, shop.session(link)["status"]) == (AttemptStatus.EXPIRED, "expired")
    with nothing_moves():
        retire_attempt(attempt_id=attempt_id, now=clock.now())


def test_the_providers_list_is_read_from_where_the_last_reading_ended(shop: Shop, account: Account, link: CheckoutLink) -> None:
    now = clock.now()
    assert read_feed(provider=Provider.STRIPE, now=now - timedelta(hours=20)) == 0
    shop.pay(link)
    listed = len(slices_read(shop))
    found = read_feed(provider=Provider.STRIPE, now=now + MINUTE)
    assert found >= len(MONEY_EVENTS)
    readings = slices_read(shop)[listed:]
    assert len(readings) == 4
    assert int(readings[0]["gte"]) == int((now - timedelta(hours=20) - FEED_OVERLAP).timestamp())
    assert [each["gte"] for each in readings[1:]] == [each["lt"] for each in readings[:-1]]
    assert ProviderFeed.objects.get().read_until == now + MINUTE
    work_through(now + MINUTE)
    assert_credited_once(link, account)
    assert read_feed(provider=Provider.STRIPE, now=now + 2 * MINUTE) == 0


def slices_read(shop: Shop) -> list[Json]:
    """From when to when the provider's list was asked for, each time."""
    asked: list[Any] = [each.parameters["created"] for each in shop.stripe.exchanges if each.path == "/v1/events"]
    return asked


def work_through(now: datetime) -> None:
    for event_pk in ProviderEvent.objects.values_list("pk", flat=True):
        process_event(event_pk=event_pk, now=now)


def test_a_reading_that_breaks_off_goes_on_where_it_was(shop: Shop, link: CheckoutLink, settings: Settings) -> None:
    now = clock.now()
    read_feed(provider=Provider.STRIPE, now=now - timedelta(hours=20))
    shop.pay(link)
    up, settings.STRIPE_API_HOST = settings.STRIPE_API_HOST, NOTHING_LISTENS
    with nothing_moves(), pytest.raises(ProviderUnavailable):
        read_feed(provider=Provider.STRIPE, now=now + MINUTE)
    assert ProviderFeed.objects.get().read_until == now - timedelta(hours=20)
    settings.STRIPE_API_HOST = up
    assert read_feed(provider=Provider.STRIPE, now=now + MINUTE) >= len(MONEY_EVENTS)


def test_after_a_long_rest_the_list_is_read_as_far_back_as_the_provider_keeps_it(shop: Shop) -> None:
    now = clock.now()
    ProviderFeed.objects.create(provider=Provider.STRIPE, read_until=now - timedelta(days=400))
    read_feed(provider=Provider.STRIPE, now=now)
    assert int(slices_read(shop)[0]["gte"]) == int((now - FEED_KEPT).timestamp())
    assert ProviderFeed.objects.get().read_until == now


def test_reviews_are_never_made_by_asking_again(shop: Shop, account: Account, link: CheckoutLink) -> None:
    shop.pay(link)
    now = due(shop, link)
    for hours in range(5):
        reconcile_attempts(now=now + timedelta(hours=hours))
    assert PaymentReview.objects.count() == 0
    assert_credited_once(link, account)
