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
