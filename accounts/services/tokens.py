"""Login: pairs of a short access token and a refresh token that works once."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth import authenticate
from django.db import transaction
from rest_framework_simplejwt.exceptions import TokenBackendError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.state import token_backend
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from rest_framework_simplejwt.tokens import RefreshToken
from rest_framework_simplejwt.utils import get_md5_hash_password

from accounts.errors import InvalidCredentials, RefreshRefused
from accounts.models import User
from core.locks import lock_one


@dataclass(frozen=True)
class TokenPair:
    """What a person keeps after logging in."""

    access: str
    refresh: str


def log_in(*, email: str, password: str, now: datetime) -> User:
    """The person of this address and password; notes the login. Raises InvalidCredentials, after the same work, whatever was wrong."""
    user = authenticate(email=email.strip().lower(), password=password)
    if not isinstance(user, User):
        raise InvalidCredentials("The address or the password is not right.")
    user.last_login = now
    user.save(update_fields=["last_login"])
    return user


def issue_tokens(*, user: User, now: datetime) -> TokenPair:
    """
    A new pair. The refresh token is on record by its id only: a stolen copy of the database opens nothing.

    Both carry a fingerprint of the password's hash, so a changed password ends them.
    """
    token = RefreshToken()
    token.current_time = now
    token.set_iat(at_time=now)
    token.set_exp(from_time=now)
    token[api_settings.USER_ID_CLAIM] = str(user.pk)
    token[api_settings.REVOKE_TOKEN_CLAIM] = get_md5_hash_password(user.password)
    expires_at = datetime.fromtimestamp(token["exp"], tz=UTC)
    OutstandingToken.objects.create(user=user, jti=token["jti"], token="", created_at=now, expires_at=expires_at)
    return TokenPair(access=str(token.access_token), refresh=str(token))


def rotate_tokens(*, refresh: str, now: datetime) -> TokenPair:
    """
    Trade a refresh token for a new pair; the old one is spent. Of two trades at once exactly one wins.

    Raises RefreshRefused for a token that is not ours, expired, spent or revoked, or whose person is no longer active.
    """
    payload = _refresh_payload(refresh)
    with transaction.atomic():
        user = lock_one(User.objects.filter(pk=_user_id(payload), is_active=True))
        fresh = user is not None and payload.get(api_settings.REVOKE_TOKEN_CLAIM) == get_md5_hash_password(user.password)
        if user is None or not fresh or not _spend(payload):
            raise _refused()
        return issue_tokens(user=user, now=now)


def log_out(*, refresh: str) -> None:
    """Spend a refresh token without a new pair. Twice is fine. Raises RefreshRefused for what never was one of ours, or has expired."""
    _spend(_refresh_payload(refresh))


def revoke_all_tokens(*, user_id: int) -> None:
    """Spend every refresh token of a person. Access tokens end with the password's fingerprint or the person's activity."""
    unspent = OutstandingToken.objects.filter(user_id=user_id, blacklistedtoken=None)
    BlacklistedToken.objects.bulk_create([BlacklistedToken(token=token) for token in unspent], ignore_conflicts=True)


def _spend(payload: dict[str, Any]) -> bool:
    """Mark the token as used; False when it was, or is not on record. The unique row decides between two at once."""
    outstanding = OutstandingToken.objects.filter(jti=payload.get(api_settings.JTI_CLAIM, "")).first()
    if outstanding is None:
        return False
    return BlacklistedToken.objects.get_or_create(token=outstanding)[1]


def _refresh_payload(refresh: str) -> dict[str, Any]:
    try:
        payload: dict[str, Any] = token_backend.decode(refresh, verify=True)  # type: ignore[arg-type]  # it takes text and says otherwise
    except TokenBackendError as error:
        raise _refused() from error
    if payload.get(api_settings.TOKEN_TYPE_CLAIM) != RefreshToken.token_type:
        raise _refused()
    return payload


def _user_id(payload: dict[str, Any]) -> int:
    text = str(payload.get(api_settings.USER_ID_CLAIM, ""))
    return int(text) if text.isdecimal() else 0


def _refused() -> RefreshRefused:
    return RefreshRefused("This refresh token is not valid any more; log in again.")
