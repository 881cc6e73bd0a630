"""
What is delivered once an order is paid: a registry by kind of line, filled in `billing_platform.wiring`.

So an app above (plans, for example) can sell through orders without payments knowing it.
"""

from datetime import datetime
from typing import Protocol

from payments.models import Order, OrderLine, PaymentAttempt


class Deliver(Protocol):
    """Delivers one line, in the transaction that settles the order, under the order's lock: once per order, however often asked."""

    def __call__(self, order: Order, line: OrderLine, attempt: PaymentAttempt, *, now: datetime) -> None: ...


_DELIVERS: dict[str, Deliver] = {}


def on_paid(kind: str, deliver: Deliver) -> None:
    """Have lines of this kind delivered by `deliver`."""
    _DELIVERS[kind] = deliver


def deliver_order(order: Order, attempt: PaymentAttempt, now: datetime) -> None:
    """Deliver every line of a paid order. A kind nobody registered delivers nothing (a fee, for example)."""
    for line in order.lines.order_by("pk"):
        deliver = _DELIVERS.get(line.kind)
        if deliver is not None:
            deliver(order, line, attempt, now=now)
