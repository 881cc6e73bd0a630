"""Roll-ups over all accounts, folded from the quarter-hours by a job: what operators' reports read."""

from django.db import models

from usage.models.rollups import Counts


class AccountDay(Counts):
    """
    One account's UTC day × model × key × status. Written by `usage.services.platform_days` only, some minutes after the events.

    A cache of the account's quarter-hours; a day that changes later is counted anew.
    """

    id = models.BigAutoField(primary_key=True)
    account = models.ForeignKey("accounts.Account", on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    day = models.DateField()
    model = models.ForeignKey("usage.AiModel", on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    api_key_id = models.BigIntegerField()
    status = models.CharField(max_length=8)

    class Meta:
        db_table = "usage_account_day"
        permissions = (("view_analytics", "Can view usage and revenue of all accounts"),)
        constraints = (models.UniqueConstraint(fields=["account", "day", "model", "api_key_id", "status"], name="usage_account_day_once"),)
        indexes = (models.Index(fields=["day"], name="usage_account_day_by_day"),)

    def __str__(self) -> str:
        return f"UTC day {self.account_id}/{self.day}"


class PlatformDay(Counts):
    """
    One UTC day × model × status of all accounts: the sum of its `AccountDay` rows, changed with them.

    A row may come to count nothing: what it counted was refunded whole since, and counts under another status.
    """

    id = models.BigAutoField(primary_key=True)
    day = models.DateField()
    model = models.ForeignKey("usage.AiModel", on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    status = models.CharField(max_length=8)

    class Meta:
        db_table = "usage_platform_day"
        constraints = (models.UniqueConstraint(fields=["day", "model", "status"], name="usage_platform_day_once"),)

    def __str__(self) -> str:
        return f"UTC day {self.day} of model {self.model_id}"


class PlatformHour(Counts):
    """One of the last 25 UTC hours × model × status, of all accounts. Counted anew each time; older hours are forgotten."""

    id = models.BigAutoField(primary_key=True)
    starts_at = models.DateTimeField()
    model = models.ForeignKey("usage.AiModel", on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    status = models.CharField(max_length=8)

    class Meta:
        db_table = "usage_platform_hour"
        constraints = (models.UniqueConstraint(fields=["starts_at", "model", "status"], name="usage_platform_hour_once"),)

    def __str__(self) -> str:
        return f"hour {self.starts_at:%Y-%m-%d %H} of model {self.model_id}"


class FoldedAccount(models.Model):
    """
    What of an account is folded into its days: their sums. Where they are not those of its lifetime, the account waits to be folded.

    Events never get fewer, and a refund lowers the cost: whatever happened to an account shows in one of the two.
    """

    account = models.OneToOneField("accounts.Account", on_delete=models.DO_NOTHING, db_constraint=False, primary_key=True, related_name="+")
    events = models.BigIntegerField()
    cost_nanos = models.BigIntegerField()

    class Meta:
        db_table = "usage_folded"

    def __str__(self) -> str:
        return f"folded usage of account {self.account_id}"


class FoldMark(models.Model):
    """
    One row: the instant at which the last fold over all accounts began. What was booked before it is counted.

    `differing`: of so many accounts the quarter-hours were not the lifetime then. They were folded as the quarter-hours say.
    """

    ONE = 1

    id = models.SmallIntegerField(primary_key=True)
    counted_at = models.DateTimeField()
    differing = models.IntegerField(db_default=0)

    class Meta:
        db_table = "usage_fold_mark"
        constraints = (models.CheckConstraint(condition=models.Q(id=1), name="usage_fold_mark_is_one_row"),)

    def __str__(self) -> str:
        return f"counted up to {self.counted_at}"
