"""The inbox: what providers told us, stored before anything is done with it."""

from django.db import models
from django.db.models import Q

from payments.models.attempt import Provider
from payments.transitions import EventStatus


class Outcome(models.TextChoices):
    """What came of an event."""

    SETTLED = "settled", "money credited"
    REVIEW = "review", "money to be looked at"
    NOTED = "noted", "the attempt moved, or its failure was noted"
    NOTHING = "nothing", "nothing new"
    FOREIGN = "foreign", "not about an order of ours"


class ProviderEvent(models.Model):
    """
    One verified event of a provider, or one read from its list of events. Written by `payments.services.inbox`; never deleted.

    An event is a hint: the object is fetched again, the payload is never believed. The worker that has `lease` works on it until
    `lease_until`; a dead lease is taken by the next. The payload is forgotten after PROVIDER_PAYLOAD_DAYS, the row stays, so that a
    replay after a year is still a duplicate.
    """

    id = models.BigAutoField(primary_key=True)
    provider = models.CharField(max_length=8, choices=Provider.choices)
    event_id = models.CharField(max_length=128)
    type = models.CharField(max_length=80)
    object_id = models.CharField(max_length=128, blank=True)
    api_version = models.CharField(max_length=40, blank=True)
    livemode = models.BooleanField()
    payload = models.JSONField(null=True)
    source = models.CharField(max_length=8, choices=[("webhook", "webhook"), ("list", "the provider's list")])
    status = models.CharField(max_length=8, choices=[(status.value, status.value) for status in EventStatus], default=EventStatus.WAITING)
    outcome = models.CharField(max_length=8, choices=Outcome.choices, blank=True)
    order = models.ForeignKey("payments.Order", on_delete=models.PROTECT, null=True, related_name="provider_events")
    attempt = models.ForeignKey("payments.PaymentAttempt", on_delete=models.PROTECT, null=True, related_name="provider_events")
    lease = models.CharField(max_length=32, blank=True)
    lease_until = models.DateTimeField(null=True)
    tries = models.IntegerField(default=0)
    next_try_at = models.DateTimeField()
    last_error = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(help_text="When the provider made it.")
    received_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)
    mirrored_at = models.DateTimeField(null=True, help_text="When bringing dj-stripe's copy of what it is about up to date was tried.")

    class Meta:
        db_table = "provider_event"
        permissions = (("reprocess_providerevent", "Can have a provider event processed again"),)
        constraints = (
            models.UniqueConstraint(fields=["provider", "event_id"], name="provider_event_once"),
            models.CheckConstraint(condition=Q(status__in=[status.value for status in EventStatus]), name="provider_event_status_known"),
            models.CheckConstraint(condition=Q(provider__in=Provider.values), name="provider_event_provider_known"),
            models.CheckConstraint(condition=Q(source__in=["webhook", "list"]), name="provider_event_source_known"),
            models.CheckConstraint(condition=Q(outcome__in=["", *Outcome.values]), name="provider_event_outcome_known"),
            models.CheckConstraint(
                condition=(Q(status=EventStatus.CLAIMED, lease_until__isnull=False) & ~Q(lease=""))
                | (~Q(status=EventStatus.CLAIMED) & Q(lease="", lease_until=None)),
                name="provider_event_claimed_has_its_lease",
            ),
        )
        indexes = (
            models.Index(
                fields=["next_try_at"],
                condition=Q(status__in=[EventStatus.WAITING.value, EventStatus.CLAIMED.value]),
                name="provider_event_to_do",
            ),
            models.Index(fields=["id"], condition=Q(status=EventStatus.DONE, mirrored_at=None), name="provider_event_to_mirror"),
            models.Index(fields=["received_at"], condition=Q(payload__isnull=False), name="provider_event_payload_age"),
            models.Index(fields=["received_at"], condition=Q(status=EventStatus.FAILED), name="provider_event_given_up"),
        )

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"


class ProviderFeed(models.Model):
    """How far a provider's own list of events has been read: everything created before `read_until` is in the inbox."""

    provider = models.CharField(max_length=8, choices=Provider.choices, primary_key=True)
    read_until = models.DateTimeField()

    class Meta:
        db_table = "provider_feed"

    def __str__(self) -> str:
        return f"{self.provider} until {self.read_until}"
