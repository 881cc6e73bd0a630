"""Reads about people, accounts, memberships and keys."""

import re
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from django.db.models import Case, QuerySet, Value, When

from accounts.models import Account, ApiKey, Invite, Membership, User
from accounts.models.api_key import CUSTOMER_SCOPES, Scope
from accounts.models.membership import Role
from core import ids, zones
from core.errors import NotFound

__all__ = ("CUSTOMER_SCOPES", "Account", "ApiKey", "Invite", "Membership", "Role", "Scope", "User")
"""Views, admin and higher apps take the words from here: they reach models through selectors and services."""

_PUBLIC_ID: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)
KEY_MEMORY_SECONDS: Final = 5.0
"""How long a web process may go on accepting a key that another one revoked."""
_KEY_MEMORY_MAX: Final = 10_000


class Zoned(Protocol):
    """What `zone_at` needs to know: an Account or an AccountRef."""

    @property
    def zone(self) -> str: ...

    @property
    def next_zone(self) -> str: ...

    @property
    def next_zone_at(self) -> datetime | None: ...


@dataclass(frozen=True, slots=True)
class AccountRef:
    """What the hot path needs to know of an account."""

    id: int
    public_id: str
    zone: str
    next_zone: str
    next_zone_at: datetime | None
    price_tier: str
    closed: bool


@dataclass(frozen=True, slots=True)
class KeyRef:
    """What the hot path needs to know of a customer's key."""

    id: int
    public_id: str
    account_id: int
    name: str


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A presented key: whose it is, what it may do, until when."""

    id: int
    account_id: int | None
    scopes: frozenset[str]
    expires_at: datetime | None

    def is_live(self, now: datetime) -> bool:
        """Whether it has not expired. A revoked key has no record."""
        return self.expires_at is None or now < self.expires_at


def zone_at(account: Zoned, instant: datetime) -> str:
    """The zone of the account's local days at `instant`: a change acts from the midnight it was announced for."""
    return zones.zone_in_force(account.zone, account.next_zone, account.next_zone_at, instant)


def get_account(public_id: str) -> Account:
    """The account of this public id, closed or not. Raises NotFound."""
    account = Account.objects.filter(public_id=public_id).first() if _is_public_id(public_id) else None
    if account is None:
        raise _no_account()
    return account


def get_open_account(public_id: str) -> Account:
    """The account of this public id, if it is not closed. Raises NotFound."""
    account = get_account(public_id)
    if account.is_closed:
        raise _no_account()
    return account


def get_account_by_id(account_id: int) -> Account:
    """The account of this internal id. Raises NotFound when there is none or it is closed."""
    account = Account.objects.filter(pk=account_id, closed_at=None).first()
    if account is None:
        raise _no_account()
    return account


ACCOUNT_REF_COLUMNS: Final = ("id", "public_id", "zone", "next_zone", "next_zone_at", "price_tier", "closed_at")


def account_ref(row: Sequence[Any]) -> AccountRef:
    """What a row of these columns (and maybe more) says. A closed account is one too: its usage happened."""
    pk, public_id, zone, next_zone, next_zone_at, price_tier, closed_at = row[:7]
    return AccountRef(pk, public_id, zone, next_zone, next_zone_at, price_tier, closed=closed_at is not None)


def find_key_refs(public_ids: Collection[str]) -> dict[str, KeyRef]:
    """Those of the named customer keys that exist, revoked ones included (their usage happened), by public id. One query."""
    rows = ApiKey.objects.filter(public_id__in=public_ids, account__isnull=False).values_list("id", "public_id", "account_id", "name")
    return {row[1]: KeyRef(row[0], row[1], _of_account(row[2]), row[3]) for row in rows}


def public_id_of_key(key_id: int) -> str | None:
    """The name outside of a key, or None where there is none."""
    return ApiKey.objects.filter(pk=key_id).values_list("public_id", flat=True).first()


def owner_of(account_id: int) -> User:
    """The person whose account it is: the one it came with, else its first owner. Raises NotFound (a closed account has none)."""
    personal_first = Case(When(personal_account=account_id, then=Value(0)), default=Value(1))
    owners = User.objects.filter(memberships__account_id=account_id, memberships__role=Role.OWNER)
    owner = owners.order_by(personal_first, "memberships__id").first()
    if owner is None:
        raise NotFound("The account has no owner.")
    return owner


def find_membership(*, user_id: int, public_id: str | None) -> Membership | None:
    """A person's membership, with its account, in the named open account; the personal account where none is named."""
    mine = Membership.objects.select_related("account").filter(user_id=user_id, account__closed_at=None)
    if public_id is None:
        return mine.filter(account__personal_of_id=user_id).first()
    return mine.filter(account__public_id=public_id).first() if _is_public_id(public_id) else None


def list_memberships_of(user_id: int) -> QuerySet[Membership]:
    """A person's memberships in open accounts, the oldest first."""
    return Membership.objects.select_related("account").filter(user_id=user_id, account__closed_at=None).order_by("id")


def list_members(account_id: int) -> QuerySet[Membership]:
    """Who belongs to an account, the oldest first."""
    return Membership.objects.select_related("user").filter(account_id=account_id).order_by("id")


def list_open_invites(account_id: int, now: datetime) -> QuerySet[Invite]:
    """Invites of an account that can still be taken, the oldest first."""
    return Invite.objects.filter(account_id=account_id, accepted_at=None, expires_at__gt=now).order_by("id")


def list_api_keys(account_id: int) -> QuerySet[ApiKey]:
    """An account's keys, revoked ones too, the newest first."""
    return ApiKey.objects.filter(account_id=account_id).order_by("-id")


def list_platform_keys() -> QuerySet[ApiKey]:
    """The platform's own keys, the newest first."""
    return ApiKey.objects.filter(account=None).order_by("-id")


def get_api_key(*, account_id: int, public_id: str) -> ApiKey:
    """One key of an account. Raises NotFound."""
    key = ApiKey.objects.filter(account_id=account_id, public_id=public_id).first() if _is_public_id(public_id) else None
    if key is None:
        raise NotFound("There is no such key in this account.")
    return key


def get_member(*, account_id: int, public_id: str) -> Membership:
    """One member of an account. Raises NotFound."""
    member = list_members(account_id).filter(public_id=public_id).first() if _is_public_id(public_id) else None
    if member is None:
        raise NotFound("There is no such member in this account.")
    return member


def find_invite(*, account_id: int, public_id: str) -> Invite | None:
    """One open invite of an account, or None."""
    if not _is_public_id(public_id):
        return None
    return Invite.objects.filter(account_id=account_id, public_id=public_id, accepted_at=None).first()


def find_active_user(user_id: int) -> User | None:
    """The person, unless the account was closed or an operator switched them off."""
    return User.objects.filter(pk=user_id, is_active=True).first()


_remembered_keys: dict[str, tuple[float, KeyRecord]] = {}


def find_presented_key(secret: str) -> KeyRecord | None:
    """
    The unrevoked key of an open account, or of the platform, that this secret opens, or None.

    A key seen in the last five seconds costs no query, so one that is revoked elsewhere stops within five seconds. Unknown secrets are
    never remembered: guessing must not fill memory.
    """
    digest = ids.secret_digest(secret)
    remembered = _remembered_keys.get(digest)
    if remembered is not None and remembered[0] > time.monotonic():
        return remembered[1]
    record = _read_key(digest)
    if record is None:
        _remembered_keys.pop(digest, None)
        return None
    if len(_remembered_keys) >= _KEY_MEMORY_MAX:
        _remembered_keys.clear()
    _remembered_keys[digest] = (time.monotonic() + KEY_MEMORY_SECONDS, record)
    return record


def forget_presented_keys() -> None:
    """Drop what this process remembers, because a key or an account has just changed."""
    _remembered_keys.clear()


def _read_key(digest: str) -> KeyRecord | None:
    row = (
        ApiKey.objects.filter(secret_hash=digest, revoked_at=None, account__closed_at=None)
        .values_list("id", "account_id", "scopes", "expires_at")
        .first()
    )
    return None if row is None else KeyRecord(row[0], row[1], frozenset(row[2]), row[3])


def _is_public_id(text: str) -> bool:
    return _PUBLIC_ID.fullmatch(text) is not None


def _no_account() -> NotFound:
    return NotFound("There is no such account, or you are not a member of it.")


def _of_account(account_id: int | None) -> int:
    if account_id is None:  # pragma: no cover  The query asks for keys with an account; this is for the type checker.
        raise NotFound("A platform key belongs to no account.")
    return account_id
