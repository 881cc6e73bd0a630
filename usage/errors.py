"""What usage refuses, by name."""

from typing import ClassVar

from core.errors import Conflict, InvalidInput, Unavailable


class UnknownModel(InvalidInput):
    """No model of that name is in the price book."""

    code: ClassVar[str] = "unknown_model"


class UnpricedModel(InvalidInput):
    """The model is known and has no price in force at that instant: refused loudly, never free."""

    code: ClassVar[str] = "unpriced_model"


class CostOutOfRange(InvalidInput):
    """A single event would cost more than $1M: a slipped digit, not a sale."""

    code: ClassVar[str] = "cost_out_of_range"


class StalePriceBook(Unavailable):
    """The price book could not be read for 45 seconds: nothing is priced by old prices."""

    code: ClassVar[str] = "price_book_stale"


class InvalidPriceList(InvalidInput):
    """The file is no price list, or has none of the models asked for."""

    code: ClassVar[str] = "invalid_price_list"


class PriceNotDraft(Conflict):
    """Only a draft can be activated, and an active price is never rewritten."""

    code: ClassVar[str] = "price_not_draft"
