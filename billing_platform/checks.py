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
from payments.errors import BadTariff
from payments.gateways.stripe_client import longest_dial_seconds, what_is_wrong
from payments.services.ordering import SESSION_SHORTEST
from payments.tariff import tariff

_ACT: Final = "fix_credit_nanos"


@register()
def credit_is_a_power_of_ten(**_: Any) -> list[CheckMessage]:
    """Exact strings of credits need one credit to be a power of ten of nanos."""
    digits = str(settings.CREDIT_NANOS)
    if digits[0] == "1" and not digits[1:].strip("0"):
        return []
    hint = "1000000 makes one credit a tenth of a cent."
    return [Error("CREDIT_NANOS must be a positive power of ten.", hint=hint, id="billing.E001")]


@register()
def purchases_can_be_priced(**_: Any) -> list[CheckMessage]:
    """The tariff is read at the first purchase; a slip in it should be seen before."""
    try:
        tariff()
    except BadTariff as error:
        return [Error(error.message, hint="See .env.example.", id="billing.E003")]
    return []


@register()
def an_order_waits_as_long_as_its_page(**_: Any) -> list[CheckMessage]:
    """A provider's page for an order ends with it; a second try must still fit."""
    shortest, longest = 2 * SESSION_SHORTEST.seconds // 60, 24 * 60 - 5
    if not shortest <= settings.ORDER_LIFETIME_MINUTES <= longest:
        hint = "Stripe keeps a page open for half an hour to a day, and a second one must fit into what is left."
        return [Error(f"ORDER_LIFETIME_MINUTES must be from {shortest} to {longest}.", hint=hint, id="billing.E004")]
    return []


@register()
def a_key_goes_where_it_belongs(**_: Any) -> list[CheckMessage]:
    """Nothing is asked with such settings; better to hear it before the first customer does."""
    wrong = what_is_wrong()
    return [Error(f"Stripe: {wrong}", hint="See .env.example.", id="billing.E007")] if wrong else []


@register()
def a_lease_outlives_the_questions_asked_under_it(**_: Any) -> list[CheckMessage]:
    """Whoever asks a provider must be done, or have given up, before another one may take over; and some thread must stay free."""
    found: list[CheckMessage] = []
    longest = longest_dial_seconds()
    if longest >= settings.PROVIDER_LEASE_SECONDS:
        hint = "Or lower PROVIDER_TIMEOUT_SECONDS."
        found.append(Error(f"PROVIDER_LEASE_SECONDS must be above {longest}.", hint=hint, id="billing.E005"))
    if settings.PROVIDER_CALLS_AT_ONCE < 1:
        found.append(Error("PROVIDER_CALLS_AT_ONCE must be 1 at least.", hint="Fewer than a web process has threads.", id="billing.E006"))
    return found


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
