"""Cancelling: first nobody can pay any more, then the order is cancelled. Whoever was faster with the money has bought."""

from datetime import timedelta
from typing import Final

import pytest
from pytest_django import Settings

from accounts.models import Account
from core import clock
from core.models import AuditRecord
from payments.errors import OrderNotFound, OrderNotPending, PaymentUnderWay, ProviderFailed, ProviderUnavailable
from payments.models import Order, Outcome, PaymentReview
from payments.services.cancelling import cancel_order, cancel_order_as_operator
from payments.services.checkout import CheckoutLink
from payments.services.ordering import lease_time
from payments.transitions import AttemptStatus, OrderStatus
from sandbox import ApiFault
from tests import factories
from tests.actors import Person
from tests.conftest import Api
from tests.payments.api.purchases import nothing_moves
from tests.payments.world import Shop, assert_credited_once, assert_nothing_credited, ledger_now

pytestmark = pytest.mark.django_db

NOTHING_LISTENS: Final = "http://127.0.0.1:9"
OPERATOR: Final = 1


@pytest.fixture
def account(db: None) -> Account:
    return factories.make_account()


@pytest.fixture
def link(shop: Shop, account: Account) -> CheckoutLink:
    return shop.open(account)


def cancel(account: Account, link: CheckoutLink) -> Order:
    return cancel_order(account_id=account.pk, order_id=link.order_id, now=clock.now())


def test_a_cancelled_order_cannot_be_paid_any_more(shop: Shop, account: Account, link: CheckoutLink) -> None:
    books = ledger_now()
    order = cancel(account, link)
    assert (order.status, order.closed_at is None, order.paid_at) == (OrderStatus.CANCELLED, False, None)
    assert (shop.attempt(link).status, shop.session(link)["status"]) == (AttemptStatus.EXPIRED, "expired")
    assert "expired" in shop.pay(link)
    assert shop.hear(shop.event("checkout.session.expired")) == Outcome.NOTHING
    assert ledger_now() == books
    assert_nothing_credited(account)


def test_every_page_of_a_cancelled_order_is_closed(shop: Shop, account: Account, link: CheckoutLink) -> None:
    other = shop.second_page(link)
    assert cancel(account, link).status == OrderStatus.CANCELLED
    assert {shop.session(page)["status"] for page in (link, other)} == {"expired"}
    assert {shop.attempt(page).status for page in (link, other)} == {AttemptStatus.EXPIRED}


def test_an_order_that_was_paid_and_nobody_told_us_is_paid_and_not_cancelled(shop: Shop, account: Account, link: CheckoutLink) -> None:
    shop.pay(link)
    with pytest.raises(OrderNotPending) as refused:
        cancel(account, link)
    assert refused.value.facts == {"order_status": "paid"}
    assert_credited_once(link, account)


def test_one_of_two_pages_was_paid_so_the_order_is(shop: Shop, account: Account, link: CheckoutLink) -> None:
    other = shop.second_page(link)
    shop.pay(other)
    with pytest.raises(OrderNotPending):
        cancel(account, link)
    assert shop.session(link)["status"] == "expired"
    assert_credited_once(link, account)


def test_an_order_that_is_paid_is_not_cancelled(shop: Shop, account: Account, link: CheckoutLink) -> None:
    shop.pay(link)
    shop.hear(shop.event("checkout.session.completed"))
    with nothing_moves(), pytest.raises(OrderNotPending):
        cancel(account, link)


def test_an_order_under_review_is_not_cancelled_by_the_customer(shop: Shop, account: Account, link: CheckoutLink) -> None:
    shop.stripe.tamper(link.session_id, amount_total=1)
    shop.pay(link)
    with pytest.raises(OrderNotPending) as refused:
        cancel(account, link)
    assert refused.value.facts == {"order_status": "in_review"}
    assert PaymentReview.objects.get().reason == "wrong_amount"
    assert_nothing_credited(account)


def test_an_order_is_cancelled_once(shop: Shop, account: Account, link: CheckoutLink) -> None:
    cancel(account, link)
    with nothing_moves(), pytest.raises(OrderNotPending):
        cancel(account, link)


def test_somebody_elses_order_is_not_there(shop: Shop, link: CheckoutLink) -> None:
    with nothing_moves(), pytest.raises(OrderNotFound):
        cancel(factories.make_account(), link)
    assert shop.session(link)["status"] == "open"


@pytest.mark.parametrize("fault", ["down", "failing"])
def test_while_the_provider_does_not_answer_nothing_is_cancelled(
    settings: Settings, shop: Shop, account: Account, link: CheckoutLink, fault: str
) -> None:
    up = settings.STRIPE_API_HOST
    if fault == "down":
        settings.STRIPE_API_HOST = NOTHING_LISTENS
    else:
        shop.stripe.api_fault(ApiFault(status=500))
    with nothing_moves(), pytest.raises((ProviderUnavailable, ProviderFailed)):
        cancel(account, link)
    settings.STRIPE_API_HOST = up
    shop.stripe.clear_faults()
    shop.pay(link)
    shop.hear(shop.event("checkout.session.completed"))
    assert_credited_once(link, account)


def test_over_http_a_provider_that_is_down_is_a_503_and_nothing_moves(settings: Settings, shop: Shop, api: Api, alice: Person) -> None:
    link = shop.open(alice.account)
    settings.STRIPE_API_HOST = NOTHING_LISTENS
    with nothing_moves():
        answer = api.post(f"/v1/orders/{link.order_id}/cancel", by=alice)
    assert (answer.status_code, answer.json()["code"]) == (503, "provider_unavailable")
    assert shop.session(link)["status"] == "open"


def test_a_page_that_was_closed_without_an_answer_is_closed_by_the_next_try(shop: Shop, account: Account, link: CheckoutLink) -> None:
    shop.stripe.api_fault(ApiFault(path="/v1/checkout/sessions/*/expire", times=2, hang_up=True))
    with nothing_moves(), pytest.raises(ProviderUnavailable):
        cancel(account, link)
    assert shop.session(link)["status"] == "expired"
    assert cancel(account, link).status == OrderStatus.CANCELLED
    assert_nothing_credited(account)


def test_an_order_whose_page_the_provider_does_not_know_any_more_is_cancelled(shop: Shop, account: Account, link: CheckoutLink) -> None:
    shop.stripe.tamper(link.session_id, object="nothing")
    assert cancel(account, link).status == OrderStatus.CANCELLED
    assert shop.attempt(link).status == AttemptStatus.EXPIRED
    shop.stripe.tamper(link.session_id, object="checkout.session")
    shop.pay(link)
    assert shop.hear(shop.event("checkout.session.completed")) == Outcome.REVIEW
    assert PaymentReview.objects.get().reason == "paid_after_close"
    assert_nothing_credited(account)


def test_an_order_whose_money_is_on_its_way_is_not_cancelled(shop: Shop, account: Account, link: CheckoutLink) -> None:
    shop.debit(link)
    with pytest.raises(PaymentUnderWay):
        cancel(account, link)
    assert (shop.order(link).status, shop.attempt(link).status) == (OrderStatus.PENDING, AttemptStatus.PROCESSING)
    with nothing_moves(), pytest.raises(PaymentUnderWay):
        cancel(account, link)
    shop.stripe.end_debit(link.session_id, settled=True)
    with pytest.raises(OrderNotPending):
        cancel(account, link)
    assert_credited_once(link, account)


def test_an_order_whose_page_is_being_opened_is_not_cancelled_before_the_page_can_be_closed(shop: Shop, account: Account) -> None:
    now = clock.now()
    shop.stripe.api_fault(ApiFault(path="/v1/checkout/sessions", times=2, hang_up=True))
    with pytest.raises(ProviderUnavailable):
        shop.open(account, now=now)
    (session,) = shop.stripe.world.store.newest("checkout.session", limit=9)
    link = CheckoutLink(Order.objects.get().public_id, session.body["url"], session.id)
    with nothing_moves(), pytest.raises(PaymentUnderWay):
        cancel_order(account_id=account.pk, order_id=link.order_id, now=now + lease_time() - timedelta(microseconds=1))
    order = cancel_order(account_id=account.pk, order_id=link.order_id, now=now + lease_time())
    assert (order.status, shop.session(link)["status"]) == (OrderStatus.CANCELLED, "expired")
    assert "expired" in shop.pay(link)


def test_an_order_that_never_had_a_page_is_cancelled(settings: Settings, shop: Shop, account: Account) -> None:
    now = clock.now()
    shop.stripe.api_fault(ApiFault(path="/v1/checkout/sessions", times=2, status=500))
    with pytest.raises(ProviderFailed):
        shop.open(account, now=now)
    order = cancel_order(account_id=account.pk, order_id=Order.objects.get().public_id, now=now)
    assert order.status == OrderStatus.CANCELLED
    assert shop.stripe.world.store.newest("checkout.session", limit=9) == []


def test_an_operator_cancels_with_a_reason_that_is_kept(shop: Shop, account: Account, link: CheckoutLink) -> None:
    pk = shop.order(link).pk
    order = cancel_order_as_operator(order_pk=pk, actor_id=OPERATOR, reason="The customer called.", now=clock.now())
    assert order.status == OrderStatus.CANCELLED
    act = AuditRecord.objects.get(act="cancel_order")
    assert (act.actor_id, act.account_id, act.object_id, act.reason) == (OPERATOR, account.pk, link.order_id, "The customer called.")
    assert (act.before, act.after) == ({"status": "pending"}, {"status": "cancelled"})
    with nothing_moves(), pytest.raises(OrderNotPending):
        cancel_order_as_operator(order_pk=pk, actor_id=OPERATOR, reason="Again.", now=clock.now())
    assert AuditRecord.objects.filter(act="cancel_order").count() == 1
    with nothing_moves(), pytest.raises(OrderNotFound):
        cancel_order_as_operator(order_pk=0, actor_id=OPERATOR, reason="None.", now=clock.now())
