"""Rows that belong to no app: the audit trail of operators' acts."""

from django.conf import settings
from django.db import models


class AuditRecord(models.Model):
    """
    One act of an operator: who, what, on which object, why, and what it changed.

    Written by the service that does the act, in its transaction; never changed (a trigger refuses UPDATE and DELETE).
    Free text lives here and not in ledger entries, which hold ids only.
    """

    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        db_constraint=False,
        help_text="Empty: the server's own command line.",
    )
    act = models.CharField(max_length=64)
    object_type = models.CharField(max_length=64)
    object_id = models.CharField(max_length=64)
    account_id = models.BigIntegerField(null=True)
    reason = models.TextField()
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    request_id = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        indexes = (
            models.Index(fields=["object_type", "object_id", "-id"], name="audit_by_object"),
            models.Index(fields=["account_id", "-id"], name="audit_by_account"),
        )

    def __str__(self) -> str:
        return f"{self.act} {self.object_type} {self.object_id} #{self.pk}"


class IdempotentRequest(models.Model):
    """
    One request that a client may repeat: whose and which act, the client's key, a digest of what was asked, and the answer once done.

    Written by `core.idempotency` in the act's transaction. `lease` is a claim on an act that waits for a provider; one past
    `lease_until` is dead, and a retry takes it. `subject` names what the act has made so far. Deleted after a day.
    """

    scope = models.CharField(max_length=200)
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    subject = models.CharField(max_length=64, blank=True)
    answer = models.JSONField(null=True)
    lease = models.CharField(max_length=32, blank=True)
    lease_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["scope", "key"], name="idempotent_request_once_per_key"),)
        indexes = (models.Index(fields=["created_at"], name="idempotent_request_by_age"),)

    def __str__(self) -> str:
        return f"{self.scope} {self.key}"


class VerificationRun(models.Model):
    """
    One verification of the books: who asked for it, over what, how far it is or was, and what it found.

    Written by `core.verification_runs` in transactions of its own, never in those of the checks. `account_id` NULL means every
    account. While it runs, `at_check` and the range say where it is, and `progress_at` when it said so last: one that says nothing
    for ten minutes has died. Kept for 400 days.
    """

    class AskedBy(models.TextChoices):
        """Beat each night, somebody at a command line, or an operator in the console."""

        NIGHTLY = "nightly"
        COMMAND = "command"
        OPERATOR = "operator"

    class State(models.TextChoices):
        """`ok`: every invariant held. `disagrees`: some did not. `failed`: it ended before it knew."""

        RUNNING = "running"
        OK = "ok"
        DISAGREES = "disagrees"
        FAILED = "failed"

    asked_by = models.CharField(max_length=8, choices=AskedBy.choices)
    account_id = models.BigIntegerField(null=True, blank=True)
    state = models.CharField(max_length=9, choices=State.choices, default=State.RUNNING)
    checks = models.IntegerField(help_text="How many checks there are.")
    checks_run = models.BigIntegerField(default=0, help_text="How often a check was run over a range of accounts.")
    accounts = models.BigIntegerField(default=0)
    entries = models.BigIntegerField(default=0)
    discrepancies = models.IntegerField(default=0, help_text="Confirmed by a second look. A run ends at about 1,000.")
    late_wallets = models.BigIntegerField(default=0)
    at_check = models.CharField(max_length=100, blank=True)
    range_low = models.BigIntegerField(null=True, blank=True)
    range_high = models.BigIntegerField(null=True, blank=True)
    problem = models.CharField(max_length=200, blank=True, help_text="Why it failed.")
    started_at = models.DateTimeField()
    progress_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "verification_run"
        permissions = (
            ("verify_books", "Can have all books verified"),
            ("verify_account", "Can have the books of one account verified"),
        )
        constraints = (
            models.CheckConstraint(
                condition=models.Q(state="running", finished_at=None) | (~models.Q(state="running") & models.Q(finished_at__isnull=False)),
                name="verification_run_ends_once",
            ),
        )
        indexes = (models.Index(fields=["account_id", "-id"], name="verification_run_by_account"),)

    def __str__(self) -> str:
        return f"run {self.pk}"


class VerificationFinding(models.Model):
    """One discrepancy of a run, as its check has said it. `account_id` 0: the house accounts. At most 1,000 of a run are kept."""

    run = models.ForeignKey(VerificationRun, on_delete=models.CASCADE, related_name="findings")
    account_id = models.BigIntegerField()
    invariant = models.SmallIntegerField()
    check_name = models.CharField(max_length=100)
    detail = models.TextField()

    class Meta:
        db_table = "verification_finding"
        indexes = (models.Index(fields=["account_id", "-id"], name="finding_by_account"),)

    def __str__(self) -> str:
        return f"account {self.account_id}, invariant {self.invariant}: {self.check_name}"
