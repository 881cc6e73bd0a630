"""The price book, usage events and their roll-ups."""

from usage.models.event import EventFlag, EventStatus, UsageEvent
from usage.models.price_book import COLUMN_OF_PRICE, AiModel, PriceMultiplier, PriceVersion, ProviderCost
from usage.models.rollups import UncountedBlock, UsageDay, UsageLifetime, UsageQuarter

__all__ = (
    "COLUMN_OF_PRICE",
    "AiModel",
    "EventFlag",
    "EventStatus",
    "PriceMultiplier",
    "PriceVersion",
    "ProviderCost",
    "UncountedBlock",
    "UsageDay",
    "UsageEvent",
    "UsageLifetime",
    "UsageQuarter",
)
