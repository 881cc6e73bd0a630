"""Reads of usage: events one by one, and reports from the roll-ups."""

from usage.selectors.coverage import DAYS_MAX, Coverage, Grouping, Period, days_coverage, history_coverage, stats_coverage
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
from usage.selectors.standing import FOLDED_LATE, find_fold, uncounted_long

__all__ = (
    "DAYS_MAX",
    "EVENT_ID_COLLATION",
    "FOLDED_LATE",
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
    "days_coverage",
    "find_fold",
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
    "uncounted_long",
)
