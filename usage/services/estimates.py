"""What a call would cost, by the same price book and the same function that book it."""

from dataclasses import dataclass
from datetime import datetime

from usage.rating import Quantities, rate
from usage.services.price_book import PRICE_BOOK, Customer


@dataclass(frozen=True, slots=True)
class Estimate:
    """A cost and what it was made of: the price's own multiplier, and the customer's, in basis points."""

    model: str
    price_version: int
    multiplier_bp: int
    customer_multiplier_bp: int
    cost_nanos: int


def estimate_cost(*, account: Customer, model: str, used: Quantities, now: datetime) -> Estimate:
    """
    What these quantities cost this account at `now`. Books nothing.

    Raises UnknownModel, UnpricedModel, CostOutOfRange, StalePriceBook.
    """
    book = PRICE_BOOK.current(now)
    priced = book.in_force(model, now)
    multiplier = book.multiplier(account, priced.model_id, now)
    cost = rate(priced.prices, used, multiplier_bp=multiplier.bp)
    return Estimate(model, priced.version_id, priced.prices.multiplier_bp, multiplier.bp, cost)
