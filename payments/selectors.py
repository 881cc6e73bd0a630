"""Reads of orders, attempts and reviews."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.db.models import Prefetch

from payments.errors import OrderNotFound
from payments.models import LineKind, Order, OrderLine, PaymentAttempt, PaymentReview, Provider, ProviderEvent
from payments.transitions import AttemptStatus, EventStatus, OrderStatus

__all__ = (
    "AttemptStatus",
    "EventStatus",
    "LineKind",
    "Order",
    "OrderLine",
    "OrderStatus",
    "PaymentAttempt",
    "PaymentReview",
    "Provider",
    "ProviderEvent",
)
"""Views and higher apps take the words from here: they reach models through selectors and services."""

_LINES_AND_ATTEMPTS: Final = (
    Prefetch("lines", OrderLine.objects.order_by("pk")),
    Prefetch("attempts", PaymentAttempt.objects.order_by("-pk")),
)


@dataclass(frozen=True, slots=True)
class OrderPage:
    """Orders, newest first, with lines and attempts, and how many there are in all."""

    items: Sequence[Order]
    total: int


def get_order(*, account_id: int, order_id: str) -> Order:
    """An account's order, by its public id. Raises OrderNotFound, also for somebody else's."""
    order = Order.objects.filter(account_id=account_id, public_id=order_id).prefetch_related(*_LINES_AND_ATTEMPTS).first()
    if order is None:
        raise OrderNotFound("There is no such order, or it is not yours.")
    return order


def get_order_by_id(order_id: str) -> Order:
    """Any order, by its public id, for whoever holds a signed link to it. Raises OrderNotFound."""
    order = Order.objects.filter(public_id=order_id).prefetch_related(*_LINES_AND_ATTEMPTS).first()
    if order is None:
        raise OrderNotFound("There is no such order.")
    return order


def list_orders(*, account_id: int, limit: int, offset: int) -> OrderPage:
    """A page of an account's orders."""
    orders = Order.objects.filter(account_id=account_id)
    items = orders.order_by("-pk").prefetch_related(*_LINES_AND_ATTEMPTS)[offset : offset + limit]
    return OrderPage(list(items), orders.count())


def credit_nanos_of(order: Order) -> int:
    """What the order delivers in credits, in nanos. Reads prefetched lines."""
    return sum(line.credit_nanos for line in order.lines.all())
