"""Reads of usage: events one by one, and reports from the roll-ups."""

from usage.selectors.coverage import DAYS_MAX, Coverage, Grouping, Period, history_coverage, stats_coverage
from usage.selectors.events import (
    EVENT_ID_COLLATION,
    Position,
    PriceVersion,
    RecentEvents,
    UsageEvent,
    find_lifetime,
    get_event,
    list_prices,
    list_recent_events,
    model_codes_of_events,
)
from usage.selectors.reports import (
    CallStats,
    DayLine,
    DaysReport,
    ModelLine,
    Sums,
    Window,
    read_call_stats,
    read_days,
    read_windows,
)

__all__ = (
    "DAYS_MAX",
    "EVENT_ID_COLLATION",
    "CallStats",
    "Coverage",
    "DayLine",
    "DaysReport",
    "Grouping",
    "ModelLine",
    "Period",
    "Position",
    "PriceVersion",
    "RecentEvents",
    "Sums",
    "UsageEvent",
    "Window",
    "find_lifetime",
    "get_event",
    "history_coverage",
    "list_prices",
    "list_recent_events",
    "model_codes_of_events",
    "read_call_stats",
    "read_days",
    "read_windows",
    "stats_coverage",
)
