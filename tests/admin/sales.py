"""Purchases of each kind, and the inbox in each state."""

from dataclasses import dataclass

from accounts.models import Account
from core import clock
from payments.models import Order, PaymentReview, Provider, ProviderCustomer, ProviderEvent, ProviderFeed, ReviewReason
from payments.transitions import OrderStatus
from tests.actors import make_person
from tests.payments import orders


@dataclass(frozen=True)
class Sales:
    """What one customer ordered, and what came of it."""

    account: Account
    paid: Order
    waiting: Order
    review: PaymentReview
    failed: ProviderEvent


def make_sales() -> Sales:
    buyer = make_person("bea").account
    paid = orders.paid_order(buyer)
    orders.done_event(paid.attempts.get())
    orders.declined_order(buyer)
    for status in (OrderStatus.EXPIRED, OrderStatus.CANCELLED, OrderStatus.FAILED):
        orders.closed_order(buyer, status)
    reviews = [orders.reviewed_order(buyer, reason) for reason in ReviewReason if reason is not ReviewReason.UNKNOWN_ATTEMPT]
    orders.other_mode_review()
    orders.unknown_attempt_review()
    orders.stuck_event()
    orders.claimed_event()
    now = clock.now()
    customer = {"account": buyer, "provider": Provider.STRIPE, "livemode": False, "customer_id": "cus_1", "created_at": now}
    ProviderCustomer.objects.create(**customer)
    ProviderFeed.objects.create(provider=Provider.STRIPE, read_until=now)
    by_reason = {review.reason: review for review in reviews}
    return Sales(buyer, paid, orders.cancellable_order(buyer), by_reason[ReviewReason.WRONG_AMOUNT], orders.failed_event())
