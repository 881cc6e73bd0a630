"""What an order's page shows beside its own fields: its lines, and from each try to pay it to the entry in the ledger."""

from collections.abc import Callable
from typing import Final

from django.db.models import Q
from django.http import HttpRequest

from core.console.cards import Card, Row
from core.console.shown import EMPTY, amount, link, list_url, page_url
from core.models import AuditRecord
from credits.selectors import list_grants_of_source
from payments.admin.comparing import came_money, owed_money
from payments.admin.shown import at_provider, attempt_link, card_money, event_link, event_tag, review_tag, tag
from payments.models import Order, PaymentAttempt
from payments.services.purchases import ORDER_SOURCE

LATEST: Final = 20
"""Rows of each kind on the page; an order has few of any."""


def order_cards(request: HttpRequest, order: Order) -> list[Card]:
    """The cards that this operator may see."""
    may = request.user.has_perm
    return [build(order) for permission, build in CARDS if may(permission)]


def lines(order: Order) -> Card:
    """What was ordered."""
    rows: list[Row] = [
        (
            line.get_kind_display(),
            line.description,
            line.sku,
            card_money(line.amount_minor, order.currency),
            amount(line.credit_nanos) if line.credit_nanos else EMPTY,
        )
        for line in order.lines.all()
    ]
    headings = ("Line", "Description", "SKU", "Amount", "Credits")
    return Card("What was ordered", "", headings, rows, "Nothing.", is_wide=True)


def attempts(order: Order) -> Card:
    """Each try to pay it, and what the provider says of it."""
    rows: list[Row] = [
        (
            attempt_link(row),
            tag(row.status),
            _at_provider(row, row.session_id),
            _at_provider(row, row.payment_id),
            card_money(row.settled_minor, row.settled_currency),
            row.failure_reason or row.failure_code or EMPTY,
            row.created_at,
        )
        for row in order.attempts.order_by("-pk")[:LATEST]
    ]
    headings = ("Attempt", "Status", "Session", "Payment", "Amount", "Last failure", "Since")
    return Card("Attempts", _all_of("payments_paymentattempt", order), headings, rows, "Nobody has tried to pay it.", is_wide=True)


def provider_events(order: Order) -> Card:
    """What the provider told us about it."""
    rows: list[Row] = [
        (event_link(row), event_tag(row), row.get_outcome_display() or EMPTY, attempt_link(row.attempt), row.received_at)
        for row in order.provider_events.select_related("attempt").order_by("-pk")[:LATEST]
    ]
    headings = ("Event", "Status", "What came of it", "Attempt", "Received")
    return Card("Provider events", _all_of("payments_providerevent", order), headings, rows, "None yet.", is_wide=True)


def reviews(order: Order) -> Card:
    """What did not fit, and what was decided."""
    rows: list[Row] = [
        (
            link(page_url("payments_paymentreview", row.pk), row.get_reason_display()),
            review_tag(row),
            owed_money(row),
            came_money(row),
            row.opened_at,
        )
        for row in order.reviews.order_by("-pk")[:LATEST]
    ]
    headings = ("Review", "State", "Owed", "Came", "Opened")
    return Card("Reviews", _all_of("payments_paymentreview", order), headings, rows, "Everything fitted.", is_wide=True)


def delivered(order: Order) -> Card:
    """The grants it has issued, and the entries that booked them."""
    issued = list_grants_of_source(account_id=order.account_id, source_type=ORDER_SOURCE, source_id=order.public_id, limit=LATEST)
    rows: list[Row] = [
        (
            link(page_url("credits_grant", each.grant.pk), f"grant {each.grant.pk}"),
            amount(each.grant.amount_nanos),
            amount(each.grant.remaining_nanos),
            card_money(each.grant.cost_basis_minor, each.grant.cost_basis_currency),
            link(page_url("credits_ledgerentry", each.entry.pk), f"entry {each.entry.seq}") if each.entry else "not yet booked",
            each.entry.created_at if each.entry else EMPTY,
        )
        for each in issued
    ]
    url = list_url("credits_grant", f"account__id__exact={order.account_id}")
    headings = ("Grant", "Amount", "Remaining", "Paid for it", "Ledger entry", "Booked")
    return Card("Credits delivered", url, headings, rows, "Nothing was delivered.", is_wide=True)


def operators_acts(order: Order) -> Card:
    """What operators did to it, to its events and to its reviews."""
    about = Q(object_type="order", object_id=order.public_id)
    for kind, pks in (("payment_review", order.reviews), ("provider_event", order.provider_events)):
        about |= Q(object_type=kind, object_id__in=[str(pk) for pk in pks.order_by("-pk").values_list("pk", flat=True)[:LATEST]])
    records = AuditRecord.objects.filter(about).select_related("actor").order_by("-id")[:LATEST]
    rows: list[Row] = [
        (link(page_url("core_auditrecord", row.pk), row.act), row.actor.email if row.actor else "the server", row.reason, row.created_at)
        for row in records
    ]
    url = list_url("core_auditrecord", f"account_id={order.account_id}")
    return Card("What operators did", url, ("Act", "Operator", "Reason", "When"), rows, "Nothing.", is_wide=True)


CARDS: Final[tuple[tuple[str, Callable[[Order], Card]], ...]] = (
    ("payments.view_orderline", lines),
    ("payments.view_paymentattempt", attempts),
    ("payments.view_providerevent", provider_events),
    ("payments.view_paymentreview", reviews),
    ("credits.view_grant", delivered),
    ("core.view_auditrecord", operators_acts),
)


def _at_provider(attempt: PaymentAttempt, text: str | None) -> str:
    return at_provider(text, provider=attempt.provider, livemode=attempt.livemode)


def _all_of(app_and_model: str, order: Order) -> str:
    return list_url(app_and_model, f"order__id__exact={order.pk}")
