"""What payments refuses, by name."""

from typing import ClassVar

from core.errors import Conflict, InvalidInput, NotFound, Unavailable


class CurrencyNotOffered(InvalidInput):
    """The operator has no price in this currency."""

    code: ClassVar[str] = "currency_not_offered"


class PurchaseOutOfRange(InvalidInput):
    """Less than the smallest purchase, more than the largest, or no whole minor unit."""

    code: ClassVar[str] = "purchase_out_of_range"


class RedirectNotAllowed(InvalidInput):
    """An address to return to that is no absolute http(s) URL on a host the deployment allows."""

    code: ClassVar[str] = "redirect_not_allowed"


class CouponsUnavailable(InvalidInput):
    """There are no coupons yet; leave it out."""

    code: ClassVar[str] = "coupons_unavailable"


class ChannelUnavailable(InvalidInput):
    """Nothing is sold by this way yet."""

    code: ClassVar[str] = "channel_unavailable"


class PlansUnavailable(InvalidInput):
    """There are no plans yet; credits can be bought."""

    code: ClassVar[str] = "plans_unavailable"


class OrderNotFound(NotFound):
    """No such order, or somebody else's."""

    code: ClassVar[str] = "order_not_found"


class OrderNotPending(Conflict):
    """The order was paid, cancelled or has ended: it can be neither paid nor cancelled."""

    code: ClassVar[str] = "order_not_pending"


class PaymentUnderWay(Conflict):
    """Money for this order is on its way: wait for what comes of it."""

    code: ClassVar[str] = "payment_under_way"


class ReviewResolved(Conflict):
    """Somebody has resolved this review already."""

    code: ClassVar[str] = "review_resolved"


class ReviewNotCreditable(Conflict):
    """Money that cannot be credited to the order; give it back at the provider and close the review."""

    code: ClassVar[str] = "review_not_creditable"


class ForgedEvent(InvalidInput):
    """A webhook whose signature is missing, wrong or too old. Nothing of it was stored."""

    code: ClassVar[str] = "invalid_signature"


class EventBusy(Conflict):
    """A worker has this event in hand; wait until its lease ends."""

    code: ClassVar[str] = "event_busy"


class ProviderUnavailable(Unavailable):
    """The provider did not answer, or is not set up; nothing was charged."""

    code: ClassVar[str] = "provider_unavailable"


class ProviderFailed(Unavailable):
    """The provider answered with an error of its own; the same question would get the same answer, so ask anew."""

    code: ClassVar[str] = "provider_failed"


class ProviderRefused(Unavailable):
    """The provider answered no to a question of ours: a fault of the deployment, not of the customer."""

    code: ClassVar[str] = "provider_refused"


class BadTariff(Unavailable):
    """A setting of the tariff that cannot be meant: nothing is sold until it is mended. `manage.py check` says which."""

    code: ClassVar[str] = "bad_tariff"


class CustomerGone(ProviderRefused):
    """The provider does not know the account's customer any more: deleted there, or another provider's account."""

    code: ClassVar[str] = "provider_customer_gone"


class PageGone(ProviderRefused):
    """The provider does not know a page of ours any more: nobody can pay there."""

    code: ClassVar[str] = "provider_page_gone"


class TooManyPendingOrders(Conflict):
    """The account has as many unpaid orders as it may have; they end by themselves within a day."""

    code: ClassVar[str] = "too_many_pending_orders"
