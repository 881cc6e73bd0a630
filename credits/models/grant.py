"""Grants: the lots that credits come in."""

from django.db import models
from django.db.models import F, Q

from credits.models.entry import Book, Kind


class Category(models.TextChoices):
    """Whether money was paid for it. Promotional credits burn before paid ones of the same priority and end."""

    PAID = "paid"
    PROMO = "promo"


class Grant(models.Model):
    """
    Credits given at one time, on one set of terms. Written only by credits, under the wallet's lock.

    The terms (amount, category, priority, term, source) never change: a trigger refuses it. `remaining_nanos` falls as it burns
    and rises by returns. An entry is booked when the grant becomes effective (`booked_at`), never before. It ends by expiry,
    void, or by being used up. `compensates` names the ended grant whose returned credits this one carries.
    """

    id = models.BigAutoField(primary_key=True)
    account = models.ForeignKey("accounts.Account", on_delete=models.PROTECT, db_index=False, related_name="grants")
    kind = models.CharField(max_length=16, choices=Kind.choices)
    book = models.CharField(max_length=16, choices=Book.choices)
    source_type = models.CharField(max_length=32)
    source_id = models.CharField(max_length=128)
    source_key = models.CharField(max_length=200)
    category = models.CharField(max_length=5, choices=Category.choices)
    cost_basis_minor = models.BigIntegerField(default=0, help_text="What was paid for it, in minor units of the currency.")
    cost_basis_currency = models.CharField(max_length=3, default="USD")
    priority = models.SmallIntegerField(default=0, help_text="Lower burns first.")
    effective_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    amount_nanos = models.BigIntegerField()
    remaining_nanos = models.BigIntegerField()
    is_frozen = models.BooleanField(default=False)
    is_pending = models.BooleanField(default=False, db_default=False, help_text="Waits for its money to settle; booked only then.")
    booked_at = models.DateTimeField(null=True, blank=True)
    voided_at = models.DateTimeField(null=True, blank=True)
    expired_at = models.DateTimeField(null=True, blank=True)
    root = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="The grant it was split from.",
    )
    compensates = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="compensations")
    actor_id = models.BigIntegerField(null=True, blank=True)
    created_at = models.DateTimeField()
    is_empty = models.GeneratedField(
        expression=Q(remaining_nanos=0),  # type: ignore[arg-type]  # the stubs forget that a Q is an expression
        output_field=models.BooleanField(),
        db_persist=True,
    )

    class Meta:
        db_table = "credit_grant"
        permissions = (
            ("issue_grant", "Can issue a grant"),
            ("void_grant", "Can void a grant"),
            ("freeze_grant", "Can freeze and release a grant"),
        )
        constraints = (
            models.UniqueConstraint(fields=["account", "source_key"], name="grant_once_per_source_key"),
            models.CheckConstraint(condition=Q(amount_nanos__gt=0), name="grant_gives_something"),
            models.CheckConstraint(
                condition=Q(remaining_nanos__gte=0, remaining_nanos__lte=F("amount_nanos")),
                name="grant_remaining_within_amount",
            ),
            models.CheckConstraint(condition=Q(expires_at=None) | Q(expires_at__gt=F("effective_at")), name="grant_ends_after_it_begins"),
            models.CheckConstraint(condition=Q(category__in=Category.values), name="grant_category_known"),
            models.CheckConstraint(condition=Q(cost_basis_minor__gte=0), name="grant_cost_basis_not_negative"),
            models.CheckConstraint(
                condition=Q(booked_at=None) | Q(voided_at=None, expired_at=None) | Q(remaining_nanos=0),
                name="grant_ended_has_nothing_left",
            ),
            models.CheckConstraint(condition=Q(is_pending=False) | Q(booked_at=None), name="grant_pending_is_not_booked"),
        )
        indexes = (
            # The predicate's column changes only when a grant is used up or refilled, so that burning stays a heap-only update.
            models.Index(fields=["account"], condition=Q(is_empty=False), name="grant_with_credits_left"),
            models.Index(fields=["account", "-id"], name="grant_by_account"),
        )

    def __str__(self) -> str:
        return f"grant {self.pk} of account {self.account_id}"
