"""Several act on one order at the same instant: real threads, one credit."""

from collections.abc import Callable

import pytest

from accounts.models import Account
from core import clock
from credits.models import LedgerEntry
from payments.errors import OrderNotPending, PaymentUnderWay
from payments.gateways.registry import gateway_of
from payments.models import Order, Outcome, PaymentAttempt, PaymentReview, Provider
from payments.services.cancelling import cancel_order
from payments.services.checkout import CheckoutLink, reopen_order
from payments.services.customers import ensure_customer
from payments.services.reconciler import close_orders, reconcile_attempts, retire_attempt
from payments.services.settlement import apply_snapshot
from payments.transitions import AttemptStatus, OrderStatus
from sandbox import ApiFault
from tests import factories
from tests.payments.orders import attempt_of, order_of, said_of
from tests.payments.world import (
    PRICE_NANOS,
    Shop,
    assert_credited_once,
    assert_nothing_credited,
    credited_nanos,
    wait_until,
)
from tests.threads import at_once, failures, successes

pytestmark = pytest.mark.django_db(transaction=True)
AT_ONCE = 8


@pytest.fixture
def account(transactional_db: None) -> Account:
    return factories.make_account()


def two_attempts(account: Account) -> list[PaymentAttempt]:
    """Two tries of one order, both still open."""
    order = order_of(account)
    return [attempt_of(order, is_open=False) for _ in range(2)]


def applying(attempt: PaymentAttempt) -> Callable[[], Outcome]:
    """One payment of the attempt, to be applied as often as this is called."""
    said = said_of(attempt)
    return lambda: apply_snapshot(attempt_id=attempt.pk, said=said, now=clock.now())


def test_one_payment_that_eight_hear_of_at_once_is_credited_once(account: Account) -> None:
    attempt, _ = two_attempts(account)
    heard = at_once(*[applying(attempt)] * AT_ONCE)
    assert sorted(str(each) for each in heard) == sorted(["settled", *["nothing"] * (AT_ONCE - 1)])
    assert credited_nanos(account) == [PRICE_NANOS]
    assert LedgerEntry.objects.filter(account=account).count() == 1
    assert factories.disagreements() == []


def test_two_payments_of_one_order_at_once_are_one_credit_and_one_review(account: Account) -> None:
    for _ in range(5):
        heard = at_once(*[applying(each) for each in two_attempts(account)] * 3)
        assert sorted(str(each) for each in heard) == ["nothing"] * 4 + ["review", "settled"]
    assert credited_nanos(account) == [PRICE_NANOS] * 5
    assert set(PaymentReview.objects.values_list("reason", flat=True)) == {"paid_twice"}
    assert Order.objects.filter(status=OrderStatus.PAID).count() == PaymentReview.objects.count() == 5
    assert set(PaymentAttempt.objects.values_list("status", flat=True)) == {AttemptStatus.SETTLED}
    assert factories.disagreements() == []


def test_many_orders_of_one_account_are_all_credited(account: Account) -> None:
    attempts = [two_attempts(account)[0] for _ in range(AT_ONCE)]
    assert failures(at_once(*[applying(each) for each in attempts])) == []
    assert credited_nanos(account) == [PRICE_NANOS] * AT_ONCE
    assert factories.balance_of(account) == AT_ONCE * PRICE_NANOS
    assert factories.disagreements() == []


def cancelling(account: Account, link: CheckoutLink) -> Callable[[], object]:
    return lambda: cancel_order(account_id=account.pk, order_id=link.order_id, now=clock.now()).status


def test_who_cancels_while_somebody_pays_either_cancels_or_has_paid(live_shop: Shop, account: Account) -> None:
    links = [live_shop.open(account) for _ in range(6)]
    for link in links:
        _, said = at_once(lambda link=link: live_shop.pay(link), cancelling(account, link))  # type: ignore[misc]  # a default binds it
        assert said == OrderStatus.CANCELLED or isinstance(said, OrderNotPending), said
    assert live_shop.stripe.drain()
    by_session = {live_shop.order(link): live_shop.session(link)["payment_status"] for link in links}
    for order, at_provider in by_session.items():
        assert (order.status, at_provider) in {(OrderStatus.PAID, "paid"), (OrderStatus.CANCELLED, "unpaid")}
    paid = sum(order.status == OrderStatus.PAID for order in by_session)
    assert credited_nanos(account) == [PRICE_NANOS] * paid
    assert PaymentReview.objects.count() == 0
    assert factories.disagreements() == []


def test_two_who_cancel_at_once_cancel_once(live_shop: Shop, account: Account) -> None:
    link = live_shop.open(account)
    said = at_once(*[cancelling(account, link)] * 3)
    assert successes(said) == [OrderStatus.CANCELLED]
    assert {type(each) for each in failures(said)} == {OrderNotPending}
    assert live_shop.stripe.drain()
    assert_nothing_credited(account)


def test_a_page_is_never_left_open_for_a_cancelled_order(live_shop: Shop, account: Account) -> None:
    for _ in range(4):
        link = live_shop.open(account)
        live_shop.debit(link)
        live_shop.stripe.end_debit(link.session_id, settled=False)
        assert live_shop.stripe.drain()
        said = at_once(
            lambda link=link: reopen_order(account_id=account.pk, order_id=link.order_id, now=clock.now()),  # type: ignore[misc]
            cancelling(account, link),
        )
        assert {type(each) for each in failures(said)} <= {OrderNotPending, PaymentUnderWay}
        order = live_shop.order(link)
        live = order.attempts.filter(status__in=[AttemptStatus.OPENING, AttemptStatus.OPEN]).count()
        assert (order.status, live) in {(OrderStatus.CANCELLED, 0), (OrderStatus.PENDING, 1)}
    assert_nothing_credited(account)


def test_a_page_that_is_opened_while_the_others_are_being_closed_keeps_the_order(shop: Shop, account: Account) -> None:
    link = shop.open(account)
    came_back = shop.second_page(link)
    shop.debit(came_back)
    shop.stripe.end_debit(came_back.session_id, settled=False)
    shop.hear(shop.event("checkout.session.async_payment_failed"))
    shop.stripe.api_fault(ApiFault(path="/v1/checkout/sessions/*/expire", times=1, delay_after=1))

    def open_another() -> object:
        wait_until(lambda: not shop.stripe.faults.shown()["api"])
        return reopen_order(account_id=account.pk, order_id=link.order_id, now=clock.now())

    refused, anew = at_once(cancelling(account, link), open_another)
    assert isinstance(refused, PaymentUnderWay)
    assert isinstance(anew, CheckoutLink)
    assert (shop.order(link).status, shop.session(anew)["status"]) == (OrderStatus.PENDING, "open")
    assert_nothing_credited(account)


def test_who_pays_at_the_very_end_has_paid_or_has_not(live_shop: Shop, account: Account) -> None:
    """The poll, the sweep of orders that are over, and the person, all at the last second."""
    links = [live_shop.open(account) for _ in range(4)]
    end = max(live_shop.order(link).expires_at for link in links)
    live_shop.stripe.set_time(int(end.timestamp()) - 1)
    for link in links:
        said = at_once(
            lambda link=link: live_shop.pay(link),  # type: ignore[misc]
            lambda: live_shop.stripe.advance(2),
            lambda: reconcile_attempts(now=end),
            lambda: close_orders(now=end),
        )
        assert failures(said) == []
        live_shop.stripe.advance(-2)
    assert live_shop.stripe.drain()
    reconcile_attempts(now=end.replace(year=end.year + 1))
    for link in links:
        expected = OrderStatus.PAID if live_shop.session(link)["payment_status"] == "paid" else OrderStatus.EXPIRED
        assert live_shop.order(link).status == expected
    assert len(credited_nanos(account)) == Order.objects.filter(status=OrderStatus.PAID).count()
    assert PaymentReview.objects.count() == 0
    assert factories.disagreements() == []


def test_the_other_page_is_closed_once_one_is_paid(live_shop: Shop, account: Account) -> None:
    link = live_shop.open(account)
    other = live_shop.second_page(link)
    live_shop.pay(other)
    assert live_shop.stripe.drain()
    assert live_shop.session(link)["status"] == "expired"
    assert live_shop.attempt(link).status == AttemptStatus.EXPIRED
    assert "expired" in live_shop.pay(link)
    assert_credited_once(link, account)


def test_the_other_page_is_closed_when_money_came_that_has_to_be_looked_at(live_shop: Shop, account: Account) -> None:
    link = live_shop.open(account)
    other = live_shop.second_page(link)
    live_shop.stripe.tamper(other.session_id, amount_total=1)
    live_shop.pay(other)
    assert live_shop.stripe.drain()
    assert (live_shop.order(link).status, live_shop.session(link)["status"]) == (OrderStatus.IN_REVIEW, "expired")
    assert_nothing_credited(account)


def test_an_attempt_that_was_paid_while_it_was_to_be_closed_is_looked_at(shop: Shop, account: Account) -> None:
    link = shop.open(account)
    other = shop.second_page(link)
    shop.pay(link)
    shop.pay(other)
    said = gateway_of(Provider.STRIPE).fetch_checkout(other.session_id)
    apply_snapshot(attempt_id=shop.attempt(other).pk, said=said, now=clock.now())
    assert shop.review(link).reason == "paid_twice"
    assert shop.review(link).attempt == shop.attempt(link)
    retire_attempt(attempt_id=shop.attempt(link).pk, now=clock.now())
    assert PaymentReview.objects.count() == 1
    assert_credited_once(link, account)


def test_two_first_checkouts_at_once_have_one_customer(live_shop: Shop, account: Account) -> None:
    said = at_once(*[lambda: ensure_customer(account_id=account.pk, provider=Provider.STRIPE, now=clock.now())] * 4)
    assert failures(said) == []
    assert len(set(said)) == 1
