"""What one account, or every account of a tier, pays of the prices: drafts of multipliers, and their activation."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import Q

from accounts.models import Account
from core.audit import record_act
from core.clock import HasTime
from core.errors import Conflict, InvalidInput, NotFound
from core.locks import lock_one, try_claim
from usage.models import PriceMultiplier, in_force
from usage.models.price_book import MULTIPLIER_MAX_BP
from usage.rating import BASIS_POINTS
from usage.services import periods

CALLED: Final = "multiplier"


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose multiplier: of one account or of one tier, never both; of one model, or of all of them."""

    account_id: int | None = None
    tier: str = ""
    model_id: int | None = None

    @property
    def rows(self) -> Q:
        """The multipliers of just this scope."""
        return Q(account_id=self.account_id, tier=self.tier, model_id=self.model_id)


def scope_of(row: PriceMultiplier) -> Scope:
    """The scope of a multiplier."""
    return Scope(row.account_id, row.tier, row.model_id)


def check_multiplier(scope: Scope, multiplier_bp: int, effective_at: datetime, ends_at: datetime | None) -> None:
    """Raises InvalidInput, naming the field: not one account or one tier, out of range, or it would end before it takes effect."""
    if (scope.account_id is None) == (scope.tier == ""):
        raise InvalidInput("Name one account or one tier.", field="account")
    if not 0 <= multiplier_bp <= MULTIPLIER_MAX_BP:
        raise InvalidInput(f"A multiplier lies between 0 and {MULTIPLIER_MAX_BP:,} basis points.", field="multiplier_bp")
    if ends_at is not None and ends_at <= effective_at:
        raise InvalidInput("It would end before it takes effect.", field="ends_at")


def create_multiplier_draft(
    *, scope: Scope, multiplier_bp: int, effective_at: datetime, now: datetime, ends_at: datetime | None = None
) -> PriceMultiplier:
    """
    A draft: it changes no price until it is activated. `multiplier_bp` in basis points: 9,000 is a tenth off.

    Raises InvalidInput, as `check_multiplier` does.
    """
    check_multiplier(scope, multiplier_bp, effective_at, ends_at)
    return PriceMultiplier.objects.create(
        account_id=scope.account_id,
        tier=scope.tier,
        model_id=scope.model_id,
        multiplier_bp=multiplier_bp,
        effective_at=effective_at,
        ends_at=ends_at,
        created_at=now,
    )


def multipliers_of_account(account_id: int, at: datetime) -> list[PriceMultiplier]:
    """Those in force at an instant for an account, its own and its tier's, of whatever model; the most specific ones first."""
    return _in_force(_whose(Scope(account_id)), at)


def pays_at(scope: Scope, at: datetime) -> int:
    """What this account or tier pays of the prices of this model, or of those without a multiplier of their own, in basis points."""
    found = _in_force(_whose(scope) & (Q(model=None) | Q(model_id=scope.model_id)), at)
    return found[0].multiplier_bp if found else BASIS_POINTS


def _whose(scope: Scope) -> Q:
    if scope.account_id is None:
        return Q(tier=scope.tier, account=None)
    tier = Account.objects.filter(pk=scope.account_id).values("price_tier")
    return Q(account_id=scope.account_id) | Q(tier__in=tier, account=None)


def _in_force(which: Q, at: datetime) -> list[PriceMultiplier]:
    found = PriceMultiplier.objects.filter(which, in_force(at)).select_related("model")
    return sorted(found, key=lambda row: (row.account_id is None, row.model_id is None))


def activate_multiplier(
    *, multiplier_id: int, actor_id: int | None, reason: str, now: datetime, has_time: HasTime | None = None
) -> PriceMultiplier:
    """
    Put a draft in force from its `effective_at`, moved to 60 seconds from now if that is sooner; it is never rewritten after.

    The one before it of the same scope ends where it begins; it ends where a later one begins, or at its own end if that is sooner.

    Raises NotFound, PriceNotDraft, Conflict (another activation is under way, or others kept this one waiting for too long), InvalidInput
    (another one of the scope takes effect at that very instant, or it would end before it takes effect).
    """
    with periods.act_in_time(has_time):
        row = periods.lock_draft(PriceMultiplier.objects.filter(pk=multiplier_id), called=CALLED)
        _claim()
        scope = scope_of(row)
        before = pays_at(scope, now)
        row.effective_at = max(row.effective_at, now + periods.ACTIVATION_LEAD)
        others = PriceMultiplier.objects.filter(scope.rows, activated_at__isnull=False)
        periods.put_in_force(row, others, called=CALLED, now=now)
        record_act(
            actor_id=actor_id,
            act="activate_price_multiplier",
            object_type="price_multiplier",
            object_id=str(row.pk),
            account_id=row.account_id,
            reason=reason,
            before={"multiplier_bp": before},
            after={"multiplier_bp": row.multiplier_bp, "effective_at": row.effective_at.isoformat()},
            now=now,
        )
    return row


def end_multiplier(
    *, multiplier_id: int, actor_id: int | None, reason: str, now: datetime, has_time: HasTime | None = None
) -> PriceMultiplier:
    """
    End an active multiplier 60 seconds from now; what is less specific applies from then on.

    Raises NotFound, Conflict (a draft, one that has ended or does so sooner, one that begins later, or others are at it).
    """
    with periods.act_in_time(has_time):
        row = _lock(multiplier_id)
        ends_at = now + periods.ACTIVATION_LEAD
        if row.activated_at is None or (row.ends_at is not None and row.ends_at <= ends_at):
            raise Conflict("This multiplier is a draft, or it ends by then anyway.")
        if can_be_taken_back(row, now):
            raise Conflict("This multiplier has yet to begin: take it back.")
        before, row.ends_at = row.ends_at, ends_at
        row.save(update_fields=["ends_at"])
        record_act(
            actor_id=actor_id,
            act="end_price_multiplier",
            object_type="price_multiplier",
            object_id=str(row.pk),
            account_id=row.account_id,
            reason=reason,
            before={"ends_at": None if before is None else before.isoformat()},
            after={"ends_at": ends_at.isoformat()},
            now=now,
        )
    return row


def can_be_taken_back(row: PriceMultiplier, at: datetime) -> bool:
    """Whether no process will have rated anything by an active multiplier before all of them know that it was taken back."""
    return row.activated_at is not None and row.effective_at >= at + periods.ACTIVATION_LEAD


def take_back_multiplier(
    *, multiplier_id: int, actor_id: int | None, reason: str, now: datetime, has_time: HasTime | None = None
) -> PriceMultiplier:
    """
    Make an active multiplier that begins in 60 seconds or later the draft again that it was. The one that it was to take the place of ends
    as its activation said, since an end never moves away: another draft may take its place.

    Raises NotFound, Conflict (a draft, one that begins sooner or is in force, or others are at it).
    """
    with periods.act_in_time(has_time):
        row = _lock(multiplier_id)
        if not can_be_taken_back(row, now):
            raise Conflict("This multiplier is a draft, or it has begun or does so within a minute: end it.")
        row.activated_at = None
        row.save(update_fields=["activated_at"])
        record_act(
            actor_id=actor_id,
            act="take_back_price_multiplier",
            object_type="price_multiplier",
            object_id=str(row.pk),
            account_id=row.account_id,
            reason=reason,
            before={"effective_at": row.effective_at.isoformat()},
            after={"effective_at": None},
            now=now,
        )
    return row


def _lock(multiplier_id: int) -> PriceMultiplier:
    """The multiplier, with nobody else at any. Raises NotFound, Conflict."""
    row = lock_one(PriceMultiplier.objects.filter(pk=multiplier_id))
    if row is None:
        raise NotFound(f"There is no such {CALLED}.")
    _claim()
    row.refresh_from_db()
    return row


def _claim() -> None:
    """A tier has no row to lock, and activations are rare: one at a time."""
    if not try_claim("price multipliers"):
        raise Conflict("Another multiplier is being put in force at this moment; try again.")
