"""Buying credits: from what somebody asked for to a page where they can pay it."""

from dataclasses import dataclass
from datetime import datetime

from core.currencies import read_currency
from core.idempotency import Asked, find_answer
from payments.errors import CouponsUnavailable, PlansUnavailable, ProviderUnavailable
from payments.gateways.registry import gateway_of, is_connected
from payments.models import Provider
from payments.pricing import quote_credits
from payments.returning import read_redirect
from payments.services.checkout import CheckoutLink, open_purchase
from payments.services.ordering import Placement
from payments.tariff import tariff


@dataclass(frozen=True, slots=True)
class Wish:
    """
    What somebody wants to buy, as they said it; empty texts were not said.

    `credit_nanos` in nano-dollars, `amount_field`: what they called it, for a refusal to name. `is_plan`: not credits but a plan.
    """

    credit_nanos: int
    amount_field: str
    currency: str
    channel: str = Provider.STRIPE.value
    is_plan: bool = False
    coupon: str = ""
    success_url: str = ""
    cancel_url: str = ""


def buy_credits(wish: Wish, *, account_id: int, placed_by: int | None, asked: Asked | None, now: datetime) -> CheckoutLink:
    """
    Place an order for credits and open a page to pay it. `placed_by`: a person's user id, None for a key.

    Raises ChannelUnavailable, PlansUnavailable, CouponsUnavailable, InvalidInput `unknown_currency`, CurrencyNotOffered,
    PurchaseOutOfRange, RedirectNotAllowed, BadTariff, and what `open_purchase` raises.
    """
    answered = None if asked is None else find_answer(asked, now=now)
    if answered is not None:
        return CheckoutLink(**answered, is_replayed=True)
    placement = Placement(
        account_id=account_id,
        placed_by=placed_by,
        provider=_provider_of(wish),
        quote=quote_credits(
            tariff(),
            credit_nanos=wish.credit_nanos,
            currency=read_currency(wish.currency, field="currency"),
            amount_field=wish.amount_field,
        ),
        success_url=_redirect(wish.success_url, "success_url"),
        cancel_url=_redirect(wish.cancel_url, "cancel_url"),
    )
    return open_purchase(placement, asked=asked, now=now)


def _provider_of(wish: Wish) -> Provider:
    """Who takes the money. Refuses what is not sold, and a provider that is not set up, before anything is written."""
    gateway_of(wish.channel)
    provider = Provider(wish.channel)
    if wish.is_plan:
        raise PlansUnavailable("Plans are not sold yet; buy credits with type `credits`.", field="type")
    if wish.coupon:
        raise CouponsUnavailable("There are no coupons yet; leave `coupon` out.", field="coupon")
    if not is_connected(provider):
        raise ProviderUnavailable("Payments are not set up here; nothing was ordered.")
    return provider


def _redirect(url: str, field: str) -> str:
    return read_redirect(url, field=field) if url else ""
