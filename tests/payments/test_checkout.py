"""Opening a page: asked twice, answered late, refused, or never answered. One order and one page, or none."""

from datetime import datetime, timedelta
from typing import Final

import pytest
from pytest_django import Settings

from accounts.models import Account
from core import clock
from core.errors import IdempotencyKeyReused
from core.idempotency import KEPT, Asked, RequestInProgress
from core.models import IdempotentRequest
from payments.errors import OrderNotFound, OrderNotPending, PaymentUnderWay, ProviderFailed, ProviderRefused, ProviderUnavailable
from payments.models import Order, PaymentAttempt, Provider, ProviderCustomer
from payments.services.cancelling import cancel_order
from payments.services.checkout import CheckoutLink, reopen_order
from payments.services.customers import ensure_customer
from payments.services.ordering import SESSION_SHORTEST, lease_time
from payments.transitions import AttemptStatus, OrderStatus
from sandbox import ApiFault
from tests import factories
from tests.payments.api.purchases import nothing_moves
from tests.payments.world import Json, Shop, assert_credited_once, assert_nothing_credited

pytestmark = pytest.mark.django_db

SESSIONS: Final = "/v1/checkout/sessions"
NOTHING_LISTENS: Final = "http://127.0.0.1:9"
ASKED: Final = Asked("checkout of the tests", "a key", "what was asked")
TWICE: Final = 2
"""Stripe's own library tries a second time by itself."""


@pytest.fixture
def account(db: None) -> Account:
    return factories.make_account()


def sessions(shop: Shop) -> list[Json]:
    """Every page that the provider has opened."""
    return [each.body for each in shop.stripe.world.store.newest("checkout.session", limit=99)]


def rows() -> tuple[int, int]:
    return Order.objects.count(), PaymentAttempt.objects.count()


def reopen(account: Account, link: CheckoutLink, now: datetime | None = None) -> CheckoutLink:
    return reopen_order(account_id=account.pk, order_id=link.order_id, now=now or clock.now())


def close_at_the_provider(shop: Shop, link: CheckoutLink) -> None:
    shop.debit(link)
    shop.stripe.end_debit(link.session_id, settled=False)
    shop.hear(shop.event("checkout.session.async_payment_failed"))


def test_what_was_ordered_is_what_the_page_asks_for(settings: Settings, shop: Shop, account: Account) -> None:
    settings.PLATFORM_FEE_BP = 500
    link = shop.open(account)
    session, order, attempt = shop.session(link), shop.order(link), shop.attempt(link)
    assert (session["amount_total"], session["currency"], order.amount_minor) == (2_100, "usd", 2_100)
    assert session["expires_at"] == int(order.expires_at.timestamp())
    assert session["metadata"] == {"order_id": link.order_id, "attempt_key": attempt.idempotency_key}
    assert session["customer"] == ProviderCustomer.objects.get(account=account).customer_id
    assert (attempt.status, attempt.session_id, attempt.checkout_url, attempt.livemode) == ("open", session["id"], session["url"], False)


def test_the_same_key_again_has_the_first_answer(shop: Shop, account: Account) -> None:
    link = shop.open(account, asked=ASKED)
    again = shop.open(account, asked=ASKED)
    assert again == CheckoutLink(link.order_id, link.checkout_url, link.session_id, is_replayed=True)
    assert (rows(), len(sessions(shop))) == ((1, 1), 1)


def test_the_first_answer_is_given_again_although_the_order_is_closed_by_now(shop: Shop, account: Account) -> None:
    link = shop.open(account, asked=ASKED)
    cancel_order(account_id=account.pk, order_id=link.order_id, now=clock.now())
    assert shop.open(account, asked=ASKED).order_id == link.order_id
    assert rows() == (1, 1)


def test_the_same_key_for_something_else_is_refused(shop: Shop, account: Account) -> None:
    shop.open(account, asked=ASKED)
    with nothing_moves(), pytest.raises(IdempotencyKeyReused):
        shop.open(account, asked=Asked(ASKED.scope, ASKED.key, "something else"))


def test_a_key_is_forgotten_after_a_day(shop: Shop, account: Account) -> None:
    link = shop.open(account, asked=ASKED)
    IdempotentRequest.objects.update(created_at=clock.now() - KEPT)
    assert shop.open(account, asked=ASKED).order_id != link.order_id


def test_a_provider_that_did_the_work_and_did_not_say_so_is_asked_again_and_gives_the_same_page(shop: Shop, account: Account) -> None:
    shop.stripe.api_fault(ApiFault(path=SESSIONS, times=TWICE, hang_up=True))
    with pytest.raises(ProviderUnavailable):
        shop.open(account, asked=ASKED)
    (session,) = sessions(shop)
    attempt = PaymentAttempt.objects.get()
    assert (attempt.status, attempt.session_id, attempt.order.status) == (AttemptStatus.OPENING, None, OrderStatus.PENDING)
    assert_nothing_credited(account)

    link = shop.open(account, asked=ASKED)
    assert (link.session_id, link.checkout_url, link.is_replayed) == (session["id"], session["url"], False)
    assert (rows(), len(sessions(shop))) == ((1, 1), 1)
    shop.pay(link)
    shop.hear(shop.event("checkout.session.completed"))
    assert_credited_once(link, account)


def test_a_page_that_was_paid_before_we_ever_heard_of_it_is_the_answer_to_a_repeat(shop: Shop, account: Account) -> None:
    shop.stripe.api_fault(ApiFault(path=SESSIONS, times=TWICE, hang_up=True))
    with pytest.raises(ProviderUnavailable):
        shop.open(account, asked=ASKED)
    (session,) = sessions(shop)
    shop.pay(CheckoutLink("", session["url"], session["id"]))
    shop.hear(shop.event("payment_intent.succeeded"))
    attempt = PaymentAttempt.objects.get()
    assert (attempt.status, attempt.session_id, attempt.order.status) == (AttemptStatus.SETTLED, None, OrderStatus.PAID)
    with pytest.raises(OrderNotPending):
        shop.open(account, asked=ASKED)
    assert (rows(), len(sessions(shop))) == ((1, 1), 1)
    assert_credited_once(CheckoutLink(attempt.order.public_id, "", ""), account)


def test_a_provider_that_is_down_leaves_an_order_that_the_same_key_resumes(settings: Settings, shop: Shop, account: Account) -> None:
    up, settings.STRIPE_API_HOST = settings.STRIPE_API_HOST, NOTHING_LISTENS
    with pytest.raises(ProviderUnavailable):
        shop.open(account, asked=ASKED)
    attempt = PaymentAttempt.objects.get()
    with pytest.raises(ProviderUnavailable):
        shop.open(account, asked=ASKED)
    settings.STRIPE_API_HOST = up
    shop.open(account, asked=ASKED)
    attempt.refresh_from_db()
    assert (rows(), attempt.status) == ((1, 1), AttemptStatus.OPEN)
    assert_nothing_credited(account)


def test_a_provider_that_fails_ends_the_attempt_and_not_the_order(shop: Shop, account: Account) -> None:
    shop.stripe.api_fault(ApiFault(path=SESSIONS, times=TWICE, status=500))
    with pytest.raises(ProviderFailed):
        shop.open(account, asked=ASKED)
    order, failed = Order.objects.get(), PaymentAttempt.objects.get()
    assert (order.status, order.failure_code) == (OrderStatus.PENDING, "provider_failed")
    assert (failed.status, failed.check_at) == (AttemptStatus.FAILED, None)

    link = shop.open(account, asked=ASKED)
    assert (link.order_id, rows()) == (order.public_id, (1, 2))
    anew = shop.attempt(link)
    assert anew.idempotency_key != failed.idempotency_key
    shop.pay(link)
    shop.hear(shop.event("checkout.session.completed"))
    assert_credited_once(link, account)


def test_a_provider_that_refuses_ends_the_order_and_the_key_may_be_used_for_anything(shop: Shop, account: Account) -> None:
    shop.stripe.api_fault(ApiFault(path=SESSIONS, times=1, status=400))
    with pytest.raises(ProviderRefused):
        shop.open(account, asked=ASKED)
    order = Order.objects.get()
    assert (order.status, order.failure_code, order.closed_at is None) == (OrderStatus.FAILED, "provider_refused", False)
    assert PaymentAttempt.objects.get().status == AttemptStatus.FAILED
    assert IdempotentRequest.objects.count() == 0
    assert_nothing_credited(account)

    link = shop.open(account, asked=Asked(ASKED.scope, ASKED.key, "something else"))
    assert (link.order_id != order.public_id, rows()) == (True, (2, 2))


def test_a_lease_that_is_not_dead_is_not_taken(shop: Shop, account: Account) -> None:
    """Somebody was killed after the order was written, and before the provider was asked."""
    now = clock.now()
    shop.stripe.api_fault(ApiFault(path=SESSIONS, times=TWICE, hang_up=True))
    with pytest.raises(ProviderUnavailable):
        shop.open(account, asked=ASKED, now=now)
    IdempotentRequest.objects.update(lease="f" * 32, lease_until=now + lease_time())
    with nothing_moves(), pytest.raises(RequestInProgress) as refused:
        shop.open(account, asked=ASKED, now=now + lease_time() - timedelta(seconds=3))
    assert refused.value.facts == {"retry_after": 3}
    link = shop.open(account, asked=ASKED, now=now + lease_time())
    assert (rows(), sessions(shop)[0]["id"]) == ((1, 1), link.session_id)
    assert shop.open(account, asked=ASKED, now=now + lease_time()).is_replayed


def test_a_repeat_of_an_order_that_was_closed_before_it_had_an_answer_is_refused(shop: Shop, account: Account) -> None:
    now = clock.now()
    shop.stripe.api_fault(ApiFault(path=SESSIONS, times=TWICE, hang_up=True))
    with pytest.raises(ProviderUnavailable):
        shop.open(account, asked=ASKED, now=now)
    cancel_order(account_id=account.pk, order_id=Order.objects.get().public_id, now=now + lease_time())
    with nothing_moves(), pytest.raises(OrderNotPending):
        shop.open(account, asked=ASKED, now=now + lease_time())


def test_an_open_page_is_given_again(shop: Shop, account: Account) -> None:
    link = shop.open(account)
    with nothing_moves():
        assert reopen(account, link) == link


def test_after_a_try_that_came_to_nothing_there_is_a_new_page(shop: Shop, account: Account) -> None:
    link = shop.open(account)
    close_at_the_provider(shop, link)
    anew = reopen(account, link)
    assert (anew.order_id, rows()) == (link.order_id, (1, 2))
    assert anew.session_id != link.session_id
    assert reopen(account, link) == anew


def test_an_order_that_ends_too_soon_for_a_page_gets_none(shop: Shop, account: Account) -> None:
    link = shop.open(account)
    close_at_the_provider(shop, link)
    last = shop.order(link).expires_at - SESSION_SHORTEST
    with nothing_moves(), pytest.raises(OrderNotPending):
        reopen(account, link, last + timedelta(seconds=1))


def test_an_order_whose_money_is_on_its_way_has_no_other_page(shop: Shop, account: Account) -> None:
    link = shop.open(account)
    shop.debit(link)
    shop.hear(shop.event("payment_intent.processing"))
    with nothing_moves(), pytest.raises(PaymentUnderWay):
        reopen(account, link)


def test_an_order_that_is_over_has_no_page_any_more(shop: Shop, account: Account) -> None:
    paid, cancelled = shop.open(account), shop.open(account)
    shop.pay(paid)
    shop.hear(shop.event("checkout.session.completed"))
    cancel_order(account_id=account.pk, order_id=cancelled.order_id, now=clock.now())
    for link in (paid, cancelled):
        with nothing_moves(), pytest.raises(OrderNotPending):
            reopen(account, link)


def test_somebody_elses_order_has_no_page_for_you(shop: Shop, account: Account) -> None:
    link = shop.open(account)
    with nothing_moves(), pytest.raises(OrderNotFound):
        reopen(factories.make_account(), link)


def test_an_account_is_one_customer_however_much_it_buys(shop: Shop, account: Account) -> None:
    links = [shop.open(account) for _ in range(3)]
    assert len({shop.session(link)["customer"] for link in links}) == 1
    assert len(shop.stripe.world.store.newest("customer", limit=9)) == 1
    known = ensure_customer(account_id=account.pk, provider=Provider.STRIPE, now=clock.now())
    assert shop.stripe.stored(known)["metadata"] == {"djstripe_subscriber": str(account.pk), "account": account.public_id}


def test_a_customer_whose_making_was_not_answered_does_not_keep_the_account_from_buying(shop: Shop, account: Account) -> None:
    shop.stripe.api_fault(ApiFault(path="/v1/customers", times=TWICE, hang_up=True))
    with pytest.raises(ProviderUnavailable):
        shop.open(account, asked=ASKED)
    link = shop.open(account, asked=ASKED)
    assert shop.session(link)["customer"] == ProviderCustomer.objects.get().customer_id
    assert rows() == (1, 1)


def test_who_changed_their_name_after_an_answer_was_lost_can_buy_all_the_same(shop: Shop, account: Account) -> None:
    """The same question under another content would be refused by the provider for a day."""
    shop.stripe.api_fault(ApiFault(path="/v1/customers", times=TWICE, hang_up=True))
    with pytest.raises(ProviderUnavailable):
        shop.open(account, asked=ASKED)
    Account.objects.filter(pk=account.pk).update(name="Another name")
    link = shop.open(account, asked=ASKED)
    assert shop.stripe.stored(shop.session(link)["customer"])["name"] == "Another name"
    assert rows() == (1, 1)


def test_a_question_that_the_provider_knows_with_other_content_is_asked_anew(shop: Shop, account: Account) -> None:
    """As after a release that words its questions otherwise: the order goes on with another attempt."""
    shop.stripe.api_fault(ApiFault(path=SESSIONS, times=TWICE, hang_up=True))
    with pytest.raises(ProviderUnavailable):
        shop.open(account, asked=ASKED)
    Order.objects.update(success_url="https://example.com/elsewhere")
    with pytest.raises(ProviderFailed):
        shop.open(account, asked=ASKED)
    link = shop.open(account, asked=ASKED)
    assert (rows(), shop.session(link)["success_url"]) == ((1, 2), "https://example.com/elsewhere")
