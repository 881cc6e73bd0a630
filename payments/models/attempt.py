"""Attempts: one try at one provider to have an order paid."""

from django.db import models
from django.db.models import Q

from payments.transitions import LIVE_ATTEMPTS, AttemptStatus


class Provider(models.TextChoices):
    """Who takes the money."""

    STRIPE = "stripe"
    CREEM = "creem"


class PaymentAttempt(models.Model):
    """
    One checkout at one provider. Written by `payments.services`, under its order's lock; `status` moves by `payments.transitions`.

    `idempotency_key` is stored before the provider is asked, and sent with every repeat of that question. `session_id` and
    `payment_id` are the provider's; each belongs to one attempt. `settled_*`: what the provider says it received, in minor units.
    `check_at`: when the reconciler asks the provider next, while money may still come.
    """

    id = models.BigAutoField(primary_key=True)
    order = models.ForeignKey("payments.Order", on_delete=models.PROTECT, related_name="attempts")
    provider = models.CharField(max_length=8, choices=Provider.choices)
    status = models.CharField(
        max_length=12, choices=[(status.value, status.value) for status in AttemptStatus], default=AttemptStatus.OPENING
    )
    idempotency_key = models.CharField(max_length=64, unique=True)
    livemode = models.BooleanField()
    session_id = models.CharField(max_length=128, null=True)  # noqa: DJ001 - NULL keeps it out of the unique index
    payment_id = models.CharField(max_length=128, null=True)  # noqa: DJ001 - the same
    checkout_url = models.CharField(max_length=2048, blank=True)
    failure_code = models.CharField(max_length=64, blank=True)
    failure_reason = models.CharField(max_length=300, blank=True)
    settled_minor = models.BigIntegerField(null=True)
    settled_currency = models.CharField(max_length=3, blank=True)
    created_at = models.DateTimeField()
    opened_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True, help_text="When it settled, failed or expired, as we heard.")
    check_at = models.DateTimeField(null=True)
    checks = models.IntegerField(default=0)

    class Meta:
        db_table = "payment_attempt"
        constraints = (
            models.UniqueConstraint(fields=["provider", "session_id"], name="attempt_once_per_session"),
            models.UniqueConstraint(fields=["provider", "payment_id"], name="attempt_once_per_payment"),
            models.CheckConstraint(condition=Q(status__in=[status.value for status in AttemptStatus]), name="attempt_status_known"),
            models.CheckConstraint(
                condition=Q(status=AttemptStatus.SETTLED, settled_minor__gte=0, settled_currency__regex=r"^[A-Z]{3}$")
                | (~Q(status=AttemptStatus.SETTLED) & Q(settled_minor=None, settled_currency="")),
                name="attempt_settled_says_how_much",
            ),
            models.CheckConstraint(condition=Q(provider__in=Provider.values), name="attempt_provider_known"),
        )
        indexes = (
            models.Index(
                fields=["check_at"],
                condition=Q(status__in=sorted(status.value for status in LIVE_ATTEMPTS)),
                name="attempt_to_check",
            ),
        )

    def __str__(self) -> str:
        return f"attempt {self.pk} ({self.provider})"
