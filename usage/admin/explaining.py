"""The card on a ledger entry's page that says why a call was charged what it was."""

from fractions import Fraction

from core.console.cards import Card, Row
from core.console.shown import EMPTY, link, page_url, usd
from core.console.sources import explained_by
from core.errors import NotFound
from core.money import exact_nanos_text, exact_text
from usage.rating import BASIS_POINTS
from usage.selectors import UsageEvent, get_event
from usage.services.explaining import Rating, explain_cost


def why_card(account_id: int, event_id: str) -> Card | None:
    """Quantities times prices, multipliers, the one rounding; what of it was charged."""
    try:
        event = get_event(account_id=account_id, event_id=event_id)
    except NotFound:
        return None
    rating = explain_cost(event)
    rows = _cost_rows(event) if rating is None else [*_part_rows(rating), *_sum_rows(event, rating)]
    absorbed: list[Row] = [("Absorbed by us", "", "", usd(event.absorbed_nanos))] if event.absorbed_nanos else []
    charged: Row = ("Charged", "", "", usd(event.charged_nanos))
    headings = ("Of what", "How much", "Price", "Is")
    return Card("Why this charge", "", headings, [*rows, *absorbed, charged], "", is_wide=True)


def _cost_rows(event: UsageEvent) -> list[Row]:
    by = "the sender's own meter" if event.price_version_id is None else f"price version {event.price_version_id}, which is gone"
    return [("Cost", "", f"by {by}", usd(event.cost_nanos))]


def _part_rows(rating: Rating) -> list[Row]:
    return [
        (
            part.name.replace("_", " ").capitalize(),
            f"{part.charged:,}" if part.charged == part.reported else f"{part.charged:,} of {part.reported:,}: the call failed",
            f"{usd(part.price_nanos)}{' / 1M' if part.per > 1 else ''}",
            _nanos(part.exact_nanos),
        )
        for part in rating.parts
        if part.reported
    ]


def _sum_rows(event: UsageEvent, rating: Rating) -> list[Row]:
    version = link(page_url("usage_priceversion", rating.version.pk), rating.version)
    agrees = "" if rating.cost_nanos == event.cost_nanos and rating.was_in_force else "DISAGREES: booked was "
    return [
        ("Sum", "", version, _nanos(rating.sum_nanos)),
        ("Times the version's multiplier", _factor(rating.version.multiplier_bp), "", EMPTY),
        ("Times the customer's multiplier", _factor(rating.multiplier_bp), "", _nanos(rating.unrounded_nanos)),
        ("Cost", "rounded once, half to even", "", f"{agrees}{usd(event.cost_nanos)}"),
    ]


def _factor(bp: int) -> str:
    return f"× {exact_text(bp, BASIS_POINTS, 0)}"


def _nanos(exact: Fraction) -> str:
    return f"{exact_nanos_text(exact)} nanos"


explained_by("usage_event", "usage.view_usageevent", why_card)
