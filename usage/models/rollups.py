"""Roll-ups: what the reports read, so that an answer costs its own size and not that of the history."""

from django.db import models
from django.db.models import Q


class Counts(models.Model):
    """
    What every roll-up counts. Cost is what was charged, less refunds; an event that was refunded whole counts under the status
    `refunded`, with no cost. `provider_cost_nanos` sums what is known of it, `costed_nanos` the cost of those very events, so that
    a margin compares like with like.
    """

    events = models.BigIntegerField()
    input_tokens = models.BigIntegerField()
    output_tokens = models.BigIntegerField()
    cache_read_tokens = models.BigIntegerField()
    cache_write_tokens = models.BigIntegerField()
    reasoning_tokens = models.BigIntegerField()
    cost_nanos = models.BigIntegerField()
    provider_cost_nanos = models.BigIntegerField(db_default=0)
    costed_nanos = models.BigIntegerField(db_default=0)

    class Meta:
        abstract = True


class UsageDay(Counts):
    """
    One account's local day × model × key × endpoint × status: a recount of those of its events that bear no mark (UncountedBlock).
    Written by services/counting.py and refunds.py under the lock of the lifetime row.

    `api_key_id` is 0 where the event named none. The day is the event's `local_date`.
    """

    id = models.BigAutoField(primary_key=True)
    account = models.ForeignKey("accounts.Account", on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    day = models.DateField()
    model = models.ForeignKey("usage.AiModel", on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    api_key_id = models.BigIntegerField()
    endpoint = models.CharField(max_length=64, blank=True)
    status = models.CharField(max_length=8)

    class Meta:
        db_table = "usage_day"
        constraints = (
            models.UniqueConstraint(fields=["account", "day", "model", "api_key_id", "endpoint", "status"], name="usage_day_once"),
            models.CheckConstraint(condition=Q(events__gte=0, cost_nanos__gte=0), name="usage_day_not_negative"),
        )

    def __str__(self) -> str:
        return f"day {self.account_id}/{self.day}"


class UsageQuarter(Counts):
    """One account's UTC quarter-hour × model × key × endpoint × status. Written as UsageDay is; answers for any zone and window."""

    id = models.BigAutoField(primary_key=True)
    account = models.ForeignKey("accounts.Account", on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    starts_at = models.DateTimeField()
    model = models.ForeignKey("usage.AiModel", on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    api_key_id = models.BigIntegerField()
    endpoint = models.CharField(max_length=64, blank=True)
    status = models.CharField(max_length=8)

    class Meta:
        db_table = "usage_quarter"
        constraints = (
            models.UniqueConstraint(
                fields=["account", "starts_at", "model", "api_key_id", "endpoint", "status"], name="usage_quarter_once"
            ),
            models.CheckConstraint(condition=Q(events__gte=0, cost_nanos__gte=0), name="usage_quarter_not_negative"),
        )

    def __str__(self) -> str:
        return f"quarter {self.account_id}/{self.starts_at:%Y-%m-%d %H:%M}"


class UncountedBlock(models.Model):
    """
    Events of one account in one block of ids that roll-ups do not know yet. Written when they are booked, in the same transaction, and
    deleted when they are counted, in the same statement: `events` of them, received at `received_at` (their `created_at`).

    A block is a batch's: its events' ids are `block * 8192` and up. The database's primary key is `(account, block)`.
    """

    id = models.BigAutoField(primary_key=True)
    account = models.ForeignKey("accounts.Account", on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    block = models.BigIntegerField()
    received_at = models.DateTimeField()
    events = models.IntegerField()

    class Meta:
        db_table = "usage_uncounted"
        constraints = (
            models.UniqueConstraint(fields=["account", "block"], name="uncounted_once_per_block"),
            models.CheckConstraint(condition=Q(events__gt=0), name="uncounted_counts_something"),
        )

    def __str__(self) -> str:
        return f"{self.events} uncounted events of account {self.account_id}"


class UsageLifetime(Counts):
    """
    All of one account's usage since it was opened, but for what waits to be counted. Its row is the lock of the account's roll-ups, so it
    may be there before it counts anything.
    """

    account = models.OneToOneField("accounts.Account", on_delete=models.DO_NOTHING, db_constraint=False, primary_key=True, related_name="+")

    class Meta:
        db_table = "usage_lifetime"

    def __str__(self) -> str:
        return f"lifetime of account {self.account_id}"
