"""Holds: credits kept aside for a call that is under way."""

from datetime import timedelta
from typing import Final

from django.db import models
from django.db.models import F, Q

HOLD_LONGEST: Final = timedelta(hours=24)


class HoldStatus(models.TextChoices):
    """Open, or how it ended. The three ends are final: the first wins."""

    OPEN = "open"
    CAPTURED = "captured"
    VOIDED = "voided"
    EXPIRED = "expired"


class Hold(models.Model):
    """
    A promise to one call: so much of the account's credits is kept aside until it ends. Written only by credits, under the wallet's lock.

    It pins no grants: which ones pay is decided at capture. Its terms never change and its end is final (a trigger refuses both).
    `event_id` names the one usage event that captured it. `opened_at` and `closed_at` are the wallet's clock; it is open while that
    is before `expires_at`. Unique by (account, public_id), and by (account, hold_key) for ever where a gateway gave a key.
    """

    id = models.BigAutoField(primary_key=True)
    account = models.ForeignKey("accounts.Account", on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    public_id = models.CharField(max_length=32)
    hold_key = models.CharField(max_length=128, null=True, db_collation="C")  # noqa: DJ001 - NULL keeps holds without one apart
    api_key = models.ForeignKey(
        "accounts.ApiKey", on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, null=True, related_name="+"
    )
    amount_nanos = models.BigIntegerField()
    status = models.CharField(max_length=8, choices=HoldStatus.choices, default=HoldStatus.OPEN)
    event_id = models.CharField(max_length=128, null=True, db_collation="C")  # noqa: DJ001 - set where captured
    opened_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "hold"
        permissions = (("void_hold", "Can void a hold"),)
        constraints = (
            models.UniqueConstraint(fields=["account", "public_id"], name="hold_once_per_public_id"),
            models.UniqueConstraint(fields=["account", "hold_key"], condition=Q(hold_key__isnull=False), name="hold_once_per_key"),
            models.UniqueConstraint(fields=["account", "event_id"], condition=Q(event_id__isnull=False), name="hold_once_per_event"),
            models.CheckConstraint(condition=Q(amount_nanos__gt=0), name="hold_keeps_something"),
            models.CheckConstraint(condition=Q(status__in=HoldStatus.values), name="hold_status_known"),
            models.CheckConstraint(
                condition=Q(expires_at__gt=F("opened_at"), expires_at__lte=F("opened_at") + HOLD_LONGEST),
                name="hold_ends_within_a_day",
            ),
            models.CheckConstraint(
                condition=Q(status=HoldStatus.OPEN, closed_at=None)
                | (~Q(status=HoldStatus.OPEN) & Q(closed_at__isnull=False, closed_at__gte=F("opened_at"))),
                name="hold_closed_says_when",
            ),
            models.CheckConstraint(
                condition=Q(status=HoldStatus.CAPTURED, event_id__isnull=False) | (~Q(status=HoldStatus.CAPTURED) & Q(event_id=None)),
                name="hold_captured_names_its_event",
            ),
        )
        indexes = (models.Index(fields=["account", "expires_at"], condition=Q(status=HoldStatus.OPEN), name="hold_open_by_expiry"),)

    def __str__(self) -> str:
        return f"hold {self.public_id}"
