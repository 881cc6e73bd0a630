"""The list of orders, and the one act on an order: cancelling it."""

from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, Final

from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.functional import cached_property
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.enums import ActionVariant

from core import clock
from core.console.dialogs import ReasonForm, dialog_action, done, operator_id
from core.console.filters import Question, QuestionFilter
from core.console.shown import account_link, amount, page_url
from core.console.sources import found_in
from core.currencies import EXPONENT_OF
from core.zones import utc_midnight
from payments.admin.rows import PaymentRowsAdmin, attempts_named
from payments.admin.shown import card_money, short_id, tag
from payments.models import Order, PaymentReview
from payments.models.order import ORDER_PREFIX
from payments.selectors import credit_nanos_of
from payments.services.cancelling import cancel_order_as_operator
from payments.services.purchases import ORDER_SOURCE
from payments.tariff import tariff
from payments.transitions import OrderStatus

if TYPE_CHECKING:
    from unfold.dataclasses import UnfoldAction

LONG_PENDING: Final = timedelta(hours=1)
LATE_CLOSING: Final = timedelta(minutes=15)
"""An order is closed within minutes of its end; later than this, whatever closes orders stands still."""

NO_MONEY: Final = (OrderStatus.EXPIRED, OrderStatus.CANCELLED, OrderStatus.FAILED)


def _reviewed(**which: object) -> Q:
    """Orders with a review like this. Reviews are few; every sum that came and did not pay its order has one (invariant 8)."""
    return Q(pk__in=PaymentReview.objects.filter(order__isnull=False, **which).values("order_id"))


class OrderState(QuestionFilter):
    """What an operator looks for among orders."""

    title = "state"
    parameter_name = "state"
    questions = {
        "uncredited": ("Paid and not credited: a decision is open", lambda _now: _reviewed(resolved_at=None)),
        "pending_long": ("Pending over an hour", lambda now: Q(status=OrderStatus.PENDING, created_at__lte=now - LONG_PENDING)),
        "declined": ("Declined, still pending", lambda _now: Q(status=OrderStatus.PENDING) & ~Q(failure_code="")),
        "late": ("Pending past its end: should be closed", lambda now: Q(status=OrderStatus.PENDING, expires_at__lte=now - LATE_CLOSING)),
        "paid_today": ("Paid today (UTC)", lambda now: Q(status=OrderStatus.PAID, paid_at__gte=utc_midnight(now))),
        "no_money": ("Expired, cancelled or failed", lambda _now: Q(status__in=NO_MONEY)),
        "settled_outside": ("Paid, and dealt with outside", lambda _now: _reviewed(resolution="closed")),
    }


def _in_currency(code: str) -> Question:
    return code, lambda _now: Q(currency=code)


class CurrencyFilter(QuestionFilter):
    """Offers the currencies that are sold in now; to look for others in the table would be to read all of it."""

    title = "currency"
    parameter_name = "currency"
    questions = {code: _in_currency(code) for code in sorted(EXPONENT_OF)}

    def lookups(self, request: HttpRequest, model_admin: "ModelAdmin[Model]") -> list[tuple[str, str]]:
        return [(code, code) for code in sorted(tariff().micro_minor_per_usd)]


class CancelForm(ReasonForm):
    """Why an order is cancelled."""

    @cached_property
    def order(self) -> Order:
        """The order it was opened on. Raises Http404."""
        return self.opened_on(Order.objects.select_related("account"))

    def lines_before(self) -> list[tuple[str, str]]:
        order = self.order
        return [
            ("Order", order.public_id),
            ("Account", str(order.account)),
            ("Amount", card_money(order.amount_minor, order.currency)),
            ("Status", f"{order.status} → {OrderStatus.CANCELLED}"),
        ]


found_in(ORDER_SOURCE, "payments_order")


class OrderList(PaymentRowsAdmin[Order]):
    """Orders, newest first, and the act of cancelling one. Its page adds what else belongs to an order."""

    account_path = "account_id"
    indexed = {"state": frozenset({"uncredited", "pending_long", "declined", "late", "paid_today", "settled_outside"})}

    list_display = (
        "shown_id",
        account_link,
        "status_tag",
        "amount_money",
        "credits_money",
        "created_at",
        "paid_at",
        "last_failure",
    )
    list_display_links = ("shown_id",)
    list_filter = (OrderState, ("status", ChoicesDropdownFilter), CurrencyFilter)
    search_help_text = "An account (its id, or an e-mail), an order (ord_…), or a session or payment of the provider"
    actions_detail: ClassVar[tuple[str, ...]] = ("cancel",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Order]:
        return super().get_queryset(request).prefetch_related("lines")

    def named(self, word: str) -> Q:
        return Q(public_id=word) if word.startswith(ORDER_PREFIX) else Q(pk__in=attempts_named(word).values("order_id"))

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> "list[UnfoldAction]":
        """Cancelling is offered while nobody has paid; the service refuses otherwise anyway."""
        waits = str(object_id).isdecimal() and Order.objects.filter(pk=object_id, status=OrderStatus.PENDING).exists()
        acts: list[UnfoldAction] = super().get_actions_detail(request, object_id) if waits else []  # type: ignore[misc]
        return acts

    @admin.display(description="Order")
    def shown_id(self, order: Order) -> str:
        return short_id(order)

    @admin.display(description="Status")
    def status_tag(self, order: Order) -> str:
        return tag(order.status)

    @admin.display(description="Amount")
    def amount_money(self, order: Order) -> str:
        return card_money(order.amount_minor, order.currency)

    @admin.display(description="Credits")
    def credits_money(self, order: Order) -> str:
        return amount(credit_nanos_of(order))

    @admin.display(description="Last failure")
    def last_failure(self, order: Order) -> str:
        return order.failure_reason or order.failure_code

    @dialog_action(
        "Cancel order",
        permissions=("payments.cancel_order", "payments.view_order"),
        form=CancelForm,
        icon="cancel",
        submit="Cancel the order for good",
        explains="Its pages at the provider are closed first. If somebody pays meanwhile it is paid, and this says so.",
        variant=ActionVariant.DANGER,
    )
    def cancel(self, request: HttpRequest, form: CancelForm, object_id: str) -> HttpResponse:
        """End an order that nobody has paid."""
        order = cancel_order_as_operator(
            order_pk=form.order.pk, actor_id=operator_id(request), reason=form.cleaned_data["reason"], now=clock.now()
        )
        return done(request, page_url("payments_order", object_id), f"The order is {order.status}.")
