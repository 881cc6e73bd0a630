"""The price book, usage events and their roll-ups."""

from usage.models.event import EventFlag, EventStatus, UsageEvent
from usage.models.platform import AccountDay, FoldedAccount, FoldMark, PlatformDay, PlatformHour
from usage.models.price_book import COLUMN_OF_PRICE, AiModel, PriceMultiplier, PriceVersion, ProviderCost, covers, in_force
from usage.models.rollups import UncountedBlock, UsageDay, UsageLifetime, UsageQuarter
from usage.models.shadow import DAYS_MAX, ShadowRun, ShadowStatus

__all__ = (
    "COLUMN_OF_PRICE",
    "DAYS_MAX",
    "AccountDay",
    "AiModel",
    "EventFlag",
    "EventStatus",
    "FoldMark",
    "FoldedAccount",
    "PlatformDay",
    "PlatformHour",
    "PriceMultiplier",
    "PriceVersion",
    "ProviderCost",
    "ShadowRun",
    "ShadowStatus",
    "UncountedBlock",
    "UsageDay",
    "UsageEvent",
    "UsageLifetime",
    "UsageQuarter",
    "covers",
    "in_force",
)
