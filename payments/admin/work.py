"""What the console asks of payments: what needs a hand, and what is newest. Bounded, whatever the size of the tables."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Sum

from core.zones import utc_midnight
from payments.admin.events import FAILED, waiting_long
from payments.admin.orders import LONG_PENDING
from payments.models import Order, PaymentReview, ProviderEvent
from payments.transitions import OrderStatus


@dataclass(frozen=True)
class Bought:
    """What was paid today in one currency: how many orders, and their sum in its minor units."""

    currency: str
    orders: int
    amount_minor: int


def open_reviews(limit: int) -> list[PaymentReview]:
    """Money to look at, what waits longest first, with order and account."""
    rows = PaymentReview.objects.filter(resolved_at=None).select_related("order__account", "event")
    return list(rows.order_by("opened_at")[:limit])


def events_to_look_at(now: datetime, limit: int) -> list[ProviderEvent]:
    """Events given up, and those that wait for a quarter of an hour, the oldest first."""
    return list(ProviderEvent.objects.filter(FAILED | waiting_long(now)).order_by("received_at")[:limit])


def orders_pending_long(now: datetime, limit: int) -> list[Order]:
    """Orders that nobody has paid for an hour, those that end first, with the account."""
    rows = Order.objects.filter(status=OrderStatus.PENDING, created_at__lte=now - LONG_PENDING).select_related("account")
    return list(rows.order_by("expires_at")[:limit])


def bought_today(now: datetime) -> list[Bought]:
    """Orders paid since midnight UTC, by currency."""
    paid = Order.objects.filter(status=OrderStatus.PAID, paid_at__gte=utc_midnight(now)).values_list("currency")
    return [Bought(*row) for row in paid.annotate(Count("pk"), Sum("amount_minor")).order_by("currency")]


def newest_orders(account_id: int, limit: int) -> list[Order]:
    """An account's newest orders, with their lines."""
    return list(Order.objects.filter(account_id=account_id).prefetch_related("lines").order_by("-pk")[:limit])
