"""Plots of the analytics page, as Chart.js reads them, which comes with unfold. Each shows what a table beneath says in full."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from billing_platform.console.analytics_period import Period
from billing_platform.console.analytics_tables import Table, instant_words
from core.money import usd_number
from credits.selectors.revenue import Revenue
from usage.selectors.platform import Used

BLUE, AMBER, RED, GREEN, GREY = "#3b82f6", "#f59e0b", "#ef4444", "#22c55e", "#9ca3af"
BARS: Final = 10
_CHARGED: Final = {"model": "models", "account": "accounts", "key": "API keys"}


@dataclass(frozen=True)
class Plot:
    """`kind`: the component of unfold. `data` and `options` are JSON; `says` describes it to whoever does not see it."""

    title: str
    says: str
    kind: str
    data: str
    options: str
    is_empty: bool


def bearers(period: Period, days: dict[date, Revenue]) -> Plot:
    """Who bore what was charged, by day."""
    found = [days.get(day, Revenue()) for day in period.days]
    series = {"Paid": (BLUE, "paid"), "Promotional": (AMBER, "promo"), "Owed": (RED, "owed")}
    sets = [_bars(name, [usd_number(getattr(day, field)) for day in found], color) for name, (color, field) in series.items()]
    says = "Stacked bars: usage of each day paid by paid credits, by promotional credits, and owed."
    return _plot("Charged by day, by who bore it ($)", says, period.days, sets)


def margins(period: Period, used: dict[date | datetime, Used]) -> Plot:
    """What providers cost, and what is left of the charge of those calls."""
    at = _times(period)
    found = [used.get(each, Used()) for each in at]
    sets = [
        _bars("Provider cost", [usd_number(each.provider_cost) for each in found], GREY),
        _bars("Margin", [usd_number(each.margin) for each in found], GREEN),
    ]
    says = "Stacked bars: provider cost and margin, of calls whose provider cost is known."
    return _plot("Provider cost and margin, where the cost is known ($)", says, at, sets)


def calls(period: Period, used: dict[date | datetime, Used]) -> Plot:
    """Events, and those that failed."""
    at = _times(period)
    found = [used.get(each, Used()) for each in at]
    sets = [_bars("Not failed", [each.events - each.failed for each in found], BLUE), _bars("Failed", [each.failed for each in found], RED)]
    return _plot("Events, with the failed ones", "Stacked bars: events, failed ones apart.", at, sets)


def most_charged(table: Table) -> Plot:
    """The groups of a breakdown that were charged most, as bars that lie."""
    shown = table.charged[:BARS]
    groups = _CHARGED[table.name]
    sets = [_bars("Charged", [usd_number(nanos) for _, nanos in shown], BLUE)]
    says = f"Bars: what was charged for each of the {groups} that were charged most."
    return _plot(f"{groups[0].upper()}{groups[1:]} that were charged most ($)", says, [name for name, _ in shown], sets, lying=True)


def has_most_charged(table: Table) -> bool:
    """Whether a table is a breakdown that has such a plot."""
    return table.name in _CHARGED


def _times(period: Period) -> Sequence[date | datetime]:
    return period.hours or period.days


def _bars(name: str, values: Sequence[float], color: str) -> dict[str, Any]:
    return {"label": name, "data": list(values), "backgroundColor": color, "maxBarThickness": 28}


def _plot(title: str, says: str, groups: Sequence[object], sets: list[dict[str, Any]], *, lying: bool = False) -> Plot:
    labels = [instant_words(group) if isinstance(group, date) else str(group) for group in groups]
    is_empty = not any(any(each["data"]) for each in sets)
    data = {"labels": labels, "datasets": sets}
    return Plot(title, says, "unfold/components/chart/bar.html", json.dumps(data), json.dumps(_options(lying=lying)), is_empty)


def _options(*, lying: bool) -> dict[str, Any]:
    ticks = {"color": GREY, "autoSkip": True, "maxRotation": 0}
    plain = {"stacked": True, "grid": {"display": False}, "border": {"display": False}, "ticks": ticks}
    counted = plain | {"grid": {"display": True, "tickLength": 0}, "beginAtZero": True}
    return {
        "animation": False,
        "responsive": True,
        "maintainAspectRatio": False,
        "indexAxis": "y" if lying else "x",
        "scales": {"x": counted, "y": plain} if lying else {"x": plain, "y": counted},
        "plugins": {
            "legend": {"display": not lying, "position": "top", "align": "end", "labels": {"color": GREY, "boxWidth": 10, "boxHeight": 10}},
        },
    }
