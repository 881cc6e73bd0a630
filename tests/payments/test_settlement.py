"""Money that came is credited once, or looked at by a person: never both, never neither."""

from collections.abc import Callable
from typing import Any, Final

import pytest
from pytest_django import Settings

from accounts.models import Account
from core import clock
from core.money import AMOUNT_MAX_NANOS
from credits.models import Book, Category, Grant, Kind
from payments.models import Order, Outcome, PaymentReview, ProviderEvent, ReviewReason
from payments.services.cancelling import cancel_order
from payments.services.checkout import CheckoutLink, reopen_order
from payments.transitions import AttemptStatus, OrderStatus
from tests import factories
from tests.payments.world import (
    PRICE_MINOR,
    PRICE_NANOS,
    Shop,
    alert_of,
    assert_credited_once,
    assert_nothing_credited,
    credited_nanos,
    ledger_now,
    provider,
)

pytestmark = pytest.mark.django_db

DECLINED: Final = "Your card was declined."


@pytest.fixture
def account(db: None) -> Account:
    return factories.make_account()


@pytest.fixture
def link(shop: Shop, account: Account) -> CheckoutLink:
    return shop.open(account)


def pay_and_hear(shop: Shop, link: CheckoutLink, event_type: str = "checkout.session.completed") -> Outcome | None:
    shop.pay(link)
    return shop.hear(shop.event(event_type))


def assert_under_review(shop: Shop, link: CheckoutLink, reason: ReviewReason) -> PaymentReview:
    review = shop.review(link)
    assert (review.reason, review.resolved_at) == (reason, None)
    assert review.found["owed"]["amount_minor"] == PRICE_MINOR
    return review


@pytest.mark.parametrize("event_type", ["checkout.session.completed", "payment_intent.succeeded"])
def test_a_payment_is_credited_to_the_nano(shop: Shop, account: Account, link: CheckoutLink, event_type: str) -> None:
    assert pay_and_hear(shop, link, event_type) == Outcome.SETTLED
    assert_credited_once(link, account)
    order, attempt, grant = shop.order(link), shop.attempt(link), Grant.objects.get(account=account)
    assert (order.paid_attempt_id, order.paid_at, order.closed_at) == (attempt.pk, attempt.ended_at, None)
    assert (attempt.status, attempt.settled_minor, attempt.settled_currency) == (AttemptStatus.SETTLED, PRICE_MINOR, "USD")
    assert attempt.payment_id == shop.session(link)["payment_intent"]
    assert (grant.kind, grant.category, grant.book) == (Kind.PURCHASE, Category.PAID, Book.CLEARING_STRIPE)
    assert (grant.source_type, grant.source_id, grant.source_key) == ("order", link.order_id, f"order:{link.order_id}:paid")
    assert (grant.cost_basis_minor, grant.cost_basis_currency, grant.expires_at) == (PRICE_MINOR, "USD", None)


def test_a_fee_is_paid_and_not_credited(settings: Settings, shop: Shop, account: Account) -> None:
    settings.PLATFORM_FEE_BP = 550
    link = shop.open(account)
    assert pay_and_hear(shop, link) == Outcome.SETTLED
    assert (shop.attempt(link).settled_minor, Grant.objects.get(account=account).cost_basis_minor) == (2_110, PRICE_MINOR)
    assert_credited_once(link, account)


def test_another_currency_pays_the_same_credits_and_is_their_cost(settings: Settings, shop: Shop, account: Account) -> None:
    settings.PURCHASE_CURRENCIES = {"USD": "100", "JPY": "151.25"}
    link = shop.open(account, currency="JPY")
    assert pay_and_hear(shop, link) == Outcome.SETTLED
    grant = Grant.objects.get(account=account)
    assert (grant.cost_basis_minor, grant.cost_basis_currency) == (3_025, "JPY")
    assert_credited_once(link, account)


def test_a_declined_card_credits_nothing_and_says_why(shop: Shop, account: Account, link: CheckoutLink) -> None:
    books = ledger_now()
    assert DECLINED in alert_of(shop.pay(link, "declined"))
    declined = shop.event("payment_intent.payment_failed")
    assert shop.hear(declined) == Outcome.NOTED
    order = shop.order(link)
    assert (order.status, order.failure_code, order.failure_reason) == (OrderStatus.PENDING, "generic_decline", DECLINED)
    assert (shop.attempt(link).status, shop.attempt(link).failure_reason) == (AttemptStatus.OPEN, DECLINED)
    assert ledger_now() == books
    assert_nothing_credited(account)

    assert pay_and_hear(shop, link) == Outcome.SETTLED
    assert (shop.order(link).failure_code, shop.order(link).failure_reason) == ("", "")
    assert_credited_once(link, account)


def test_a_decline_that_is_heard_after_the_payment_is_not_told_any_more(shop: Shop, account: Account, link: CheckoutLink) -> None:
    shop.pay(link, "declined")
    assert pay_and_hear(shop, link) == Outcome.SETTLED
    assert shop.hear(shop.event("payment_intent.payment_failed")) == Outcome.NOTHING
    assert shop.order(link).failure_reason == ""
    assert_credited_once(link, account)


def test_what_the_provider_takes_back_after_it_was_credited_changes_nothing(shop: Shop, account: Account, link: CheckoutLink) -> None:
    assert pay_and_hear(shop, link) == Outcome.SETTLED
    unpaid = {"status": "requires_payment_method", "amount_received": 0, "last_payment_error": {"code": "x", "message": "Not paid."}}
    shop.stripe.tamper(shop.session(link)["payment_intent"], **unpaid)
    assert shop.hear(shop.event("payment_intent.succeeded")) == Outcome.NOTHING
    assert (shop.attempt(link).status, shop.attempt(link).failure_reason) == (AttemptStatus.SETTLED, "")
    assert_credited_once(link, account)


def test_a_bank_that_asks_and_is_answered_yes_pays(shop: Shop, account: Account, link: CheckoutLink) -> None:
    where = shop.pay(link, "challenged")
    assert shop.stripe.events("payment_intent.succeeded") == []
    shop.confirm(where)
    assert shop.hear(shop.event("payment_intent.succeeded")) == Outcome.SETTLED
    assert_credited_once(link, account)


def test_a_bank_that_asks_and_is_answered_no_credits_nothing_and_says_why(shop: Shop, account: Account, link: CheckoutLink) -> None:
    shop.confirm(shop.pay(link, "challenged"), "fail")
    assert shop.hear(shop.event("payment_intent.payment_failed")) == Outcome.NOTED
    order = shop.order(link)
    assert (order.status, order.failure_code) == (OrderStatus.PENDING, "payment_intent_authentication_failure")
    assert "authenticate" in order.failure_reason
    assert_nothing_credited(account)


@pytest.mark.parametrize("amount", [1_999, 2_001])
@pytest.mark.parametrize("event_type", ["checkout.session.completed", "payment_intent.succeeded"])
def test_another_amount_is_looked_at(shop: Shop, account: Account, link: CheckoutLink, amount: int, event_type: str) -> None:
    shop.stripe.tamper(link.session_id, amount_total=amount)
    assert pay_and_hear(shop, link, event_type) == Outcome.REVIEW
    assert assert_under_review(shop, link, ReviewReason.WRONG_AMOUNT).found["said"]["amount_minor"] == amount
    assert (shop.order(link).status, shop.attempt(link).settled_minor) == (OrderStatus.IN_REVIEW, amount)
    assert_nothing_credited(account)


@pytest.mark.parametrize("event_type", ["checkout.session.completed", "payment_intent.succeeded"])
def test_another_currency_is_looked_at(shop: Shop, account: Account, link: CheckoutLink, event_type: str) -> None:
    shop.stripe.tamper(link.session_id, currency="jpy")
    assert pay_and_hear(shop, link, event_type) == Outcome.REVIEW
    assert_under_review(shop, link, ReviewReason.WRONG_CURRENCY)
    assert (shop.order(link).status, shop.attempt(link).settled_currency) == (OrderStatus.IN_REVIEW, "JPY")
    assert_nothing_credited(account)


def test_part_of_the_money_is_not_the_money(shop: Shop, account: Account, link: CheckoutLink) -> None:
    shop.pay(link)
    shop.stripe.tamper(shop.session(link)["payment_intent"], amount_received=1_500)
    assert shop.hear(shop.event("checkout.session.completed")) == Outcome.REVIEW
    assert_under_review(shop, link, ReviewReason.WRONG_AMOUNT)
    assert_nothing_credited(account)


@pytest.mark.parametrize("event_type", ["checkout.session.completed", "payment_intent.succeeded"])
def test_live_money_in_a_test_deployment_is_looked_at(shop: Shop, account: Account, link: CheckoutLink, event_type: str) -> None:
    shop.pay(link)
    shop.stripe.tamper(link.session_id, livemode=True)
    shop.stripe.tamper(shop.session(link)["payment_intent"], livemode=True)
    assert shop.hear(shop.event(event_type)) == Outcome.REVIEW
    assert_under_review(shop, link, ReviewReason.WRONG_LIVEMODE)
    assert (shop.order(link).status, shop.attempt(link).status) == (OrderStatus.PENDING, AttemptStatus.OPEN)
    assert_nothing_credited(account)


def test_a_review_is_opened_once_however_often_the_money_is_heard_of(shop: Shop, account: Account, link: CheckoutLink) -> None:
    shop.stripe.tamper(link.session_id, amount_total=1)
    shop.pay(link)
    heard = [shop.hear(shop.event(each)) for each in ("payment_intent.succeeded", "checkout.session.completed", "charge.succeeded")]
    assert heard == [Outcome.REVIEW, Outcome.NOTHING, Outcome.NOTHING]
    assert PaymentReview.objects.count() == 1
    assert_nothing_credited(account)


def name_other_order(shop: Shop, link: CheckoutLink, other: CheckoutLink) -> None:
    shop.stripe.tamper(link.session_id, metadata={**shop.session(link)["metadata"], "order_id": other.order_id})


def name_other_attempt(shop: Shop, link: CheckoutLink, other: CheckoutLink) -> None:
    shop.stripe.tamper(link.session_id, metadata={**shop.session(link)["metadata"], "attempt_key": shop.attempt(other).idempotency_key})


def name_other_order_and_attempt(shop: Shop, link: CheckoutLink, other: CheckoutLink) -> None:
    shop.stripe.tamper(link.session_id, metadata=shop.session(other)["metadata"])


def name_nothing(shop: Shop, link: CheckoutLink, _: CheckoutLink) -> None:
    shop.stripe.tamper(link.session_id, metadata={})


def name_no_attempt_of_ours(shop: Shop, link: CheckoutLink, _: CheckoutLink) -> None:
    shop.stripe.tamper(link.session_id, metadata={"order_id": link.order_id, "attempt_key": "attempt:none"})


@pytest.mark.parametrize(
    "change", [name_other_order, name_other_attempt, name_other_order_and_attempt, name_nothing, name_no_attempt_of_ours]
)
def test_a_session_that_names_another_purchase_credits_neither(
    shop: Shop, account: Account, link: CheckoutLink, change: Callable[[Shop, CheckoutLink, CheckoutLink], None]
) -> None:
    somebody = factories.make_account()
    other = shop.open(somebody)
    change(shop, link, other)
    assert pay_and_hear(shop, link) == Outcome.REVIEW
    review = PaymentReview.objects.get()
    assert review.reason == ReviewReason.WRONG_PROVIDER
    assert {each.status for each in Order.objects.all()} == {OrderStatus.PENDING}
    assert_nothing_credited(account)
    assert_nothing_credited(somebody)


def test_one_payment_never_pays_two_orders(shop: Shop, account: Account, link: CheckoutLink) -> None:
    somebody = factories.make_account()
    other = shop.open(somebody)
    shop.pay(link)
    payment = shop.session(link)["payment_intent"]
    shop.stripe.tamper(payment, metadata=shop.session(other)["metadata"])
    assert shop.hear(shop.event("payment_intent.succeeded")) == Outcome.SETTLED
    assert shop.hear(shop.event("checkout.session.completed")) == Outcome.REVIEW
    assert_under_review(shop, link, ReviewReason.WRONG_PROVIDER)
    assert (shop.order(link).status, shop.order(other).status) == (OrderStatus.PENDING, OrderStatus.PAID)
    assert (credited_nanos(account), credited_nanos(somebody)) == ([], [PRICE_NANOS])
    assert factories.disagreements() == []


def test_another_payment_in_the_name_of_a_settled_attempt_is_looked_at(shop: Shop, account: Account, link: CheckoutLink) -> None:
    assert pay_and_hear(shop, link) == Outcome.SETTLED
    second = shop.open(account)
    shop.stripe.tamper(second.session_id, metadata=shop.session(link)["metadata"])
    assert pay_and_hear(shop, second) == Outcome.REVIEW
    assert shop.review(link).reason == ReviewReason.WRONG_PROVIDER
    assert_credited_once(link, account)


def test_a_payment_of_somebody_else_on_the_same_account_is_foreign(shop: Shop, account: Account, link: CheckoutLink) -> None:
    price = {"currency": "usd", "unit_amount": PRICE_MINOR, "product_data": {"name": "A book"}}
    params: Any = {"mode": "payment", "success_url": "https://example.com/", "line_items": [{"quantity": 1, "price_data": price}]}
    session = provider().v1.checkout.sessions.create(params)
    shop.pay(CheckoutLink("", str(session.url), session.id))
    heard = [shop.hear(shop.event(each)) for each in ("checkout.session.completed", "payment_intent.succeeded")]
    assert heard == [Outcome.FOREIGN, Outcome.FOREIGN]
    assert not ProviderEvent.objects.exclude(order=None, attempt=None).exists()
    assert (PaymentReview.objects.count(), shop.order(link).status) == (0, OrderStatus.PENDING)
    assert_nothing_credited(account)


def test_money_in_the_name_of_an_attempt_that_we_do_not_know_is_looked_at(shop: Shop, account: Account, link: CheckoutLink) -> None:
    shop.pay(link)
    shop.stripe.tamper(shop.session(link)["payment_intent"], metadata={"order_id": link.order_id, "attempt_key": "attempt:lost"})
    assert shop.hear(shop.event("payment_intent.succeeded")) == Outcome.REVIEW
    review = PaymentReview.objects.get()
    assert (review.reason, review.attempt, review.found["said"]["order_id"]) == (ReviewReason.UNKNOWN_ATTEMPT, None, link.order_id)
    assert shop.order(link).status == OrderStatus.PENDING
    assert_nothing_credited(account)


def test_money_that_the_ledger_cannot_take_is_looked_at(shop: Shop, account: Account, link: CheckoutLink) -> None:
    factories.give(account, AMOUNT_MAX_NANOS - PRICE_NANOS + 1)
    books = ledger_now()
    assert pay_and_hear(shop, link) == Outcome.REVIEW
    assert assert_under_review(shop, link, ReviewReason.NOT_CREDITABLE).found["why"]
    assert (shop.order(link).status, shop.attempt(link).status) == (OrderStatus.IN_REVIEW, AttemptStatus.SETTLED)
    assert ledger_now() == books
    assert factories.disagreements() == []


@pytest.mark.parametrize("first", [0, 1])
def test_two_pages_of_one_order_both_paid_are_one_credit_and_one_review(
    shop: Shop, account: Account, link: CheckoutLink, first: int
) -> None:
    pages = [link, shop.second_page(link)]
    for page in pages:
        shop.pay(page)
    events = shop.stripe.events("checkout.session.completed")
    assert [shop.hear(each) for each in (events[first], events[1 - first])] == [Outcome.SETTLED, Outcome.REVIEW]
    review = assert_under_review(shop, link, ReviewReason.PAID_TWICE)
    assert review.attempt == shop.attempt(pages[1 - first])
    assert {shop.attempt(page).status for page in pages} == {AttemptStatus.SETTLED}
    assert shop.order(link).paid_attempt == shop.attempt(pages[first])
    assert_credited_once(link, account)


def close_by_customer(shop: Shop, link: CheckoutLink) -> None:
    order = shop.order(link)
    cancel_order(account_id=order.account_id, order_id=order.public_id, now=clock.now())


def close_by_the_clock(shop: Shop, link: CheckoutLink) -> None:
    shop.stripe.set_time(int(shop.order(link).expires_at.timestamp()) + 1)
    shop.hear(shop.event("checkout.session.expired"), now=shop.order(link).expires_at)


@pytest.mark.parametrize("close", [close_by_customer, close_by_the_clock])
def test_money_for_a_closed_order_is_looked_at(
    shop: Shop, account: Account, link: CheckoutLink, close: Callable[[Shop, CheckoutLink], None]
) -> None:
    close(shop, link)
    closed = shop.order(link).status
    assert closed in {OrderStatus.CANCELLED, OrderStatus.EXPIRED}
    shop.payable_again(link)
    assert pay_and_hear(shop, link) == Outcome.REVIEW
    assert_under_review(shop, link, ReviewReason.PAID_AFTER_CLOSE)
    assert (shop.order(link).status, shop.attempt(link).status) == (closed, AttemptStatus.SETTLED)
    assert_nothing_credited(account)


def test_a_bank_debit_is_credited_when_it_has_settled_and_not_before(shop: Shop, account: Account, link: CheckoutLink) -> None:
    shop.debit(link)
    assert shop.hear(shop.event("checkout.session.completed")) == Outcome.NOTED
    assert shop.hear(shop.event("payment_intent.processing")) == Outcome.NOTHING
    assert (shop.order(link).status, shop.attempt(link).status) == (OrderStatus.PENDING, AttemptStatus.PROCESSING)
    assert_nothing_credited(account)

    shop.stripe.end_debit(link.session_id, settled=True)
    assert shop.hear(shop.event("checkout.session.async_payment_succeeded")) == Outcome.SETTLED
    assert shop.hear(shop.event("payment_intent.succeeded")) == Outcome.NOTHING
    assert_credited_once(link, account)


def test_a_bank_debit_that_comes_back_credits_nothing_says_why_and_the_order_can_be_paid_anew(
    shop: Shop, account: Account, link: CheckoutLink
) -> None:
    shop.debit(link)
    shop.hear(shop.event("payment_intent.processing"))
    shop.stripe.end_debit(link.session_id, settled=False)
    assert shop.hear(shop.event("checkout.session.async_payment_failed")) == Outcome.NOTED
    assert (shop.attempt(link).status, shop.order(link).status) == (AttemptStatus.FAILED, OrderStatus.PENDING)
    assert shop.order(link).failure_reason == "The bank debit was returned."
    assert_nothing_credited(account)

    anew = reopen_order(account_id=account.pk, order_id=link.order_id, now=clock.now())
    assert anew.session_id != link.session_id
    assert pay_and_hear(shop, anew) == Outcome.SETTLED
    assert_credited_once(link, account)


def test_a_debit_that_settles_after_a_card_has_paid_is_looked_at(shop: Shop, account: Account, link: CheckoutLink) -> None:
    shop.debit(link)
    shop.hear(shop.event("payment_intent.processing"))
    by_card = shop.second_page(link)
    assert pay_and_hear(shop, by_card) == Outcome.SETTLED
    shop.stripe.end_debit(link.session_id, settled=True)
    assert shop.hear(shop.event("checkout.session.async_payment_succeeded")) == Outcome.REVIEW
    assert_under_review(shop, link, ReviewReason.PAID_TWICE)
    assert_credited_once(link, account)
