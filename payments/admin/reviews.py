"""The page of reviews: money that came and was not credited by rule, and what an operator decides about it."""

from typing import TYPE_CHECKING, ClassVar

from django.conf import settings
from django.contrib import admin
from django.db.models import F, Q
from django.http import HttpRequest, HttpResponse
from django.utils.functional import cached_property
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.enums import ActionVariant

from core import clock
from core.console.dialogs import ReasonForm, dialog_action, done, operator_id
from core.console.filters import QuestionFilter
from core.console.shown import EMPTY, both, fields, page_url
from credits.services.wallets import read_wallet
from payments.admin.comparing import came_money, comparison, owed_money
from payments.admin.rows import FoundByName, attempts_named
from payments.admin.shown import attempt_link, event_link, order_column, orders_account, person_link, review_tag
from payments.models import PaymentReview, Provider, ReviewReason
from payments.models.order import ORDER_PREFIX
from payments.selectors import credit_nanos_of
from payments.services.reviews import CREDITABLE, close_review, credit_review, is_creditable
from payments.transitions import OrderStatus

if TYPE_CHECKING:
    from unfold.dataclasses import UnfoldAction


class ReviewState(QuestionFilter):
    """What an operator looks for among reviews."""

    title = "state"
    parameter_name = "state"
    questions = {
        "open": ("Open: to be decided", lambda _now: Q(resolved_at=None)),
        "creditable": (
            "Open, and it could be credited",
            lambda _now: Q(resolved_at=None, reason__in=sorted(CREDITABLE)) & ~Q(order__status__in=(OrderStatus.PAID, OrderStatus.PENDING)),
        ),
        "credited": ("Credited after all", lambda _now: Q(resolution="credited")),
        "closed": ("Closed: dealt with outside", lambda _now: Q(resolution="closed")),
    }


class ReviewForm(ReasonForm):
    """A dialog on a review."""

    @cached_property
    def review(self) -> PaymentReview:
        """The review it was opened on. Raises Http404."""
        return self.opened_on(PaymentReview.objects.select_related("order__account", "attempt", "event"))

    @property
    def order_after(self) -> str:
        """Where the act leaves the order."""
        raise NotImplementedError

    def lines_before(self) -> list[tuple[str, str]]:
        review, order = self.review, self.review.order
        lines = [("Why", review.get_reason_display()), ("Owed", owed_money(review)), ("Came", came_money(review))]
        if order is None:
            return lines
        return [*lines, ("Account", str(order.account)), ("Order", f"{order.status} → {self.order_after}")]


class CreditReviewForm(ReviewForm):
    """Shows what crediting does to the balance, before it is done."""

    order_after = OrderStatus.PAID.value

    def lines_before(self) -> list[tuple[str, str]]:
        lines, order = super().lines_before(), self.review.order
        if order is None or not is_creditable(self.review):
            return lines
        nanos = credit_nanos_of(order)
        before = read_wallet(account_id=order.account_id, now=clock.now()).balance_nanos
        return [*lines, ("Credits", both(nanos)), ("Balance", f"{both(before)} → {both(before + nanos)}")]


class CloseReviewForm(ReviewForm):
    """Says what becomes of the order."""

    @property
    def order_after(self) -> str:
        order = self.review.order
        if order is None:
            return EMPTY
        waits_for_others = order.reviews.filter(resolved_at=None).exclude(pk=self.review.pk).exists()
        return OrderStatus.CANCELLED if order.status == OrderStatus.IN_REVIEW and not waits_for_others else order.status


@admin.register(PaymentReview)
class PaymentReviewAdmin(FoundByName[PaymentReview]):
    """A review a row, open ones first. There are few: each is money, or an event, that fitted nothing."""

    account_path = "order__account_id"

    list_display = ("opened_at", "state", "reason", order_column, orders_account, "owed", "came", "resolved_at")
    list_display_links = ("opened_at",)
    list_filter = (ReviewState, ("reason", ChoicesDropdownFilter))
    list_select_related = ("order__account", "attempt", "event")
    search_help_text = "An account (its id, or an e-mail), an order (ord_…), an event (evt_…), or a session or payment of the provider"
    ordering = (F("resolved_at").desc(nulls_first=True), "-id")
    fieldsets = (
        (
            None,
            {"fields": fields("state", "reason", "what_to_do", order_column, orders_account, "attempt_page", "event_page", "opened_at")},
        ),
        ("What was owed, and what came", {"fields": fields("compared")}),
        ("Resolved", {"fields": fields("resolution", "resolved_person", "resolved_at")}),
    )
    readonly_fields = ("state", "what_to_do", "attempt_page", "event_page", "compared", "resolved_person")
    actions_detail: ClassVar[tuple[str, ...]] = ("credit", "close")

    def named(self, word: str) -> Q:
        if word.startswith(ORDER_PREFIX):
            return Q(order__public_id=word)
        return Q(attempt__in=attempts_named(word).values("pk")) | Q(event__provider__in=Provider.values, event__event_id=word)

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> "list[UnfoldAction]":
        """Only what may be decided as things stand; the services refuse the rest anyway."""
        rows = PaymentReview.objects.filter(resolved_at=None).select_related("order", "attempt")
        review = rows.filter(pk=object_id).first() if str(object_id).isdecimal() else None
        if review is None:
            return []
        acts: list[UnfoldAction] = super().get_actions_detail(request, object_id)  # type: ignore[misc]
        return acts if is_creditable(review) else [act for act in acts if act.path != "credit"]

    @admin.display(description="State")
    def state(self, review: PaymentReview) -> str:
        return review_tag(review)

    @admin.display(description="Owed")
    def owed(self, review: PaymentReview) -> str:
        return owed_money(review)

    @admin.display(description="Came")
    def came(self, review: PaymentReview) -> str:
        return came_money(review)

    @admin.display(description="What to do")
    def what_to_do(self, review: PaymentReview) -> str:
        if review.resolved_at is not None:
            return EMPTY
        if is_creditable(review):
            return "Credit it, or give the money back at the provider and close this."
        if review.reason == ReviewReason.UNKNOWN_ATTEMPT:
            return "This database has lost an attempt. Find out whose it was, give the money back or adjust their balance, then close this."
        if review.event is not None:
            return "Find out who sent an event of the other mode: check keys and webhook endpoints. Then close this."
        return "Give the money back at the provider, then close this."

    @admin.display(description="Attempt")
    def attempt_page(self, review: PaymentReview) -> str:
        return attempt_link(review.attempt)

    @admin.display(description="Event")
    def event_page(self, review: PaymentReview) -> str:
        return event_link(review.event)

    @admin.display(description="Side by side")
    def compared(self, review: PaymentReview) -> str:
        return comparison(review, livemode=settings.STRIPE_LIVE_MODE)

    @admin.display(description="By")
    def resolved_person(self, review: PaymentReview) -> str:
        return person_link(review.resolved_by)

    @dialog_action(
        "Credit it",
        permissions=("payments.resolve_paymentreview", "payments.view_paymentreview"),
        form=CreditReviewForm,
        icon="add_card",
        submit="Credit what was ordered",
        explains="The order is paid by the money that came: what was ordered is delivered, whatever the amount that came.",
        variant=ActionVariant.PRIMARY,
    )
    def credit(self, request: HttpRequest, form: CreditReviewForm, object_id: str) -> HttpResponse:
        """Deliver the order for the money that came."""
        credit_review(review_id=form.review.pk, actor_id=operator_id(request), reason=form.cleaned_data["reason"], now=clock.now())
        return done(request, page_url("payments_paymentreview", object_id), "Credited: the order is paid.")

    @dialog_action(
        "Close the review",
        permissions=("payments.resolve_paymentreview", "payments.view_paymentreview"),
        form=CloseReviewForm,
        icon="task_alt",
        submit="Close it",
        explains="Says that the money was dealt with outside, such as given back at the provider. This moves no money and credits nothing.",
    )
    def close(self, request: HttpRequest, form: CloseReviewForm, object_id: str) -> HttpResponse:
        """End the question without crediting."""
        close_review(review_id=form.review.pk, actor_id=operator_id(request), reason=form.cleaned_data["reason"], now=clock.now())
        return done(request, page_url("payments_paymentreview", object_id), "The review is closed.")
