"""The one fixed row per account that every act on its credits locks."""

from django.db import models
from django.db.models import F, Q

from core import clock
from core.money import AMOUNT_MAX_NANOS


class Policy(models.TextChoices):
    """Who bears what a capture costs beyond its hold: the customer, into debt, or the operator."""

    DEBT = "debt"
    ABSORB = "absorb"


class Wallet(models.Model):
    """
    The credits of one account, and the lock in front of them. Written only by credits, under its own row lock.

    Every sum is a cache, proven by the entries (`manage.py verify_ledger`). `clock_at` is the wallet's clock: an act happens at
    `greatest(now, clock_at)`, so time never runs against `seq`. `next_change_at` is the earliest instant at which something
    becomes due without anybody acting (an activation, a lapse, an expiry, a hold's end): early is allowed, late never.
    """

    account = models.OneToOneField("accounts.Account", on_delete=models.PROTECT, primary_key=True, related_name="wallet")
    balance_nanos = models.BigIntegerField(default=0)
    reserved_nanos = models.BigIntegerField(default=0, help_text="Sum of open holds.")
    frozen_nanos = models.BigIntegerField(default=0, help_text="What remains of frozen grants.")
    lapsing_nanos = models.BigIntegerField(default=0, help_text="What remains of grants past their end, not yet booked as expired.")
    debt_nanos = models.BigIntegerField(default=0, help_text="Usage that no grant has paid for yet.")
    spent_nanos = models.BigIntegerField(default=0, help_text="Sum of all negative entries; never falls.")
    next_seq = models.BigIntegerField(default=1)
    next_change_at = models.DateTimeField(null=True, blank=True)
    clock_at = models.DateTimeField(default=clock.now)
    watch_below_nanos = models.BigIntegerField(null=True, blank=True)
    policy = models.CharField(max_length=6, choices=Policy.choices, default=Policy.DEBT)
    has_limits = models.BooleanField(default=False, db_default=False, help_text="Whether any spending limit counts what it spends.")
    disagrees_since = models.DateTimeField(
        null=True, blank=True, help_text="When a verification found that its books disagree; no automatic top-up since."
    )

    class Meta:
        db_table = "wallet"
        permissions = (
            ("adjust_balance", "Can adjust a balance"),
            ("write_off_debt", "Can write off debt"),
            ("set_policy", "Can say who bears what a capture costs beyond its hold"),
        )
        constraints = (
            models.CheckConstraint(
                condition=Q(balance_nanos__gte=-AMOUNT_MAX_NANOS, balance_nanos__lte=AMOUNT_MAX_NANOS),
                name="wallet_balance_in_range",
            ),
            models.CheckConstraint(condition=Q(spent_nanos__gte=0, spent_nanos__lte=AMOUNT_MAX_NANOS), name="wallet_spent_in_range"),
            models.CheckConstraint(
                condition=Q(reserved_nanos__gte=0, frozen_nanos__gte=0, lapsing_nanos__gte=0, debt_nanos__gte=0),
                name="wallet_sums_not_negative",
            ),
            models.CheckConstraint(condition=Q(balance_nanos__gte=-F("debt_nanos")), name="wallet_negative_only_by_its_debt"),
            models.CheckConstraint(condition=Q(next_seq__gte=1), name="wallet_next_seq_positive"),
            models.CheckConstraint(condition=Q(policy__in=Policy.values), name="wallet_policy_known"),
        )
        indexes = (
            models.Index(fields=["-debt_nanos"], condition=Q(debt_nanos__gt=0), name="wallet_in_debt"),
            models.Index(fields=["next_change_at"], condition=Q(next_change_at__isnull=False), name="wallet_by_next_change"),
        )

    def __str__(self) -> str:
        return f"wallet of account {self.account_id}"

    @property
    def available_nanos(self) -> int:
        """What a new hold may count on; shown never below 0."""
        return max(0, self.balance_nanos - self.reserved_nanos - self.frozen_nanos - self.lapsing_nanos)
