"""The attempts' page: each try to have an order paid, and how it stands at its provider."""

from datetime import timedelta
from typing import Final

from django.contrib import admin
from django.db.models import F, Q, QuerySet
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from core.console.filters import QuestionFilter
from core.console.shown import copyable, fields, link, list_url
from payments.admin.rows import PaymentRowsAdmin, attempts_named
from payments.admin.shown import at_provider, card_money, mode, order_column, orders_account, tag
from payments.models import PaymentAttempt, PaymentReview
from payments.models.order import ORDER_PREFIX
from payments.transitions import AttemptStatus

ANSWER_LOST: Final = timedelta(minutes=5)
LATE_CHECK: Final = timedelta(minutes=15)


def _not_credited() -> QuerySet[PaymentReview, int | None]:
    """Attempts with a review that was not credited. Reviews are few; whatever settled and did not pay its order has one (invariant 8)."""
    return PaymentReview.objects.filter(attempt__isnull=False).exclude(resolution="credited").values_list("attempt_id", flat=True)


class AttemptState(QuestionFilter):
    """What an operator looks for among attempts."""

    title = "state"
    parameter_name = "state"
    questions = {
        "lost": (
            "Opening for over 5 minutes: the answer was lost",
            lambda now: Q(status=AttemptStatus.OPENING, created_at__lte=now - ANSWER_LOST),
        ),
        "processing": ("Processing: paid by a method that settles later", lambda _now: Q(status=AttemptStatus.PROCESSING)),
        "unchecked": (
            "Not asked after although due",
            lambda now: Q(status__in=(AttemptStatus.OPENING, AttemptStatus.OPEN, AttemptStatus.PROCESSING), check_at__lte=now - LATE_CHECK),
        ),
        "declined": ("Declined", lambda _now: ~Q(failure_code="")),
        "unpaying": (
            "Settled, and did not pay its order",
            lambda _now: Q(status=AttemptStatus.SETTLED, pk__in=_not_credited()) & ~Q(order__paid_attempt=F("pk")),
        ),
    }


@admin.register(PaymentAttempt)
class PaymentAttemptAdmin(PaymentRowsAdmin[PaymentAttempt]):
    """One try at one provider. An order may have several; at most one of them pays it."""

    indexed = {"state": frozenset({"lost", "processing", "unchecked", "unpaying"}), "order__id__exact": None}

    list_display = (
        "id",
        order_column,
        orders_account,
        "status_tag",
        "provider",
        "settled_money",
        "shown_session",
        "shown_payment",
        "last_failure",
        "created_at",
    )
    list_display_links = ("id",)
    list_filter = (AttemptState, ("status", ChoicesDropdownFilter), ("provider", ChoicesDropdownFilter))
    list_select_related = ("order__account",)
    search_help_text = "An account (its id, or an e-mail), an order (ord_…), or a session or payment of the provider"
    fieldsets = (
        (None, {"fields": fields(order_column, orders_account, "status_tag", "paid_its_order", "settled_money", "last_failure")}),
        (
            "At the provider",
            {"fields": fields("provider", "mode_name", "shown_session", "shown_payment", "key", "events")},
        ),
        ("When", {"fields": fields("created_at", "opened_at", "ended_at", "check_at", "checks")}),
    )
    readonly_fields = (
        "status_tag",
        "paid_its_order",
        "settled_money",
        "last_failure",
        "mode_name",
        "shown_session",
        "shown_payment",
        "key",
        "events",
    )

    def named(self, word: str) -> Q:
        return Q(order__public_id=word) if word.startswith(ORDER_PREFIX) else Q(pk__in=attempts_named(word).values("pk"))

    @admin.display(description="Status")
    def status_tag(self, attempt: PaymentAttempt) -> str:
        return tag(attempt.status)

    @admin.display(description="Paid its order")
    def paid_its_order(self, attempt: PaymentAttempt) -> str:
        return "yes" if attempt.order.paid_attempt_id == attempt.pk else "no"

    @admin.display(description="Received")
    def settled_money(self, attempt: PaymentAttempt) -> str:
        return card_money(attempt.settled_minor, attempt.settled_currency)

    @admin.display(description="Last failure")
    def last_failure(self, attempt: PaymentAttempt) -> str:
        return attempt.failure_reason or attempt.failure_code

    @admin.display(description="Mode")
    def mode_name(self, attempt: PaymentAttempt) -> str:
        return mode(attempt.livemode)

    @admin.display(description="Session")
    def shown_session(self, attempt: PaymentAttempt) -> str:
        return at_provider(attempt.session_id, provider=attempt.provider, livemode=attempt.livemode)

    @admin.display(description="Payment")
    def shown_payment(self, attempt: PaymentAttempt) -> str:
        return at_provider(attempt.payment_id, provider=attempt.provider, livemode=attempt.livemode)

    @admin.display(description="Our key there")
    def key(self, attempt: PaymentAttempt) -> str:
        return copyable(attempt.idempotency_key)

    @admin.display(description="Events about it")
    def events(self, attempt: PaymentAttempt) -> str:
        return link(list_url("payments_providerevent", f"attempt__id__exact={attempt.pk}"), "events")
