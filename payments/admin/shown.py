"""How the console writes what payments are made of: card money, statuses, and what is at a provider."""

from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote

from django.conf import settings
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from accounts.models import User
from core.console.shown import EMPTY, copyable, link, page_url, shortened, titled
from core.currencies import EXPONENT_OF, minor_text
from payments.gateways.stripe_client import host
from payments.models import Order, PaymentAttempt, PaymentReview, Provider, ProviderEvent
from payments.transitions import AttemptStatus, EventStatus, OrderStatus

STRIPE_DASHBOARD: Final = "https://dashboard.stripe.com"
DASHBOARD_PLACES: Final = {"pi": "payments", "evt": "events", "cus": "customers"}
"""Where Stripe's own pages are, by the beginning of an id. A checkout session has no page of its own there."""

SHOWN_OF_ORDER: Final = 12

TONES: Final[Mapping[str, str]] = {
    OrderStatus.PAID: "is-calm",
    OrderStatus.PENDING: "is-waiting",
    OrderStatus.IN_REVIEW: "",
    AttemptStatus.SETTLED: "is-calm",
    AttemptStatus.OPENING: "is-waiting",
    AttemptStatus.OPEN: "is-waiting",
    AttemptStatus.PROCESSING: "is-waiting",
    EventStatus.DONE: "is-calm",
    EventStatus.WAITING: "is-waiting",
    EventStatus.CLAIMED: "is-waiting",
}
"""A status's colour: green, orange, or by an empty word the red of what needs a hand. Others are grey."""


def card_money(minor: int | None, currency: str) -> str:
    """Card money, exact, with its currency: `19.99 USD`. Minor units as they are where we do not deal in the currency."""
    if minor is None:
        return EMPTY
    return f"{minor_text(minor, currency)} {currency}" if currency in EXPONENT_OF else f"{minor} minor units of {currency or 'nothing'}"


def tag(status: str, *, tone: str | None = None) -> SafeString:
    """A status in words, in its colour."""
    shade = TONES.get(status, "is-plain") if tone is None else tone
    return format_html('<span class="console-tag {}">{}</span>', shade, status.replace("_", " "))


def event_tag(event: ProviderEvent) -> SafeString:
    """The same for an event: given up is what needs a hand."""
    return tag("given up", tone="") if event.status == EventStatus.FAILED else tag(event.status)


def review_tag(review: PaymentReview) -> SafeString:
    """Open, or how it was resolved."""
    return tag("open", tone="") if review.resolved_at is None else tag(review.get_resolution_display(), tone="is-calm")


def mode(livemode: bool) -> str:  # noqa: FBT001 - the one thing it is about
    """`live` or `test`; said so where it is not this deployment's."""
    name = "live" if livemode else "test"
    return name if livemode is settings.STRIPE_LIVE_MODE else f"{name}: not ours"


def at_provider(text: str | None, *, provider: str, livemode: bool) -> str:
    """A provider's id to copy, with a link to the provider's own page of it, unless something stands in for the provider."""
    if not text:
        return EMPTY
    shown = copyable(text, shown=shortened(text))
    place = DASHBOARD_PLACES.get(text.partition("_")[0])
    if provider != Provider.STRIPE or place is None or host():
        return shown
    url = f"{STRIPE_DASHBOARD}/{'' if livemode else 'test/'}{place}/{quote(text, safe='')}"
    return format_html('{} <a class="text-link" href="{}" target="_blank" rel="noopener noreferrer">at Stripe</a>', shown, url)


def short_id(order: Order) -> str:
    """The beginning of an order's id, which tells it from others in a list; its page has all of it to copy."""
    return order.public_id[:SHOWN_OF_ORDER]


def order_link(order: Order | None) -> str:
    """An order's page."""
    return EMPTY if order is None else link(page_url("payments_order", order.pk), short_id(order))


def attempt_link(attempt: PaymentAttempt | None) -> str:
    """An attempt's page."""
    return EMPTY if attempt is None else link(page_url("payments_paymentattempt", attempt.pk), f"attempt {attempt.pk}")


def event_link(event: ProviderEvent | None) -> str:
    """An event's page."""
    return EMPTY if event is None else link(page_url("payments_providerevent", event.pk), event.type)


def person_link(user_id: int | None) -> str:
    """A person's page, by the e-mail; nothing where no person acted."""
    if user_id is None:
        return EMPTY
    email = User.objects.filter(pk=user_id).values_list("email", flat=True).first()
    return link(page_url("accounts_user", user_id), email) if email else f"person {user_id}"


def links(found: Iterable[SafeString]) -> str:
    """Several links in one field."""
    return format_html_join(", ", "{}", ((each,) for each in found)) or EMPTY


def order_column(row: Any) -> str:  # noqa: ANN401 - a row of any model with an order
    """The row's order, as a link."""
    return order_link(row.order)


def orders_account(row: Any) -> str:  # noqa: ANN401 - a row of any model with an order
    """The account of the row's order, as a link."""
    order = row.order
    return EMPTY if order is None else link(page_url("accounts_account", order.account_id), order.account)


titled(order_column, "order_column", "Order")
titled(orders_account, "orders_account", "Account")
