"""Writing the price book: drafts, and their activation."""

from datetime import datetime, timedelta
from typing import Final

from django.db import transaction

from core.audit import record_act
from core.errors import InvalidInput, NotFound
from core.locks import lock_one
from usage.errors import PriceNotDraft
from usage.models import COLUMN_OF_PRICE, AiModel, PriceVersion, ProviderCost
from usage.rating import FailedPolicy, Prices

ACTIVATION_LEAD: Final = timedelta(seconds=60)
"""Every web process re-reads the price book every 15 seconds and refuses to price by one older than 45."""


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
    with transaction.atomic():
        draft = PriceVersion.objects.create(
            model=model,
            effective_at=effective_at,
            failed_policy=failed_policy,
            multiplier_bp=prices.multiplier_bp,
            created_at=now,
            **_columns(prices),
        )
        if provider is not None:
            ProviderCost.objects.create(version=draft, **_columns(provider))
    return draft


def _columns(prices: Prices) -> dict[str, int]:
    return {column: getattr(prices, name) for name, column in COLUMN_OF_PRICE.items()}


def activate_price_version(*, version_id: int, actor_id: int | None, reason: str, now: datetime) -> PriceVersion:
    """
    Put a draft in force from its `effective_at`, moved to 60 seconds from now if that is sooner; it is never rewritten after.

    A model's first price may take effect at any instant, also in the past: until then its usage was refused, so nothing was
    priced otherwise.

    Raises NotFound, PriceNotDraft, InvalidInput (another version of the model takes effect at that very instant).
    """
    with transaction.atomic():
        version = lock_one(PriceVersion.objects.filter(pk=version_id))
        if version is None:
            raise NotFound("There is no such price version.")
        if version.activated_at is not None:
            raise PriceNotDraft("This price version is active already; make a new draft to change the price.")
        lock_one(AiModel.objects.filter(pk=version.model_id))
        _put_in_force(version, now)
        record_act(
            actor_id=actor_id,
            act="activate_price_version",
            object_type="price_version",
            object_id=str(version.pk),
            reason=reason,
            after={"effective_at": version.effective_at.isoformat()},
            now=now,
        )
    return version


def _put_in_force(version: PriceVersion, now: datetime) -> None:
    """Between its neighbours in time: the one before ends where it begins, and it ends where the one after begins."""
    others = PriceVersion.objects.filter(model_id=version.model_id, activated_at__isnull=False)
    if others.exists():
        version.effective_at = max(version.effective_at, now + ACTIVATION_LEAD)
    if others.filter(effective_at=version.effective_at).exists():
        raise InvalidInput("Another price of this model takes effect at that instant.", field="effective_at")
    before = others.filter(effective_at__lt=version.effective_at).order_by("-effective_at").first()
    after = others.filter(effective_at__gt=version.effective_at).order_by("effective_at").first()
    if before is not None:
        before.ends_at = version.effective_at
        before.save(update_fields=["ends_at"])
    version.ends_at = None if after is None else after.effective_at
    version.activated_at = now
    version.save(update_fields=["effective_at", "ends_at", "activated_at"])
