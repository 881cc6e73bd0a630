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
