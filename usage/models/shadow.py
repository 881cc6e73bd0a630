"""Shadow runs: what a price would have charged."""

from typing import Final

from django.conf import settings
from django.db import models
from django.db.models import Q

DAYS_MAX: Final = 90


class ShadowStatus(models.TextChoices):
    """How far a run is; the last two are final."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


_UNDER_WAY: Final = Q(status__in=[ShadowStatus.WAITING, ShadowStatus.RUNNING])


class ShadowRun(models.Model):
    """
    One replay of the usage of `days` days before `created_at` by a price version, mostly a draft. It charges nobody anything.

    Written by `usage.services.shadow_runs`. While it runs, whoever holds `lease` works on it and says how far it is; a lease past
    `lease_until` is dead, and another worker begins the run anew. `result` is written once, by the holder of the lease. One run at a time
    for a version and number of days. Kept, also where its draft was thrown away (`version` is null then).
    """

    version = models.ForeignKey("usage.PriceVersion", on_delete=models.SET_NULL, null=True, related_name="shadow_runs")
    days = models.SmallIntegerField()
    status = models.CharField(max_length=7, choices=ShadowStatus.choices, default=ShadowStatus.WAITING)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        db_constraint=False,
        help_text="Empty: the server's own command line.",
    )
    accounts = models.BigIntegerField(default=0, help_text="How many accounts are looked at.")
    accounts_done = models.BigIntegerField(default=0)
    events_done = models.BigIntegerField(default=0)
    tries = models.SmallIntegerField(default=0, help_text="How often a worker has begun it.")
    lease = models.CharField(max_length=32, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    result = models.JSONField(null=True, blank=True)
    problem = models.CharField(max_length=200, blank=True, help_text="Why it failed.")
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        permissions = (("run_shadow", "Can replay usage by a draft price"),)
        constraints = (
            models.CheckConstraint(condition=Q(days__gte=1, days__lte=DAYS_MAX), name="shadow_run_of_some_days"),
            models.CheckConstraint(
                condition=Q(status=ShadowStatus.WAITING, lease="", lease_until=None, finished_at=None, result__isnull=True)
                | Q(status=ShadowStatus.RUNNING, lease_until__isnull=False, finished_at=None, result__isnull=True) & ~Q(lease="")
                | Q(status=ShadowStatus.DONE, lease="", lease_until=None, finished_at__isnull=False, result__isnull=False)
                | Q(status=ShadowStatus.FAILED, lease="", lease_until=None, finished_at__isnull=False, result__isnull=True)
                & ~Q(problem=""),
                name="shadow_run_stands_as_it_says",
            ),
            models.UniqueConstraint(fields=["version", "days"], condition=_UNDER_WAY, name="shadow_run_one_under_way"),
        )

    def __str__(self) -> str:
        return f"shadow run {self.pk} over {self.days} days"
