"""Usage in the admin: models and their prices, events, roll-ups."""

from usage.admin.events import UsageEventAdmin
from usage.admin.explaining import why_card
from usage.admin.multipliers import PriceMultiplierAdmin
from usage.admin.prices import AiModelAdmin, PriceVersionAdmin
from usage.admin.rollups import UsageDayAdmin, UsageLifetimeAdmin, UsageQuarterAdmin
from usage.admin.shadow import ShadowRunAdmin

__all__ = (
    "AiModelAdmin",
    "PriceMultiplierAdmin",
    "PriceVersionAdmin",
    "ShadowRunAdmin",
    "UsageDayAdmin",
    "UsageEventAdmin",
    "UsageLifetimeAdmin",
    "UsageQuarterAdmin",
    "why_card",
)
