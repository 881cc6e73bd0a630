"""What a review found: what we were owed beside what the provider said came."""

from collections.abc import Iterator, Mapping
from typing import Any

from django.utils.html import format_html, format_html_join

from core.console.shown import EMPTY
from payments.admin.shown import card_money
from payments.models import PaymentReview

Compared = tuple[str, object, object]
"""A word, ours, theirs."""


def owed_money(review: PaymentReview) -> str:
    """What the order asked for when the money came."""
    return _owed(review) or EMPTY


def came_money(review: PaymentReview) -> str:
    """What the provider said it received."""
    return _came(review) or EMPTY


def comparison(review: PaymentReview, *, livemode: bool) -> str:
    """A table of both sides, with a mark where they differ. `livemode`: our own."""
    rows = (
        (
            "is-different" if ours and theirs and ours != theirs else "",
            word,
            ours or EMPTY,
            theirs or EMPTY,
        )
        for word, ours, theirs in _compared(review, _mode(livemode))
        if ours or theirs
    )
    body = format_html_join("", '<tr class="{}"><th scope="row">{}</th><td>{}</td><td>{}</td></tr>', rows)
    return format_html(
        '<table class="console-compare"><thead><tr><td></td><th scope="col">Ours</th><th scope="col">Theirs</th></tr></thead>'
        "<tbody>{}</tbody></table>",
        body,
    )


def _compared(review: PaymentReview, our_mode: str) -> Iterator[Compared]:
    found, order, attempt, event = review.found, review.order, review.attempt, review.event
    said: Mapping[str, Any] = found.get("said", found)
    yield "Mode", our_mode, _mode(said["livemode"]) if "livemode" in said else ""
    yield "Event", "", event and event.event_id
    yield "Type", "", event and event.type
    yield "Amount", _owed(review), _came(review)
    yield "Order", order and order.public_id, said.get("order_id")
    yield "Attempt", attempt and attempt.idempotency_key, said.get("attempt_key")
    yield "Session", attempt and attempt.session_id, said.get("session_id")
    yield "Payment", attempt and attempt.payment_id, said.get("payment_id")
    yield "Order then", found.get("owed", {}).get("order_status"), ""
    yield "Payment then", "", said.get("state")
    yield "Why not credited", found.get("why"), ""


def _owed(review: PaymentReview) -> str:
    return _money(review.found.get("owed", {}))


def _came(review: PaymentReview) -> str:
    return _money(review.found.get("said", {}))


def _money(side: Mapping[str, Any]) -> str:
    return card_money(side["amount_minor"], side["currency"]) if "amount_minor" in side else ""


def _mode(livemode: bool) -> str:  # noqa: FBT001 - the one thing it is about
    return "live" if livemode else "test"
