"""Usage events: what a gateway reported, and what it cost."""

from django.db import models
from django.db.models import F, Q


class EventStatus(models.TextChoices):
    """How the call ended."""

    SUCCESS = "success"
    FAILED = "failed"


class EventFlag(models.TextChoices):
    """Why an event that named a hold was booked without it: the usage happened all the same."""

    LATE = "late"
    AFTER_VOID = "after_void"


class UsageEvent(models.Model):
    """
    One reported call, once per (account, event_id) for ever. Written by ingest; what was reported never changes. An event that captured
    a hold without naming a key is told the hold's: it was spent by that one.

    `cost_nanos` is what the price book says, or the sender where `price_version` is null; `charged_nanos` what the customer pays,
    `absorbed_nanos` what the operator bears: cost = charged + absorbed, and charged > 0 means exactly one ledger entry (source_type
    `usage_event`, source_id the event_id). `refunded_nanos` is what of the charge was given back since; it only grows.
    `provider_cost_nanos` is what the call cost the operator, null where nobody said. `multiplier` is the customer's or its tier's, if
    one was in force. `fingerprint` tells a repeat from another event under the same id. `hold` is the public
    id of the hold it named: it captured that one, unless `flag` says why it did not. `local_date` is the day it is counted under, in
    the zone the account had when it was booked. `created_at` is when it was received; its entry's is the wallet's clock. The
    database's primary key is `(account, created_at, id)`, the order in which lists page.
    """

    id = models.BigAutoField(primary_key=True)
    account = models.ForeignKey("accounts.Account", on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    event_id = models.CharField(max_length=128, db_collation="C")
    fingerprint = models.UUIDField()
    api_key = models.ForeignKey(
        "accounts.ApiKey", on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, null=True, related_name="+"
    )
    model = models.ForeignKey("usage.AiModel", on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    price_version = models.ForeignKey(
        "usage.PriceVersion", on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, null=True, related_name="+"
    )
    multiplier = models.ForeignKey(
        "usage.PriceMultiplier", on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, null=True, related_name="+"
    )
    status = models.CharField(max_length=8, choices=EventStatus.choices)
    input_tokens = models.BigIntegerField()
    output_tokens = models.BigIntegerField()
    cache_read_tokens = models.BigIntegerField()
    cache_write_tokens = models.BigIntegerField()
    reasoning_tokens = models.BigIntegerField()
    requests = models.BigIntegerField()
    images = models.BigIntegerField()
    seconds = models.BigIntegerField()
    cost_nanos = models.BigIntegerField()
    charged_nanos = models.BigIntegerField()
    absorbed_nanos = models.BigIntegerField(default=0)
    refunded_nanos = models.BigIntegerField(default=0, db_default=0)
    provider_cost_nanos = models.BigIntegerField(null=True)
    endpoint = models.CharField(max_length=64, blank=True)
    metadata = models.JSONField(null=True)
    local_date = models.DateField()
    hold = models.CharField(max_length=32, null=True)  # noqa: DJ001 - NULL is no hold
    flag = models.CharField(max_length=10, choices=EventFlag.choices, null=True)  # noqa: DJ001 - NULL is nothing special
    occurred_at = models.DateTimeField()
    created_at = models.DateTimeField()

    class Meta:
        db_table = "usage_event"
        permissions = (("refund_usageevent", "Can refund a usage event"),)
        constraints = (
            models.CheckConstraint(condition=Q(status__in=EventStatus.values), name="event_status_known"),
            models.CheckConstraint(
                condition=Q(flag=None) | Q(flag__in=EventFlag.values, hold__isnull=False), name="event_flag_is_of_a_hold"
            ),
            models.CheckConstraint(
                condition=Q(charged_nanos__gte=0, absorbed_nanos__gte=0, cost_nanos=F("charged_nanos") + F("absorbed_nanos")),
                name="event_cost_is_charged_and_absorbed",
            ),
            models.CheckConstraint(
                condition=Q(refunded_nanos__gte=0, refunded_nanos__lte=F("charged_nanos")), name="event_refunded_at_most_what_was_charged"
            ),
            models.CheckConstraint(
                condition=Q(provider_cost_nanos=None) | Q(provider_cost_nanos__gte=0), name="event_provider_cost_not_negative"
            ),
        )

    def __str__(self) -> str:
        return f"event {self.account_id}/{self.event_id}"

    @property
    def is_refunded(self) -> bool:
        """Whether all that it charged was given back: it counts as refunded then, and no longer under its status."""
        return 0 < self.charged_nanos == self.refunded_nanos

    @property
    def counted_status(self) -> str:
        """The status under which reports count it."""
        return "refunded" if self.is_refunded else self.status

    @property
    def total_tokens(self) -> int:
        """The sum of the five disjoint classes."""
        return self.input_tokens + self.output_tokens + self.cache_read_tokens + self.cache_write_tokens + self.reasoning_tokens
