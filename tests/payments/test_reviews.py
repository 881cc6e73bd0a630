"""An operator decides about money that did not fit: it is credited after all, or closed; once."""

from collections.abc import Callable
from functools import partial
from typing import Final

import pytest
from pytest_django import Settings

from accounts.models import Account
from core import clock
from core.errors import NotFound
from core.models import AuditRecord
from core.money import AMOUNT_MAX_NANOS
from credits.errors import AmountOutOfRange
from credits.models import Grant
from payments.errors import ReviewNotCreditable, ReviewResolved
from payments.models import PaymentReview
from payments.services.cancelling import cancel_order
from payments.services.checkout import CheckoutLink
from payments.services.reviews import close_review, credit_review, is_creditable
from payments.transitions import OrderStatus
from tests import factories
from tests.payments.api.purchases import nothing_moves
from tests.payments.orders import reviewed_order
from tests.payments.world import PRICE_NANOS, Shop, assert_credited_once, assert_nothing_credited, credited_nanos
from tests.threads import at_once, failures, successes

pytestmark = pytest.mark.django_db

OPERATOR: Final = 1
Resolve = Callable[[PaymentReview], PaymentReview]
REASON: Final = "The bank says so."


@pytest.fixture
def account(db: None) -> Account:
    return factories.make_account()


@pytest.fixture
def link(shop: Shop, account: Account) -> CheckoutLink:
    return shop.open(account)


def credit(review: PaymentReview) -> PaymentReview:
    return credit_review(review_id=review.pk, actor_id=OPERATOR, reason=REASON, now=clock.now())


def close(review: PaymentReview) -> PaymentReview:
    return close_review(review_id=review.pk, actor_id=OPERATOR, reason=REASON, now=clock.now())


def pay_and_hear(shop: Shop, link: CheckoutLink) -> None:
    shop.pay(link)
    shop.hear(shop.event("checkout.session.completed"))


def pay_wrongly(shop: Shop, link: CheckoutLink, **changes: object) -> PaymentReview:
    shop.stripe.tamper(link.session_id, **changes)
    pay_and_hear(shop, link)
    return shop.review(link)


def pay_after_close(shop: Shop, account: Account, link: CheckoutLink) -> PaymentReview:
    cancel_order(account_id=account.pk, order_id=link.order_id, now=clock.now())
    shop.payable_again(link)
    pay_and_hear(shop, link)
    return shop.review(link)


@pytest.mark.parametrize("amount", [1, 1_999, 3_000])
def test_another_amount_may_be_accepted_and_is_the_cost_of_the_credits(
    shop: Shop, account: Account, link: CheckoutLink, amount: int
) -> None:
    review = pay_wrongly(shop, link, amount_total=amount)
    assert is_creditable(review)
    assert credit(review).resolution == "credited"
    grant = Grant.objects.get(account=account)
    assert (grant.amount_nanos, grant.cost_basis_minor, grant.cost_basis_currency) == (PRICE_NANOS, amount, "USD")
    assert shop.order(link).paid_attempt == shop.attempt(link)
    assert_credited_once(link, account)


def test_another_currency_may_be_accepted_and_is_the_cost_of_the_credits(
    settings: Settings, shop: Shop, account: Account, link: CheckoutLink
) -> None:
    credit(pay_wrongly(shop, link, currency="eur"))
    grant = Grant.objects.get(account=account)
    assert (grant.amount_nanos, grant.cost_basis_minor, grant.cost_basis_currency) == (PRICE_NANOS, 2_000, "EUR")
    assert_credited_once(link, account)


def test_of_money_that_was_short_the_fee_bears_its_part(settings: Settings, shop: Shop, account: Account) -> None:
    settings.PLATFORM_FEE_BP = 1_000
    link = shop.open(account)
    credit(pay_wrongly(shop, link, amount_total=1_100))
    assert Grant.objects.get(account=account).cost_basis_minor == 1_000
    assert_credited_once(link, account)


def test_money_for_a_cancelled_order_may_be_accepted(shop: Shop, account: Account, link: CheckoutLink) -> None:
    credit(pay_after_close(shop, account, link))
    order = shop.order(link)
    assert (order.status, order.closed_at, order.paid_attempt) == (OrderStatus.PAID, None, shop.attempt(link))
    assert_credited_once(link, account)


def test_who_credited_and_why_stands_in_the_audit_trail(shop: Shop, account: Account, link: CheckoutLink) -> None:
    review = credit(pay_wrongly(shop, link, amount_total=1_999))
    act = AuditRecord.objects.get(act="credit_payment_review")
    assert (act.actor_id, act.account_id, act.object_id, act.reason) == (OPERATOR, account.pk, str(review.pk), REASON)
    assert (act.before, act.after) == ({"order": "in_review"}, {"order": "paid", "review": "wrong_amount"})
    assert (review.resolved_by, review.resolved_at) == (OPERATOR, act.created_at)


def test_a_review_that_is_closed_credits_nothing_and_cancels_the_order_that_waited(
    shop: Shop, account: Account, link: CheckoutLink
) -> None:
    review = close(pay_wrongly(shop, link, amount_total=1_999))
    assert (review.resolution, shop.order(link).status) == ("closed", OrderStatus.CANCELLED)
    act = AuditRecord.objects.get(act="close_payment_review")
    assert (act.before, act.after) == ({"order": "in_review"}, {"order": "cancelled", "review": "wrong_amount"})
    assert_nothing_credited(account)
    shop.hear(shop.event("payment_intent.succeeded"))
    assert PaymentReview.objects.count() == 1
    assert_nothing_credited(account)


def test_a_review_of_an_order_that_was_cancelled_before_leaves_it_cancelled(shop: Shop, account: Account, link: CheckoutLink) -> None:
    close(pay_after_close(shop, account, link))
    assert shop.order(link).status == OrderStatus.CANCELLED
    assert_nothing_credited(account)


def test_an_order_waits_until_its_last_review_is_closed(shop: Shop, account: Account, link: CheckoutLink) -> None:
    other = shop.second_page(link)
    first = pay_wrongly(shop, link, amount_total=1_999)
    pay_and_hear(shop, other)
    second = PaymentReview.objects.exclude(pk=first.pk).get()
    assert (second.reason, shop.order(link).status) == ("paid_twice", OrderStatus.IN_REVIEW)
    close(second)
    assert shop.order(link).status == OrderStatus.IN_REVIEW
    assert is_creditable(first)
    close(first)
    assert shop.order(link).status == OrderStatus.CANCELLED
    assert_nothing_credited(account)


def test_money_that_came_twice_is_never_credited_twice(shop: Shop, account: Account, link: CheckoutLink) -> None:
    other = shop.second_page(link)
    pay_and_hear(shop, link)
    pay_and_hear(shop, other)
    review = shop.review(link)
    assert (review.reason, is_creditable(review)) == ("paid_twice", False)
    with nothing_moves(), pytest.raises(ReviewNotCreditable):
        credit(review)
    close(review)
    assert shop.order(link).status == OrderStatus.PAID
    assert_credited_once(link, account)


def test_an_order_that_was_paid_meanwhile_is_not_credited_again(shop: Shop, account: Account, link: CheckoutLink) -> None:
    other = shop.second_page(link)
    cancel_order(account_id=account.pk, order_id=link.order_id, now=clock.now())
    reviews = []
    for page in (link, other):
        shop.payable_again(page)
        pay_and_hear(shop, page)
        reviews.append(PaymentReview.objects.latest("pk"))
    assert [review.reason for review in reviews] == ["paid_after_close"] * 2
    credit(reviews[0])
    assert not is_creditable(PaymentReview.objects.get(pk=reviews[1].pk))
    with nothing_moves(), pytest.raises(ReviewNotCreditable):
        credit(reviews[1])
    close(reviews[1])
    assert_credited_once(link, account)


def test_money_that_is_not_this_orders_is_not_credited_to_it(shop: Shop, account: Account, link: CheckoutLink) -> None:
    review = pay_wrongly(shop, link, metadata={})
    assert (review.reason, is_creditable(review)) == ("wrong_provider", False)
    with nothing_moves(), pytest.raises(ReviewNotCreditable):
        credit(review)
    close(review)
    assert shop.order(link).status == OrderStatus.PENDING
    assert_nothing_credited(account)


def test_test_money_is_not_credited(shop: Shop, account: Account, link: CheckoutLink) -> None:
    shop.hear(shop.event("customer.created") | {"id": "evt_live", "livemode": True})
    review = PaymentReview.objects.get()
    assert not is_creditable(review)
    with nothing_moves(), pytest.raises(ReviewNotCreditable):
        credit(review)
    assert close(review).resolution == "closed"
    assert_nothing_credited(account)


def test_what_the_ledger_could_not_take_is_credited_once_it_can(shop: Shop, account: Account, link: CheckoutLink) -> None:
    big = factories.give(account, AMOUNT_MAX_NANOS - PRICE_NANOS + 1)
    pay_and_hear(shop, link)
    review = shop.review(link)
    assert (review.reason, is_creditable(review)) == ("not_creditable", True)
    with nothing_moves(), pytest.raises(AmountOutOfRange):
        credit(review)
    assert PaymentReview.objects.get().resolved_at is None
    assert credited_nanos(account) == [big.amount_nanos]


@pytest.mark.parametrize("first", [credit, close])
@pytest.mark.parametrize("second", [credit, close])
def test_a_review_is_resolved_once(shop: Shop, account: Account, link: CheckoutLink, first: Resolve, second: Resolve) -> None:
    review = pay_wrongly(shop, link, amount_total=1_999)
    first(review)
    with nothing_moves(), pytest.raises(ReviewResolved):
        second(review)
    assert AuditRecord.objects.filter(object_type="payment_review").count() == 1


def test_a_review_that_does_not_exist_is_not_found(db: None) -> None:
    for act in (credit_review, close_review):
        with pytest.raises(NotFound):
            act(review_id=0, actor_id=OPERATOR, reason=REASON, now=clock.now())


@pytest.mark.django_db(transaction=True)
def test_two_operators_at_once_resolve_a_review_once(transactional_db: None) -> None:
    for acts in ([credit] * 4, [close] * 4, [credit, close] * 2):
        account = factories.make_account()
        review = reviewed_order(account)
        said = at_once(*[partial(act, review) for act in acts])
        (done,) = successes(said)
        assert {type(each) for each in failures(said)} == {ReviewResolved}
        assert AuditRecord.objects.filter(object_id=str(review.pk), object_type="payment_review").count() == 1
        assert credited_nanos(account) == ([PRICE_NANOS] if done.resolution == "credited" else [])
    assert factories.disagreements() == []
