"""An account's own facts: its name, address, zone, low-balance level, freeze, and its end."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import Exists, OuterRef

from accounts.errors import LastOwner
from accounts.models import Account, ApiKey, Invite, Membership, User
from accounts.models.membership import Role
from accounts.selectors import forget_presented_keys, zone_at
from accounts.services.tokens import revoke_all_tokens
from core import zones
from core.audit import record_act
from core.errors import InvalidInput, NotFound
from core.locks import lock_one, locked

ZONE_LEAD: Final = timedelta(seconds=60)
"""A zone announced right before midnight waits for the next one: by then every web process has read it."""

TIER_MAX: Final = 32


@dataclass(frozen=True)
class AccountChanges:
    """What to change; None leaves a thing as it is. `clear_low_balance` takes the level away."""

    name: str | None = None
    email: str | None = None
    zone: str | None = None
    low_balance_nanos: int | None = None
    clear_low_balance: bool = False


def change_account(*, account_id: int, changes: AccountChanges, now: datetime) -> Account:
    """
    Change an account's facts. A zone acts from the next local midnight of the zone in force: the day that has begun ends as it was
    promised. Announcing another zone replaces the announced one; the present one takes the announcement back.

    Raises InvalidInput for an unknown zone or a negative level, NotFound for a closed account.
    """
    if changes.low_balance_nanos is not None and changes.low_balance_nanos < 0:
        raise InvalidInput("A level is not negative.", code="out_of_range", field="low_balance")
    with transaction.atomic():
        account = _lock_open(account_id)
        account.name = account.name if changes.name is None else changes.name
        account.email = account.email if changes.email is None else changes.email
        if changes.clear_low_balance or changes.low_balance_nanos is not None:
            account.low_balance_nanos = changes.low_balance_nanos
        if changes.zone is not None:
            _announce_zone(account, changes.zone, now)
        account.save()
    return account


def set_frozen(*, account_id: int, is_frozen: bool, actor_id: int, reason: str, now: datetime) -> Account:
    """The operator's switch: holds, check-in and top-up are refused while it is on. Leaves an audit row; no change leaves none."""
    with transaction.atomic():
        account = _lock_open(account_id)
        if account.is_frozen != is_frozen:
            account.is_frozen = is_frozen
            account.save(update_fields=["is_frozen"])
            record_act(
                actor_id=actor_id,
                act="freeze_account" if is_frozen else "release_account",
                object_type="account",
                object_id=account.public_id,
                account_id=account.pk,
                reason=reason,
                now=now,
                before={"is_frozen": not is_frozen},
                after={"is_frozen": is_frozen},
            )
    return account


def set_price_tier(*, account_id: int, tier: str, actor_id: int, reason: str, now: datetime) -> Account:
    """
    Put an account into a price tier, or with an empty name into none. Every web process knows it within a minute; what is booked from then
    on pays by it, also events that occurred before: a tier has no dates, its multipliers do.

    Leaves an audit row; no change leaves none. Raises NotFound, InvalidInput (longer than 32 characters, or not printable).
    """
    if len(tier) > TIER_MAX or not tier.isprintable() or tier != tier.strip():
        raise InvalidInput(f"A tier's name has at most {TIER_MAX} printable characters.", field="price_tier")
    with transaction.atomic():
        account = _lock_open(account_id)
        if account.price_tier != tier:
            before, account.price_tier = account.price_tier, tier
            account.save(update_fields=["price_tier"])
            record_act(
                actor_id=actor_id,
                act="set_price_tier",
                object_type="account",
                object_id=account.public_id,
                account_id=account.pk,
                reason=reason,
                now=now,
                before={"price_tier": before},
                after={"price_tier": tier},
            )
    return account


def close_account(*, account_id: int, actor_id: int, reason: str, now: datetime) -> Account:
    """
    End an account: its name, address, members and invites go, its keys are revoked; ledger entries stay, they hold ids only.

    Credits left are not paid out and cannot be spent any more; they expire by their terms, or an operator adjusts them. Usage that
    happened before is still booked. With a personal account its person goes too: address replaced by a tombstone, password and tokens
    ended, every other membership left. Twice is fine: the second changes nothing.

    Raises LastOwner while that person is the only owner of another open account, NotFound.
    """
    with transaction.atomic():
        account, person = _lock_for_closing(account_id)
        if account.is_closed:
            return account
        if person is not None:
            _check_nothing_orphaned(account, person)
            _forget_person(person)
        _empty(account, now)
        record_act(
            actor_id=actor_id,
            act="close_account",
            object_type="account",
            object_id=account.public_id,
            account_id=account.pk,
            reason=reason,
            now=now,
        )
    forget_presented_keys()
    return account


def _lock_open(account_id: int) -> Account:
    account = lock_one(Account.objects.filter(pk=account_id, closed_at=None))
    if account is None:
        raise NotFound("There is no such account.")
    return account


def _announce_zone(account: Account, zone: str, now: datetime) -> None:
    if zone not in zones.zone_names():
        raise InvalidInput("Give an IANA zone such as Europe/Berlin.", code="unknown_zone", field="zone")
    account.zone = zone_at(account, now)
    is_change = zone != account.zone
    account.next_zone = zone if is_change else ""
    account.next_zone_at = zones.next_midnight(account.zone, now + ZONE_LEAD) if is_change else None


def _lock_for_closing(account_id: int) -> tuple[Account, User | None]:
    """The account and, with a personal one, every account its person belongs to (in order) and then the person."""
    found = Account.objects.filter(pk=account_id).first()
    if found is None:
        raise NotFound("There is no such account.")
    user_id = found.personal_of_id
    if user_id is None:
        return _locked_by_id([account_id])[account_id], None
    theirs = Membership.objects.filter(user_id=user_id).values_list("account_id", flat=True)
    return _locked_by_id([account_id, *theirs])[account_id], _lock_person(user_id)


def _locked_by_id(account_ids: list[int]) -> dict[int, Account]:
    return {account.pk: account for account in locked(Account.objects.filter(pk__in=account_ids))}


def _lock_person(user_id: int) -> User | None:
    """Invites before the person, as whoever accepts one locks them."""
    list(locked(Invite.objects.filter(email__in=User.objects.filter(pk=user_id).values("email"))))
    return lock_one(User.objects.filter(pk=user_id))


def _check_nothing_orphaned(account: Account, person: User) -> None:
    others = Membership.objects.filter(account=OuterRef("account"), role=Role.OWNER).exclude(user=person)
    owned = Membership.objects.filter(user=person, role=Role.OWNER, account__closed_at=None).exclude(account=account)
    orphan = owned.exclude(Exists(others)).select_related("account").first()
    if orphan is not None:
        message = "You are the only owner of another account; close it or make somebody else an owner first."
        raise LastOwner(message, account=orphan.account.public_id)


def _forget_person(person: User) -> None:
    Invite.objects.filter(email=person.email).delete()
    Membership.objects.filter(user=person).delete()
    revoke_all_tokens(user_id=person.pk)
    person.email = f"closed-{person.pk}@closed.invalid"
    person.email_verified_at = None
    person.is_active = False
    person.set_unusable_password()
    person.save()


def _empty(account: Account, now: datetime) -> None:
    Membership.objects.filter(account=account).delete()
    Invite.objects.filter(account=account).delete()
    ApiKey.objects.filter(account=account, revoked_at=None).update(revoked_at=now)
    ApiKey.objects.filter(account=account).update(name="")  # People name keys after themselves.
    account.name = account.email = ""
    account.low_balance_nanos = None
    account.closed_at = now
    account.save()
