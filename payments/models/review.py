"""Reviews: money that came and could not be credited by rule. An operator decides."""

from django.db import models
from django.db.models import Q


class ReviewReason(models.TextChoices):
    """Why the machine did not decide by itself."""

    PAID_TWICE = "paid_twice", "paid twice"
    PAID_AFTER_CLOSE = "paid_after_close", "paid after the order was closed"
    WRONG_AMOUNT = "wrong_amount", "another amount than owed"
    WRONG_CURRENCY = "wrong_currency", "another currency than owed"
    WRONG_PROVIDER = "wrong_provider", "not the payment of this attempt"
    WRONG_LIVEMODE = "wrong_livemode", "test money for a live order, or the reverse"
    UNKNOWN_ATTEMPT = "unknown_attempt", "names an attempt that we do not know"
    NOT_CREDITABLE = "not_creditable", "the ledger refused it"


class PaymentReview(models.Model):
    """
    One thing about an attempt, or an event that fits none, that a person must look at. Written when the provider's word is applied;
    resolved once, by an operator.

    `found`: what the provider said beside what was owed, without card data. Kept for ever, since it explains money.
    """

    id = models.BigAutoField(primary_key=True)
    order = models.ForeignKey("payments.Order", on_delete=models.PROTECT, null=True, related_name="reviews")
    attempt = models.ForeignKey("payments.PaymentAttempt", on_delete=models.PROTECT, null=True, related_name="reviews")
    event = models.ForeignKey(
        "payments.ProviderEvent", on_delete=models.PROTECT, null=True, related_name="reviews", help_text="Where no attempt is known."
    )
    reason = models.CharField(max_length=20, choices=ReviewReason.choices)
    payment_ref = models.CharField(max_length=128, blank=True, help_text="The provider's payment or session: each is asked about once.")
    found = models.JSONField(default=dict)
    opened_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True)
    resolved_by = models.BigIntegerField(null=True, help_text="The operator's user id.")
    resolution = models.CharField(max_length=16, blank=True, choices=[("credited", "credited after all"), ("closed", "closed")])

    class Meta:
        db_table = "payment_review"
        permissions = (("resolve_paymentreview", "Can resolve a payment review"),)
        constraints = (
            models.UniqueConstraint(fields=["attempt", "reason", "payment_ref"], name="review_once_per_attempt_reason_and_payment"),
            models.UniqueConstraint(fields=["event", "reason"], name="review_once_per_event_and_reason"),
            models.CheckConstraint(
                condition=Q(attempt__isnull=False, order__isnull=False, event=None) | Q(attempt=None, order=None, event__isnull=False),
                name="review_is_about_an_attempt_or_an_event",
            ),
            models.CheckConstraint(
                condition=Q(resolved_at=None, resolution="") | (Q(resolved_at__isnull=False) & ~Q(resolution="")),
                name="review_resolved_says_how",
            ),
            models.CheckConstraint(condition=Q(reason__in=ReviewReason.values), name="review_reason_known"),
            models.CheckConstraint(condition=Q(resolution__in=["", "credited", "closed"]), name="review_resolution_known"),
        )
        indexes = (models.Index(fields=["opened_at"], condition=Q(resolved_at=None), name="review_open"),)

    def __str__(self) -> str:
        return f"{self.get_reason_display()} (review {self.pk})"
