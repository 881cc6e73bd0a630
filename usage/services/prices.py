"""Writing the price book: drafts, and their activation."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction

from core.audit import record_act
from core.clock import HasTime
from core.locks import lock_one, locked
from usage.models import COLUMN_OF_PRICE, AiModel, PriceVersion, ProviderCost
from usage.rating import FailedPolicy, Prices
from usage.services import periods

ACTIVATION_LEAD: Final[timedelta] = periods.ACTIVATION_LEAD

ACTIVATED_AT_ONCE: Final = 100
"""Two or three seconds of a busy machine: well below the ten that one act has."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A price to be written down. `provider`: what the operator pays for it, where that is known."""

    model: AiModel
    prices: Prices
    effective_at: datetime
    failed_policy: FailedPolicy = FailedPolicy.REPORTED
    provider: Prices | None = None


def create_draft(
    *,
    model: AiModel,
    prices: Prices,
    effective_at: datetime,
    now: datetime,
    failed_policy: FailedPolicy = FailedPolicy.REPORTED,
    provider: Prices | None = None,
) -> PriceVersion:
    """A draft: it prices nothing until it is activated. `provider`: what the operator pays for it, where that is known."""
    (draft,) = create_drafts(drafts=[Draft(model, prices, effective_at, failed_policy, provider)], now=now)
    return draft


def create_drafts(*, drafts: Sequence[Draft], now: datetime) -> list[PriceVersion]:
    """Many drafts in two statements, as a price list needs them."""
    with transaction.atomic():
        versions = PriceVersion.objects.bulk_create([_version(draft, now) for draft in drafts])
        pairs = zip(versions, drafts, strict=True)
        ProviderCost.objects.bulk_create(
            [ProviderCost(version=version, **_columns(draft.provider)) for version, draft in pairs if draft.provider is not None]
        )
    return versions


def _version(draft: Draft, now: datetime) -> PriceVersion:
    return PriceVersion(
        model=draft.model,
        effective_at=draft.effective_at,
        failed_policy=draft.failed_policy,
        multiplier_bp=draft.prices.multiplier_bp,
        created_at=now,
        **_columns(draft.prices),
    )


def _columns(prices: Prices) -> dict[str, int]:
    return {column: getattr(prices, name) for name, column in COLUMN_OF_PRICE.items()}


def activate_price_version(
    *, version_id: int, actor_id: int | None, reason: str, now: datetime, has_time: HasTime | None = None
) -> PriceVersion:
    """
    Put a draft in force from its `effective_at`, moved to 60 seconds from now if that is sooner; it is never rewritten after.

    A model's first price may take effect at any instant, also in the past: until then its usage was refused, so nothing was
    priced otherwise. It ends where a later one begins, and the one before it ends where it begins.

    Raises NotFound, PriceNotDraft, InvalidInput (another version of the model takes effect at that very instant), Conflict (it would be in
    force before every process can have read it, since others kept it waiting).
    """
    with periods.act_in_time(has_time):
        version = periods.lock_draft(PriceVersion.objects.filter(pk=version_id), called="price version")
        lock_one(AiModel.objects.filter(pk=version.model_id))
        _activate(version, actor_id, reason, now)
    return version


def activate_price_versions(
    *, version_ids: Sequence[int], actor_id: int | None, reason: str, now: datetime, has_time: HasTime | None = None
) -> int:
    """
    The same for at most `ACTIVATED_AT_ONCE` drafts, all or none; what is no draft any more is passed over. Returns how many.

    Raises InvalidInput and Conflict, as `activate_price_version` does.
    """
    with periods.act_in_time(has_time):
        drafts = list(locked(PriceVersion.objects.filter(pk__in=version_ids[:ACTIVATED_AT_ONCE], activated_at=None)))
        list(locked(AiModel.objects.filter(pk__in={draft.model_id for draft in drafts})))
        for draft in drafts:
            _activate(draft, actor_id, reason, now)
    return len(drafts)


def _activate(version: PriceVersion, actor_id: int | None, reason: str, now: datetime) -> None:
    """Put a locked draft of a locked model in force."""
    others = PriceVersion.objects.filter(model_id=version.model_id, activated_at__isnull=False)
    if others.exists():
        version.effective_at = max(version.effective_at, now + ACTIVATION_LEAD)
    periods.put_in_force(version, others, called="price of this model", now=now)
    record_act(
        actor_id=actor_id,
        act="activate_price_version",
        object_type="price_version",
        object_id=str(version.pk),
        reason=reason,
        after={"effective_at": version.effective_at.isoformat()},
        now=now,
    )
