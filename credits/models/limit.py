"""Spending limits: how much an account, or one of its keys, may spend in a window of time."""

from django.db import models
from django.db.models import F, Q

from core.money import AMOUNT_MAX_NANOS


class Duration(models.TextChoices):
    """How long a window is: a local day, week from Monday, or month where fixed; 24 hours, 7 or 30 times that where sliding."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


class Strategy(models.TextChoices):
    """`fixed`: a calendar window in the account's zone. `sliding`: the time just passed, over buckets, the oldest counted whole."""

    FIXED = "fixed"
    SLIDING = "sliding"


class SpendingLimit(models.Model):
    """
    At most `amount_nanos` in a window, by holds and by what was charged; promotional credits count. Batches add and never refuse.

    One per account (`api_key` null) and one per key. Written under the wallet's lock. `zone` is the zone its buckets were filled by:
    where another is in force they are filled anew.
    """

    id = models.BigAutoField(primary_key=True)
    account = models.ForeignKey("accounts.Account", on_delete=models.PROTECT, db_index=False, related_name="+")
    api_key = models.ForeignKey("accounts.ApiKey", on_delete=models.PROTECT, null=True, related_name="+")
    amount_nanos = models.BigIntegerField()
    duration = models.CharField(max_length=7, choices=Duration.choices)
    strategy = models.CharField(max_length=7, choices=Strategy.choices)
    zone = models.CharField(max_length=64)
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta:
        db_table = "spending_limit"
        permissions = (("set_limit", "Can set and remove spending limits"),)
        constraints = (
            models.UniqueConstraint(fields=["account"], condition=Q(api_key=None), name="limit_once_per_account"),
            models.UniqueConstraint(fields=["account", "api_key"], condition=Q(api_key__isnull=False), name="limit_once_per_key"),
            models.CheckConstraint(condition=Q(amount_nanos__gte=0, amount_nanos__lte=AMOUNT_MAX_NANOS), name="limit_amount_in_range"),
            models.CheckConstraint(condition=Q(duration__in=Duration.values), name="limit_duration_known"),
            models.CheckConstraint(condition=Q(strategy__in=Strategy.values), name="limit_strategy_known"),
            models.CheckConstraint(condition=Q(changed_at__gte=F("created_at")), name="limit_changed_after_it_was_made"),
        )

    def __str__(self) -> str:
        return f"limit {self.pk} of account {self.account_id}"


class LimitBucket(models.Model):
    """
    What counts against a limit in one part of time: a whole window where fixed; 5 minutes, an hour or 6 hours where sliding.

    A cache, recounted from entries and holds. Written under the wallet's lock. The database's primary key is (account, limit, starts_at);
    nothing looks for a bucket by `id`.
    """

    id = models.BigAutoField(primary_key=True)
    account = models.ForeignKey("accounts.Account", on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    limit = models.ForeignKey(SpendingLimit, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    starts_at = models.DateTimeField()
    nanos = models.BigIntegerField()

    class Meta:
        db_table = "limit_bucket"
        constraints = (
            models.UniqueConstraint(fields=["account", "limit", "starts_at"], name="bucket_once_per_start"),
            models.CheckConstraint(condition=Q(nanos__gte=0), name="bucket_not_negative"),
        )

    def __str__(self) -> str:
        return f"bucket of limit {self.limit_id} at {self.starts_at:%Y-%m-%d %H:%M}"


class LimitNotice(models.Model):
    """A limit was reached to 50, 75 or 100 percent: noted once per window, threshold and amount of the limit. Never changed."""

    id = models.BigAutoField(primary_key=True)
    account = models.ForeignKey("accounts.Account", on_delete=models.PROTECT, db_index=False, related_name="+")
    limit_id = models.BigIntegerField(help_text="The limit; it may be removed later, its notices stay.")
    window_starts_at = models.DateTimeField(help_text="The window; of a sliding limit the span of its length since 1970.")
    percent = models.SmallIntegerField()
    amount_nanos = models.BigIntegerField(help_text="The limit's amount then.")
    used_nanos = models.BigIntegerField(help_text="What was counted when the threshold was crossed.")
    noted_at = models.DateTimeField()

    class Meta:
        db_table = "limit_notice"
        constraints = (
            models.UniqueConstraint(
                fields=["limit_id", "window_starts_at", "percent", "amount_nanos"], name="notice_once_per_window_and_threshold"
            ),
            models.CheckConstraint(condition=Q(percent__in=(50, 75, 100)), name="notice_threshold_known"),
        )
        indexes = (models.Index(fields=["account", "-id"], name="notice_by_account"),)

    def __str__(self) -> str:
        return f"{self.percent} percent of limit {self.limit_id}"
