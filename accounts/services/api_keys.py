"""API keys: made once, shown once, revoked for good."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import transaction

from accounts.errors import TooManyKeys
from accounts.models import Account, ApiKey
from accounts.models.api_key import CUSTOMER_SCOPES, Scope
from accounts.selectors import forget_presented_keys
from core import ids
from core.audit import record_act
from core.errors import InvalidInput, NotFound
from core.locks import lock_one

LIVE_KEYS_MAX: Final = 100
_CUSTOMER_PREFIX: Final = "sk_"
_PLATFORM_PREFIX: Final = "sk_platform_"
_SHOWN_OF_SECRET: Final = 4


@dataclass(frozen=True)
class IssuedKey:
    """A new key with its secret, which exists nowhere else."""

    key: ApiKey
    secret: str


def issue_api_key(
    *,
    account_id: int,
    name: str,
    scopes: Collection[str],
    actor_id: int,
    now: datetime,
    expires_at: datetime | None = None,
) -> IssuedKey:
    """
    Make a customer's key.

    scopes: some of CUSTOMER_SCOPES. Raises InvalidInput for another scope or a past expiry, TooManyKeys at 100 live ones, NotFound for a
    closed account.
    """
    _check_scopes(scopes, CUSTOMER_SCOPES)
    _check_expiry(expires_at, now)
    with transaction.atomic():
        account = lock_one(Account.objects.filter(pk=account_id, closed_at=None))
        if account is None:
            raise NotFound("There is no such account.")
        if ApiKey.objects.filter(account=account, revoked_at=None).count() >= LIVE_KEYS_MAX:
            raise TooManyKeys(f"The account has {LIVE_KEYS_MAX} live keys; revoke one first.")
        return _issue(_CUSTOMER_PREFIX, account=account, name=name, scopes=scopes, actor_id=actor_id, expires_at=expires_at, now=now)


def issue_platform_key(
    *,
    name: str,
    scopes: Collection[str],
    actor_id: int | None,
    reason: str,
    now: datetime,
    expires_at: datetime | None = None,
) -> IssuedKey:
    """
    Make a key for one of the platform's own gateways: it acts for any account and may have any scope. Leaves an audit row.

    actor_id: the operator, or None for the server's command line. Raises InvalidInput for an unknown scope or a past expiry.
    """
    _check_scopes(scopes, tuple(Scope))
    _check_expiry(expires_at, now)
    with transaction.atomic():
        issued = _issue(_PLATFORM_PREFIX, account=None, name=name, scopes=scopes, actor_id=actor_id, expires_at=expires_at, now=now)
        after = {"name": name, "scopes": sorted(scopes), "expires_at": expires_at.isoformat() if expires_at else None}
        _audit("issue_platform_key", issued.key, actor_id=actor_id, reason=reason, now=now, after=after)
        return issued


def rename_api_key(*, key: ApiKey, name: str) -> ApiKey:
    """Give a key another name; the key stays the same."""
    key.name = name
    key.save(update_fields=["name"])
    return key


def revoke_api_key(*, key_id: int, now: datetime) -> None:
    """
    End a customer's key: at once in this process, within five seconds in the others. Twice is fine: the first instant stays.

    Platform keys are ended by `revoke_platform_key`.
    """
    ApiKey.objects.filter(pk=key_id, account__isnull=False, revoked_at=None).update(revoked_at=now)
    forget_presented_keys()


def revoke_platform_key(*, key_id: int, actor_id: int | None, reason: str, now: datetime) -> None:
    """End a platform key and leave an audit row. Twice is fine: the second changes nothing. Raises NotFound for another kind of key."""
    with transaction.atomic():
        key = lock_one(ApiKey.objects.filter(pk=key_id, account__isnull=True))
        if key is None:
            raise NotFound("There is no such platform key.")
        if key.revoked_at is None:
            key.revoked_at = now
            key.save(update_fields=["revoked_at"])
            after = {"revoked_at": now.isoformat()}
            _audit("revoke_platform_key", key, actor_id=actor_id, reason=reason, now=now, after=after)
    forget_presented_keys()


def _issue(
    prefix: str,
    *,
    account: Account | None,
    name: str,
    scopes: Collection[str],
    actor_id: int | None,
    expires_at: datetime | None,
    now: datetime,
) -> IssuedKey:
    secret = ids.new_secret(prefix)
    key = ApiKey.objects.create(
        account=account,
        name=name,
        prefix=secret[: len(prefix) + _SHOWN_OF_SECRET],
        secret_hash=ids.secret_digest(secret),
        scopes=sorted(set(scopes)),
        created_by_id=actor_id,
        created_at=now,
        expires_at=expires_at,
    )
    return IssuedKey(key, secret)


def _audit(act: str, key: ApiKey, *, actor_id: int | None, reason: str, now: datetime, after: Mapping[str, object]) -> None:
    record_act(actor_id=actor_id, act=act, object_type="api_key", object_id=key.public_id, reason=reason, now=now, after=after)


def _check_scopes(scopes: Collection[str], allowed: Collection[str]) -> None:
    if not scopes or not set(scopes) <= {str(scope) for scope in allowed}:
        choice = ", ".join(str(scope) for scope in allowed)
        raise InvalidInput(f"Choose at least one scope of: {choice}.", code="invalid_scope", field="scopes")


def _check_expiry(expires_at: datetime | None, now: datetime) -> None:
    if expires_at is not None and expires_at <= now:
        raise InvalidInput("An expiry lies in the future.", code="out_of_range", field="expires_at")
