"""Rows of payments."""

from payments.models.attempt import PaymentAttempt, Provider
from payments.models.customer import ProviderCustomer
from payments.models.order import LineKind, Order, OrderLine
from payments.models.provider_event import Outcome, ProviderEvent, ProviderFeed
from payments.models.review import PaymentReview, ReviewReason

__all__ = [
    "LineKind",
    "Order",
    "OrderLine",
    "Outcome",
    "PaymentAttempt",
    "PaymentReview",
    "Provider",
    "ProviderCustomer",
    "ProviderEvent",
    "ProviderFeed",
    "ReviewReason",
]
