"""Orders: what a customer owes, frozen when placed."""

from typing import Final

from django.db import models
from django.db.models import F, Q

from core import ids
from payments.transitions import OrderStatus

ORDER_PREFIX: Final = "ord_"


def new_order_id() -> str:
    """`ord_` and 32 hexadecimal characters."""
    return f"{ORDER_PREFIX}{ids.new_public_id()}"


class LineKind(models.TextChoices):
    """What a line is for. What is delivered for it once paid is registered in `billing_platform.wiring`."""

    CREDITS = "credits"
    PLATFORM_FEE = "platform_fee"


class Order(models.Model):
    """
    One purchase: who owes what, in which currency, until when. Amounts in minor units of `currency`.

    Written by `payments.services`. Its terms (account, amount, currency, lines) are frozen when it is placed: a trigger refuses to
    change them. `status` moves by `payments.transitions` only. `paid_attempt` is the one attempt whose money it was paid with.
    """

    id = models.BigAutoField(primary_key=True)
    public_id = models.CharField(max_length=36, unique=True, default=new_order_id, editable=False)
    account = models.ForeignKey("accounts.Account", on_delete=models.PROTECT, related_name="orders", db_index=False)
    placed_by = models.BigIntegerField(null=True, help_text="The person's user id; empty where a key asked.")
    status = models.CharField(max_length=16, choices=[(status.value, status.value) for status in OrderStatus], default=OrderStatus.PENDING)
    currency = models.CharField(max_length=3)
    amount_minor = models.BigIntegerField(help_text="The sum of its lines.")
    success_url = models.CharField(max_length=2048)
    cancel_url = models.CharField(max_length=2048)
    failure_code = models.CharField(max_length=64, blank=True, help_text="Why the last try did not bring money.")
    failure_reason = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    paid_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True, help_text="When it was cancelled, expired or failed.")
    paid_attempt = models.OneToOneField("payments.PaymentAttempt", on_delete=models.PROTECT, null=True, related_name="pays")

    class Meta:
        db_table = "payment_order"
        permissions = (("cancel_order", "Can cancel an unpaid order"),)
        constraints = (
            models.CheckConstraint(condition=Q(status__in=[status.value for status in OrderStatus]), name="order_status_known"),
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="order_amount_above_zero"),
            models.CheckConstraint(condition=Q(currency__regex=r"^[A-Z]{3}$"), name="order_currency_is_a_code"),
            models.CheckConstraint(
                condition=Q(status__in=["cancelled", "expired", "failed"], closed_at__isnull=False)
                | (~Q(status__in=["cancelled", "expired", "failed"]) & Q(closed_at=None)),
                name="order_closed_says_when",
            ),
            models.CheckConstraint(condition=Q(expires_at__gt=F("created_at")), name="order_ends_after_it_begins"),
            models.CheckConstraint(
                condition=Q(status=OrderStatus.PAID, paid_at__isnull=False, paid_attempt__isnull=False)
                | (~Q(status=OrderStatus.PAID) & Q(paid_at=None, paid_attempt=None)),
                name="order_paid_says_when_and_by_what",
            ),
        )
        indexes = (
            models.Index(fields=["account", "-id"], name="order_by_account"),
            models.Index(fields=["expires_at"], condition=Q(status=OrderStatus.PENDING), name="order_waiting_by_end"),
            models.Index(fields=["account"], condition=Q(status=OrderStatus.PENDING), name="order_waiting_of_account"),
            models.Index(fields=["paid_at"], condition=Q(status=OrderStatus.PAID), name="order_paid_by_time"),
        )

    def __str__(self) -> str:
        return self.public_id


class OrderLine(models.Model):
    """
    One thing ordered. `sku` is opaque here: what it stands for belongs to whoever sells it. Never changed (a trigger refuses it).

    `credit_nanos`: what a line of credits delivers once paid, fixed here whatever a currency is worth later; else 0.
    """

    id = models.BigAutoField(primary_key=True)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="lines")
    kind = models.CharField(max_length=16, choices=LineKind.choices)
    sku = models.CharField(max_length=64)
    description = models.CharField(max_length=200)
    amount_minor = models.BigIntegerField()
    credit_nanos = models.BigIntegerField(default=0)

    class Meta:
        db_table = "payment_order_line"
        constraints = (
            models.CheckConstraint(condition=Q(amount_minor__gte=0, credit_nanos__gte=0), name="order_line_not_negative"),
            models.CheckConstraint(condition=Q(kind__in=LineKind.values), name="order_line_kind_known"),
            models.CheckConstraint(condition=Q(kind=LineKind.CREDITS) | Q(credit_nanos=0), name="order_line_credits_only_by_credits"),
            # Its grant's source key names the order.
            models.UniqueConstraint(fields=["order"], condition=Q(kind=LineKind.CREDITS), name="order_line_of_credits_once"),
        )

    def __str__(self) -> str:
        return f"{self.description} of {self.order_id}"
