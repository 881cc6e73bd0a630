"""What a call would cost, by the same price book and the same function that book it."""

from dataclasses import dataclass
from datetime import datetime

from usage.rating import Quantities, rate
from usage.services.price_book import PRICE_BOOK


@dataclass(frozen=True, slots=True)
class Estimate:
    """A price and what it was made of."""

    model: str
    price_version: int
    cost_nanos: int


def estimate_cost(*, model: str, used: Quantities, now: datetime) -> Estimate:
    """
    The cost of these quantities at `now`. Books nothing.

    Raises UnknownModel, UnpricedModel, CostOutOfRange, StalePriceBook.
    """
    priced = PRICE_BOOK.current(now).in_force(model, now)
    return Estimate(model, priced.version_id, rate(priced.prices, used))
