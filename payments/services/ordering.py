"""Placing orders and adding attempts: rows only, no provider."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings

from payments.errors import OrderNotPending, TooManyPendingOrders
from payments.models import Order, OrderLine, PaymentAttempt, Provider
from payments.models.order import new_order_id
from payments.pricing import Quote
from payments.returning import own_page
from payments.transitions import OrderStatus

SESSION_SHORTEST: Final = timedelta(minutes=31)
"""Stripe opens no page for less than half an hour; the minute is for clocks that differ."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Whose order, of what, and where the person goes afterwards (empty: our own page). `placed_by`: a user id, None for a key."""

    account_id: int
    placed_by: int | None
    quote: Quote
    provider: Provider
    success_url: str = ""
    cancel_url: str = ""


def place_order(placement: Placement, *, now: datetime) -> Order:
    """
    Write an order with its lines, frozen from here on. Needs a transaction.

    Raises TooManyPendingOrders: each order that waits is asked after at the provider until it ends.
    """
    if Order.objects.filter(account_id=placement.account_id, status=OrderStatus.PENDING).count() >= settings.PENDING_ORDERS_MAX:
        raise TooManyPendingOrders("This account has too many unpaid orders; pay or cancel one first.")
    public_id = new_order_id()
    order = Order.objects.create(
        public_id=public_id,
        account_id=placement.account_id,
        placed_by=placement.placed_by,
        currency=placement.quote.currency,
        amount_minor=placement.quote.amount_minor,
        success_url=placement.success_url or own_page(public_id),
        cancel_url=placement.cancel_url or own_page(public_id, is_cancelled=True),
        created_at=now,
        expires_at=now + timedelta(minutes=settings.ORDER_LIFETIME_MINUTES),
    )
    OrderLine.objects.bulk_create(
        OrderLine(
            order=order,
            kind=line.kind,
            sku=line.sku,
            description=line.description,
            amount_minor=line.amount_minor,
            credit_nanos=line.credit_nanos,
        )
        for line in placement.quote.lines
    )
    return order


def add_attempt(order: Order, provider: Provider, *, now: datetime) -> PaymentAttempt:
    """
    One more try at a provider, under the order's lock; its key is stored before anybody is asked.

    Raises OrderNotPending where the order is closed, or ends so soon that no page could be opened for it.
    """
    if order.status != OrderStatus.PENDING or order.expires_at < now + SESSION_SHORTEST:
        raise OrderNotPending("This order can no longer be paid; place a new one.", order_status=order.status)
    return PaymentAttempt.objects.create(
        order=order,
        provider=provider,
        idempotency_key=f"attempt:{secrets.token_hex(16)}",
        livemode=settings.STRIPE_LIVE_MODE,
        created_at=now,
        check_at=now + 2 * lease_time(),
    )


def lease_time() -> timedelta:
    """How long whoever asks a provider may take before another one takes over."""
    return timedelta(seconds=settings.PROVIDER_LEASE_SECONDS)
