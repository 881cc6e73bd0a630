"""Revenue by day: what customers' credits earned, as allocations tell it."""

from django.db import models
from django.db.models import Q

NEVER_NEGATIVE = (
    "paid_nanos",
    "promo_nanos",
    "owed_nanos",
    "settled_paid_nanos",
    "settled_promo_nanos",
    "written_off_nanos",
    "returned_paid_nanos",
    "returned_promo_nanos",
    "returned_owed_nanos",
)
REVENUE_NANOS = (*NEVER_NEGATIVE, "breakage_paid_nanos", "breakage_promo_nanos")
"""Every column that is summed."""


class RevenueSums(models.Model):
    """
    Of usage, by who bore it when it was charged: grants that were paid for, promotional ones, or nobody yet (`owed`). What was settled,
    written off or given back later counts on the day of that act, so that a day which is over never changes.

    Breakage is what expired, less expiries that were undone: it may be negative.
    """

    paid_nanos = models.BigIntegerField()
    promo_nanos = models.BigIntegerField()
    owed_nanos = models.BigIntegerField()
    settled_paid_nanos = models.BigIntegerField()
    settled_promo_nanos = models.BigIntegerField()
    written_off_nanos = models.BigIntegerField()
    returned_paid_nanos = models.BigIntegerField()
    returned_promo_nanos = models.BigIntegerField()
    returned_owed_nanos = models.BigIntegerField()
    breakage_paid_nanos = models.BigIntegerField()
    breakage_promo_nanos = models.BigIntegerField()

    class Meta:
        abstract = True


def _not_negative(name: str) -> models.CheckConstraint:
    return models.CheckConstraint(condition=Q(**{f"{column}__gte": 0 for column in NEVER_NEGATIVE}), name=name)


class RevenueDay(RevenueSums):
    """One account's UTC day, by when its allocations were booked. Written once, when the day is over, by `credits.services.revenue`."""

    id = models.BigAutoField(primary_key=True)
    account = models.ForeignKey("accounts.Account", on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    day = models.DateField()

    class Meta:
        db_table = "revenue_day"
        constraints = (
            models.UniqueConstraint(fields=["account", "day"], name="revenue_day_once"),
            _not_negative("revenue_day_not_negative"),
        )
        indexes = (models.Index(fields=["day", "account"], name="revenue_day_by_day"),)

    def __str__(self) -> str:
        return f"revenue of account {self.account_id} on {self.day}"


class RevenueTotal(RevenueSums):
    """One UTC day over all accounts: the sum of its `RevenueDay` rows, written with them. A day on which nothing happened has none."""

    day = models.DateField(primary_key=True)

    class Meta:
        db_table = "revenue_total"
        constraints = (_not_negative("revenue_total_not_negative"),)

    def __str__(self) -> str:
        return f"revenue on {self.day}"


class RevenueMark(models.Model):
    """How far revenue is folded: one row, the lock of the job that folds. Every UTC day up to `through_on` is folded whole."""

    ONE = 1

    id = models.SmallIntegerField(primary_key=True)
    through_on = models.DateField()

    class Meta:
        db_table = "revenue_mark"
        constraints = (models.CheckConstraint(condition=Q(id=1), name="revenue_mark_is_one_row"),)

    def __str__(self) -> str:
        return f"revenue through {self.through_on}"
