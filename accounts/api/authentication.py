"""Who asks: a person by JSON web token, or an API key. `request.auth` is a Caller."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import AccessToken
from rest_framework_simplejwt.utils import get_md5_hash_password

from accounts import selectors
from accounts.selectors import KeyRecord, User
from core import clock
from core.errors import NotAuthenticated

KEY_PREFIX: Final = "sk_"


class CallerKind(StrEnum):
    """A person's token, a customer's key, or a key of the platform's own gateways."""

    PERSON = "person"
    CUSTOMER_KEY = "customer_key"
    PLATFORM_KEY = "platform_key"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent the request. Internal ids; `scopes` is empty for a person, who may do what their role may."""

    kind: CallerKind
    user_id: int | None
    api_key_id: int | None
    account_id: int | None
    scopes: frozenset[str]

    @property
    def identity(self) -> str:
        """A stable name of the token's owner, for counting."""
        return f"user:{self.user_id}" if self.api_key_id is None else f"key:{self.api_key_id}"


class KeyBearer:
    """Stands in `request.user` where a key asks and no person does."""

    is_authenticated = True
    is_anonymous = False
    is_active = True
    is_staff = False
    is_superuser = False
    pk = None


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer <token>`. No header is no caller (the view's permissions decide); a bad token is always a 401."""

    def authenticate(self, request: Request) -> tuple[User | KeyBearer, Caller] | None:
        header = request.META.get("HTTP_AUTHORIZATION", "")
        if not header:
            return None
        scheme, _, token = header.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token.isascii() or not token:
            raise NotAuthenticated("Send `Authorization: Bearer <token>`.")
        return _by_key(token) if token.startswith(KEY_PREFIX) else _by_jwt(token)

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def _by_key(secret: str) -> tuple[KeyBearer, Caller]:
    record = selectors.find_presented_key(secret)
    if record is None or not record.is_live(clock.now()):
        raise NotAuthenticated("This key is unknown, expired or revoked.")
    return KeyBearer(), Caller(_kind(record), None, record.id, record.account_id, record.scopes)


def _kind(record: KeyRecord) -> CallerKind:
    return CallerKind.PLATFORM_KEY if record.account_id is None else CallerKind.CUSTOMER_KEY


def _by_jwt(raw: str) -> tuple[User, Caller]:
    try:
        token = AccessToken(raw)  # type: ignore[arg-type]  # the library takes text and says otherwise
        user = selectors.find_active_user(int(token[api_settings.USER_ID_CLAIM]))
    except (TokenError, KeyError, ValueError) as error:
        raise _bad_token() from error
    # The claim holds a fingerprint of the password's hash: a changed password ends the tokens made before it.
    if user is None or token.get(api_settings.REVOKE_TOKEN_CLAIM) != get_md5_hash_password(user.password):
        raise _bad_token()
    return user, Caller(CallerKind.PERSON, user.pk, None, None, frozenset())


def _bad_token() -> NotAuthenticated:
    return NotAuthenticated("This token is invalid, expired or revoked; log in or refresh it.")
