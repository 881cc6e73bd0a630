"""The order's page: what was ordered, each try to pay it, what the provider told us, what was delivered, and who acted on it."""

from dataclasses import dataclass
from typing import Any, Final

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.http import HttpRequest, HttpResponse

from billing_platform.console.order_cards import order_cards
from core.console.cards import Card
from core.console.shown import account_link, copyable, fields
from payments.admin.orders import OrderList
from payments.admin.shown import attempt_link, person_link
from payments.models import Order

OWN_PAGE: Final = "/payment/return/"
"""In the address of our own page after a checkout, which shows the order to whoever has it."""


@dataclass(frozen=True)
class OrderPage:
    """What this operator may see of an order beside its own fields."""

    cards: list[Card]


@admin.register(Order)
class OrderAdmin(OrderList):
    """One purchase. What is owed never changes; an operator cancels it, or decides its review."""

    change_form_outer_after_template = "admin/console/cards_below.html"

    fieldsets = (
        (
            None,
            {
                "fields": fields(
                    fields("whole_id", account_link),
                    fields("status_tag", "amount_money", "credits_money"),
                    fields("paid_with", "last_failure"),
                    fields("placed_by_person", "led_back_to"),
                )
            },
        ),
        ("When", {"fields": fields(fields("created_at", "expires_at"), fields("paid_at", "closed_at"))}),
    )
    readonly_fields = (
        "whole_id",
        "status_tag",
        "amount_money",
        "credits_money",
        "paid_with",
        "last_failure",
        "placed_by_person",
        "led_back_to",
    )

    @admin.display(description="Order")
    def whole_id(self, order: Order) -> str:
        return copyable(order.public_id)

    @admin.display(description="Paid with")
    def paid_with(self, order: Order) -> str:
        return attempt_link(order.paid_attempt)

    @admin.display(description="Placed by")
    def placed_by_person(self, order: Order) -> str:
        return person_link(order.placed_by) if order.placed_by else "a key"

    @admin.display(description="Led back to")
    def led_back_to(self, order: Order) -> str:
        """Our own page's address opens it without a login, so it is named and not shown."""
        return "our own page" if OWN_PAGE in order.success_url else order.success_url

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        order = self.get_object(request, unquote(object_id))
        context = dict(extra_context or {})
        if order is not None and self.has_view_permission(request, order):
            context |= {"page": OrderPage(order_cards(request, order)), "title": f"Order {order.public_id}", "subtitle": None}
        return super().change_view(request, object_id, form_url, context)
