"""System checks of what no constraint can hold: `manage.py check`; with `--database default`, and on `migrate`, also those of data."""

from collections.abc import Sequence
from typing import Any, Final

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import ProgrammingError, transaction

from core import clock
from core.audit import record_act
from core.models import AuditRecord

_ACT: Final = "fix_credit_nanos"


@register()
def credit_is_a_power_of_ten(**_: Any) -> list[CheckMessage]:
    """Exact strings of credits need one credit to be a power of ten of nanos."""
    digits = str(settings.CREDIT_NANOS)
    if digits[0] == "1" and not digits[1:].strip("0"):
        return []
    hint = "1000000 makes one credit a tenth of a cent."
    return [Error("CREDIT_NANOS must be a positive power of ten.", hint=hint, id="billing.E001")]


@register(Tags.database)
def credit_keeps_its_worth(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """
    Customers were told balances in credits, so their worth is fixed once there are ledger entries.

    The worth is kept in the audit trail: written down the first time it is seen, and again when it changes while there are no entries.
    """
    if "default" not in (databases or ()):
        return []
    try:
        with transaction.atomic():
            kept = _kept_worth()
            if kept == settings.CREDIT_NANOS:
                return []
            if kept is None or not apps.get_model("credits", "LedgerEntry")._default_manager.exists():
                _keep_worth(kept)
                return []
    except ProgrammingError:
        return []  # Not migrated yet: there are no entries either.
    return [
        Error(
            "CREDIT_NANOS has changed, and there are entries by its old worth.",
            hint=f"Set it back to {kept}.",
            id="billing.E002",
        )
    ]


def _kept_worth() -> int | None:
    last = AuditRecord.objects.filter(act=_ACT, object_type="setting", object_id="CREDIT_NANOS").order_by("-id").first()
    return None if last is None else int(last.after["nanos"])


def _keep_worth(kept: int | None) -> None:
    record_act(
        actor_id=None,
        act=_ACT,
        object_type="setting",
        object_id="CREDIT_NANOS",
        reason="First seen." if kept is None else "Changed while there were no entries.",
        now=clock.now(),
        before={} if kept is None else {"nanos": kept},
        after={"nanos": settings.CREDIT_NANOS},
    )
