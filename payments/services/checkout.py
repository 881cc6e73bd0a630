"""
Opening a checkout: commit what is about to be asked, ask the provider with no row locked, write down what it said.

Killed between any two steps, the same Idempotency-Key resumes with the same question to the provider, and so has the same page.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from core import idempotency
from core.idempotency import Asked, Begun
from core.jobs import enqueue
from core.locks import lock_one
from payments.contract import CheckoutTerms, Line, OpenedCheckout
from payments.errors import (
    CustomerGone,
    OrderNotFound,
    OrderNotPending,
    PaymentUnderWay,
    ProviderFailed,
    ProviderRefused,
    ProviderUnavailable,
)
from payments.gateways.registry import gateway_of
from payments.models import Order, PaymentAttempt, Provider
from payments.services.customers import ensure_customer, forget_customer
from payments.services.ordering import Placement, add_attempt, lease_time, place_order
from payments.transitions import LIVE_ATTEMPTS, AttemptStatus, OrderStatus


@dataclass(frozen=True, slots=True)
class CheckoutLink:
    """A page to pay on. `order_id` is public, `session_id` the provider's. `is_replayed`: the first answer, given again."""

    order_id: str
    checkout_url: str
    session_id: str
    is_replayed: bool = False


def open_purchase(placement: Placement, *, asked: Asked | None, now: datetime) -> CheckoutLink:
    """
    Place an order and open a page to pay it. With `asked`, a repeat has the first answer.

    Raises IdempotencyKeyReused, RequestInProgress, OrderNotPending, PaymentUnderWay (a repeat of an order that moved on meanwhile),
    ProviderUnavailable or ProviderFailed (send it again), ProviderRefused.
    """
    with transaction.atomic():
        begun = None if asked is None else idempotency.begin(asked, now=now, lease_for=lease_time())
        if begun is not None and begun.answer is not None:
            return CheckoutLink(**begun.answer, is_replayed=True)
        attempt = _resumed(begun.subject, now) if begun and begun.subject else _placed(placement, begun, now)
    link = _link(attempt) if attempt.checkout_url else _dial(attempt, begun, now)
    if begun is not None:
        idempotency.finish(begun, {"order_id": link.order_id, "checkout_url": link.checkout_url, "session_id": link.session_id})
    return link


def reopen_order(*, account_id: int, order_id: str, now: datetime) -> CheckoutLink:
    """
    The page of an order that waits, or a new one where the last try came to nothing.

    Raises OrderNotFound, OrderNotPending, PaymentUnderWay, ProviderUnavailable, ProviderFailed, ProviderRefused.
    """
    with transaction.atomic():
        order = lock_one(Order.objects.filter(account_id=account_id, public_id=order_id))
        if order is None:
            raise OrderNotFound("There is no such order, or it is not yours.")
        attempt = _usable(order, now)
    return _link(attempt) if attempt.checkout_url else _dial(attempt, None, now)


def learn_session(attempt: PaymentAttempt, *, now: datetime) -> PaymentAttempt:
    """
    Ask again the question whose answer was lost: the provider gives the answer it gave then.

    Raises ProviderUnavailable, ProviderFailed, ProviderRefused; after the last two the attempt has failed.
    """
    with suppress(OrderNotPending):  # Its page is known then, and nobody was given it.
        _dial(attempt, None, now)
    return PaymentAttempt.objects.select_related("order").get(pk=attempt.pk)


def _placed(placement: Placement, begun: Begun | None, now: datetime) -> PaymentAttempt:
    order = place_order(placement, now=now)
    if begun is not None:
        idempotency.name_subject(begun, order.public_id)
    return add_attempt(order, placement.provider, now=now)


def _resumed(order_id: str, now: datetime) -> PaymentAttempt:
    order = lock_one(Order.objects.filter(public_id=order_id))
    if order is None:
        raise OrderNotFound("There is no such order.")
    return _usable(order, now)


def _usable(order: Order, now: datetime) -> PaymentAttempt:
    """The newest attempt that can be used, else a new one. Under the order's lock."""
    newest = order.attempts.order_by("-pk").first()
    if newest is not None and order.status == OrderStatus.PENDING and order.expires_at > now:
        if newest.status == AttemptStatus.PROCESSING:
            raise PaymentUnderWay("This order was paid by a method that settles later; wait for what comes of it.")
        if newest.status in {AttemptStatus.OPENING, AttemptStatus.OPEN}:
            return newest
    return add_attempt(order, Provider(newest.provider if newest else Provider.STRIPE), now=now)


def _dial(attempt: PaymentAttempt, begun: Begun | None, now: datetime) -> CheckoutLink:
    """Ask the provider, holding no lock, and write down what became of it."""
    try:
        opened = _ask(attempt, now)
    except ProviderUnavailable:
        _give_back(begun)
        raise
    except ProviderFailed as error:
        _fail(attempt, error, closes_order=False, now=now)
        _give_back(begun)
        raise
    except CustomerGone as error:
        # The question names a customer, so it cannot be asked again: another attempt asks it with a new one.
        forget_customer(account_id=attempt.order.account_id, provider=Provider(attempt.provider))
        _fail(attempt, error, closes_order=False, now=now)
        _give_back(begun)
        raise ProviderFailed("The payment provider does not know this customer any more; send it again.", retry_after=1) from error
    except ProviderRefused as error:
        is_over = _fail(attempt, error, closes_order=True, now=now)
        if begun is not None:
            (idempotency.forget if is_over else idempotency.release)(begun)
        raise
    return _opened(attempt, opened, now)


def _ask(attempt: PaymentAttempt, now: datetime) -> OpenedCheckout:
    order, provider = attempt.order, Provider(attempt.provider)
    terms = CheckoutTerms(
        idempotency_key=attempt.idempotency_key,
        order_id=order.public_id,
        customer_id=ensure_customer(account_id=order.account_id, provider=provider, now=now),
        currency=order.currency,
        lines=tuple(Line(line.description, line.amount_minor) for line in order.lines.order_by("pk")),
        success_url=order.success_url,
        cancel_url=order.cancel_url,
        expires_at=order.expires_at,
    )
    return gateway_of(provider).open_checkout(terms)


def _opened(attempt: PaymentAttempt, opened: OpenedCheckout, now: datetime) -> CheckoutLink:
    with transaction.atomic():
        order = lock_one(Order.objects.filter(pk=attempt.order_id))
        rows = PaymentAttempt.objects.filter(pk=attempt.pk)
        # Somebody else may have asked the same, been told no, and given the attempt up: it has a page now, so it lives.
        given_up = rows.filter(status=AttemptStatus.FAILED, session_id=None)
        given_up.update(status=AttemptStatus.OPEN, ended_at=None, failure_code="", failure_reason="", check_at=now)
        # Its events may have been here before the answer: then the attempt is further already, and only its page is missing.
        rows.update(session_id=opened.session_id, checkout_url=opened.url, livemode=opened.livemode, opened_at=now)
        rows.filter(status=AttemptStatus.OPENING).update(status=AttemptStatus.OPEN)
        # Closed while we asked: nobody gets the page, and it is closed at the provider too.
        is_closed = order is None or (order.status != OrderStatus.PENDING and not rows.filter(status=AttemptStatus.SETTLED).exists())
        if is_closed:
            rows.filter(status__in=LIVE_ATTEMPTS).update(check_at=now)
            enqueue("payments.tasks.retire_attempt", attempt_id=attempt.pk)
    if is_closed:
        raise OrderNotPending("This order was closed while its page was being opened; place a new one.")
    return CheckoutLink(attempt.order.public_id, opened.url, opened.session_id)


def _fail(attempt: PaymentAttempt, error: ProviderFailed | ProviderRefused, *, closes_order: bool, now: datetime) -> bool:
    """
    The provider said no page was opened. An order it refuses as such is closed; else it may be tried again. Whether it is closed.
    """
    said = {"failure_code": error.stable_code, "failure_reason": error.message[:300]}
    with transaction.atomic():
        order = lock_one(Order.objects.filter(pk=attempt.order_id))
        opening = PaymentAttempt.objects.filter(pk=attempt.pk, status=AttemptStatus.OPENING)
        if opening.update(status=AttemptStatus.FAILED, ended_at=now, check_at=None, **said) and order is not None:
            is_over = closes_order and not order.attempts.filter(status__in=LIVE_ATTEMPTS).exists()
            status = {"status": OrderStatus.FAILED, "closed_at": now} if is_over else {}
            return bool(Order.objects.filter(pk=order.pk, status=OrderStatus.PENDING).update(**said, **status)) and is_over
    return False


def _give_back(begun: Begun | None) -> None:
    if begun is not None:
        idempotency.release(begun)


def _link(attempt: PaymentAttempt) -> CheckoutLink:
    return CheckoutLink(attempt.order.public_id, attempt.checkout_url, attempt.session_id or "")
