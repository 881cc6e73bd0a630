"""The price book, usage events and their roll-ups."""

from usage.models.event import EventStatus, UsageEvent
from usage.models.price_book import COLUMN_OF_PRICE, AiModel, PriceVersion
from usage.models.rollups import UsageDay, UsageLifetime, UsageQuarter

__all__ = (
    "COLUMN_OF_PRICE",
    "AiModel",
    "EventStatus",
    "PriceVersion",
    "UsageDay",
    "UsageEvent",
    "UsageLifetime",
    "UsageQuarter",
)
