"""Cancelling an unpaid order: first nobody can pay it any more, then it is cancelled."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from core.audit import record_act
from core.locks import lock_one
from payments.errors import OrderNotFound, OrderNotPending, PageGone, PaymentUnderWay
from payments.gateways.registry import gateway_of
from payments.models import Order, PaymentAttempt
from payments.services.checkout import learn_session
from payments.services.ordering import lease_time
from payments.services.settlement import apply_snapshot, move_order, page_is_gone
from payments.transitions import LIVE_ATTEMPTS, AttemptStatus, OrderStatus


@dataclass(frozen=True, slots=True)
class _Operator:
    """Who cancels for the customer, and why."""

    actor_id: int | None
    reason: str


def cancel_order(*, account_id: int, order_id: str, now: datetime) -> Order:
    """
    Close the pages of an order at the provider, then cancel it. If somebody paid meanwhile it is paid instead, and this says so.

    Raises OrderNotFound, OrderNotPending, PaymentUnderWay, ProviderUnavailable, ProviderFailed, ProviderRefused.
    """
    order = Order.objects.filter(account_id=account_id, public_id=order_id).first()
    if order is None:
        raise OrderNotFound("There is no such order, or it is not yours.")
    return _close_and_cancel(order, None, now)


def cancel_order_as_operator(*, order_pk: int, actor_id: int | None, reason: str, now: datetime) -> Order:
    """The same by an operator, with a reason in the audit trail. Raises what `cancel_order` raises."""
    order = Order.objects.filter(pk=order_pk).first()
    if order is None:
        raise OrderNotFound("There is no such order.")
    return _close_and_cancel(order, _Operator(actor_id, reason), now)


def _close_and_cancel(order: Order, operator: _Operator | None, now: datetime) -> Order:
    _require_pending(order)
    for attempt in order.attempts.filter(status__in=LIVE_ATTEMPTS).select_related("order").order_by("pk"):
        _close_page(attempt, now)
    with transaction.atomic():
        cancelled = _cancel(order.pk, now)
        if operator is not None:
            _record(cancelled, operator, before=order.status, now=now)
    return cancelled


def _record(order: Order, operator: _Operator, *, before: str, now: datetime) -> None:
    record_act(
        actor_id=operator.actor_id,
        act="cancel_order",
        object_type="order",
        object_id=order.public_id,
        account_id=order.account_id,
        reason=operator.reason,
        before={"status": before},
        after={"status": order.status},
        now=now,
    )


def _close_page(attempt: PaymentAttempt, now: datetime) -> None:
    if not attempt.session_id:
        if attempt.created_at > now - lease_time():
            raise PaymentUnderWay("This order's page is being opened right now; try again in a minute.")
        attempt = learn_session(attempt, now=now)
    if attempt.session_id and attempt.status in LIVE_ATTEMPTS:
        try:
            said = gateway_of(attempt.provider).expire_checkout(attempt.session_id)
        except PageGone:
            said = page_is_gone(attempt)
        apply_snapshot(attempt_id=attempt.pk, said=said, now=now)


def _cancel(order_pk: int, now: datetime) -> Order:
    order = lock_one(Order.objects.filter(pk=order_pk))
    assert order is not None  # noqa: S101 - orders are never deleted
    _require_pending(order)
    if order.attempts.filter(status=AttemptStatus.PROCESSING).exists():
        raise PaymentUnderWay("This order was paid by a method that settles later; wait for what comes of it.")
    if order.attempts.filter(status__in=LIVE_ATTEMPTS).exists():
        raise PaymentUnderWay("This order's page was opened again just now; try again.")
    move_order(order, OrderStatus.CANCELLED, closed_at=now)
    return order


def _require_pending(order: Order) -> None:
    if order.status != OrderStatus.PENDING:
        raise OrderNotPending(f"This order is {order.status} and cannot be cancelled.", order_status=order.status)
