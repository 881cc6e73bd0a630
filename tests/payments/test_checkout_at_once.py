"""The same request twice while the provider is slow: one checkout."""

from collections.abc import Callable
from typing import Final

import pytest

from accounts.models import Account
from core import clock
from core.idempotency import Asked, RequestInProgress
from payments.errors import OrderNotPending, ProviderFailed
from payments.models import Order, PaymentAttempt
from payments.services.checkout import CheckoutLink, learn_session
from payments.services.reconciler import close_orders
from payments.transitions import AttemptStatus, OrderStatus
from sandbox import ApiFault
from tests import factories
from tests.payments.world import Shop, assert_nothing_credited, provider, wait_until
from tests.threads import at_once, failures, successes

pytestmark = pytest.mark.django_db(transaction=True)

SESSIONS: Final = "/v1/checkout/sessions"
ASKED: Final = Asked("checkout of the tests", "a key", "what was asked")


@pytest.fixture
def account(transactional_db: None) -> Account:
    return factories.make_account()


def test_the_same_key_twice_while_the_provider_is_slow_opens_one_page(shop: Shop, account: Account) -> None:
    shop.stripe.api_fault(ApiFault(path=SESSIONS, times=1, delay_before=1))

    def second() -> CheckoutLink:
        wait_until(lambda: not shop.stripe.faults.shown()["api"])
        return shop.open(account, asked=ASKED)

    first, refused = at_once(lambda: shop.open(account, asked=ASKED), second)
    assert isinstance(refused, RequestInProgress)
    assert isinstance(first, CheckoutLink)
    later = shop.open(account, asked=ASKED)
    assert (later.session_id, later.is_replayed) == (first.session_id, True)
    assert (Order.objects.count(), PaymentAttempt.objects.count()) == (1, 1)
    assert len(shop.stripe.world.store.newest("checkout.session", limit=9)) == 1


def test_the_same_key_many_times_at_once_opens_one_page(shop: Shop, account: Account) -> None:
    said = at_once(*[lambda: shop.open(account, asked=ASKED)] * 8)
    assert {type(each) for each in failures(said)} <= {RequestInProgress}
    assert len({each.session_id for each in successes(said)}) == 1
    assert (Order.objects.count(), PaymentAttempt.objects.count()) == (1, 1)
    assert len(shop.stripe.world.store.newest("checkout.session", limit=9)) == 1


def opening(shop: Shop, account: Account) -> Callable[[], object]:
    return lambda: shop.open(account, asked=ASKED)


def test_a_page_that_comes_after_its_order_was_closed_is_given_to_nobody(shop: Shop, account: Account) -> None:
    """Its end came, and the provider closed the page, while its answer was on the way."""
    shop.stripe.api_fault(ApiFault(path=SESSIONS, times=1, delay_after=1))
    store = shop.stripe.world.store

    def end() -> object:
        wait_until(lambda: bool(store.newest("checkout.session", limit=1)))
        provider().v1.checkout.sessions.expire(store.newest("checkout.session", limit=1)[0].id)
        shop.hear(shop.event("checkout.session.expired"))
        return close_orders(now=Order.objects.get().expires_at)

    refused, closed = at_once(opening(shop, account), end)
    assert isinstance(refused, OrderNotPending)
    attempt = PaymentAttempt.objects.get()
    assert (closed, attempt.order.status, attempt.status) == (1, OrderStatus.EXPIRED, AttemptStatus.EXPIRED)
    assert attempt.session_id == store.newest("checkout.session", limit=1)[0].id
    assert_nothing_credited(account)


def test_a_page_that_comes_after_the_attempt_was_given_up_is_its_page(shop: Shop, account: Account) -> None:
    """The reconciler asked the same question meanwhile, and met a provider that failed."""
    shop.stripe.api_fault(ApiFault(path="/v1/customers", times=1, delay_before=1))

    def give_up() -> object:
        wait_until(lambda: PaymentAttempt.objects.exists() and not shop.stripe.faults.shown()["api"])
        shop.stripe.api_fault(ApiFault(path=SESSIONS, times=2, status=500))
        with pytest.raises(ProviderFailed):
            learn_session(PaymentAttempt.objects.select_related("order").get(), now=clock.now())
        return PaymentAttempt.objects.get().status

    link, status = at_once(opening(shop, account), give_up)
    assert isinstance(link, CheckoutLink)
    assert status == AttemptStatus.FAILED
    attempt = shop.attempt(link)
    assert (attempt.status, attempt.failure_code, attempt.ended_at) == (AttemptStatus.OPEN, "", None)
    assert attempt.check_at is not None
