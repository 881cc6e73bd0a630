"""The one door to the audit trail."""

from collections.abc import Mapping
from datetime import datetime

from core.models import AuditRecord
from core.request_id import current_request_id


def record_act(
    *,
    actor_id: int | None,
    act: str,
    object_type: str,
    object_id: str,
    reason: str,
    now: datetime,
    account_id: int | None = None,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> AuditRecord:
    """
    Keep who did what to which object, why, and what it changed. Call it in the act's own transaction.

    actor_id: the user, or None for the server's own command line. before, after: plain JSON, without secrets.
    """
    return AuditRecord.objects.create(
        actor_id=actor_id,
        act=act,
        object_type=object_type,
        object_id=object_id,
        account_id=account_id,
        reason=reason,
        before=dict(before or {}),
        after=dict(after or {}),
        request_id=current_request_id(),
        created_at=now,
    )
