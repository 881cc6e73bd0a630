"""For which account a request acts, and whether its caller may: the one answer to both, for every endpoint of every app."""

from typing import Final

from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts import selectors
from accounts.api.authentication import Caller, CallerKind
from accounts.errors import (
    AccountAmbiguous,
    AccountRequired,
    MissingScope,
    PersonRequired,
    PlatformKeyRequired,
    RoleTooLow,
)
from accounts.selectors import Account, Membership, Role, Scope, User
from core.errors import NotAuthenticated, NotFound

ACCOUNT_HEADER: Final = "X-Account"
ACCOUNT_QUERY: Final = "account"


def caller_of(request: Request) -> Caller:
    """Who sent the request. Raises NotAuthenticated where nobody did."""
    caller = request.auth
    if not isinstance(caller, Caller):
        raise NotAuthenticated("Send `Authorization: Bearer <token>`.")
    return caller


def account_of(request: Request, *, scope: Scope | None, role: Role = Role.VIEWER, named: str | None = None, path: bool = False) -> Account:
    """
    The account that the request is about.

    A person: the personal account, or the one named (path, `account`, `X-Account`) if a member with at least `role`. A customer's key:
    its own. A platform key: the one named, which it must. scope: what a key must have been made for; None asks nothing.
    named: the account in the path (with `path`) or in the body; the query's `account` is read here.

    Raises NotFound for an account of somebody else (as if it did not exist), MissingScope, RoleTooLow, AccountRequired, and
    AccountAmbiguous for a person who names two of their own.
    """
    caller = caller_of(request)
    require_scope(caller, scope)
    asked = _asked(request, named)
    if caller.kind is CallerKind.PERSON:
        return _persons_account(request, caller, asked, role)
    if caller.account_id is not None:
        return _keys_account(request, caller.account_id, asked)
    if not asked and not path:
        raise AccountRequired("A platform key acts for any account: name one as `account`.", field="account")
    return _only([selectors.get_open_account(public_id) for public_id in asked])


def require_scope(caller: Caller, scope: Scope | None) -> None:
    """Raises MissingScope when a key was not made for `scope`. People have no scopes: their role decides."""
    if scope is not None and caller.kind is not CallerKind.PERSON and scope.value not in caller.scopes:
        raise MissingScope(f"This key lacks the scope {scope.value}.", scope=scope.value)


def person_of(request: Request) -> User:
    """The person who asks. Raises PersonRequired for a key."""
    caller_of(request)
    if not isinstance(request.user, User):
        raise PersonRequired("A key may not do this; log in.")
    return request.user


def person_or_owner(request: Request, account: Account) -> User:
    """The person who asks, or the owner of the account whose key does: for answers that name a person."""
    return selectors.owner_of(account.pk) if caller_of(request).user_id is None else person_of(request)


def require_role(request: Request, account: Account, role: Role) -> User:
    """
    The person who asks, being at least `role` in the account. Call it after the object was looked up in the account, so that what
    belongs to somebody else is a 404 for everyone. Raises PersonRequired for a key, RoleTooLow.
    """
    person = person_of(request)
    membership = selectors.find_membership(user_id=person.pk, public_id=account.public_id)
    if membership is None:
        raise _not_yours()
    _check_role(membership, role)
    return person


class PlatformKeyOnly(BasePermission):
    """Usage, holds and captures: a key of the platform with `usage:write`, nobody else. No query."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Raises PlatformKeyRequired or MissingScope, which say more than a False."""
        caller = caller_of(request)
        if caller.kind is not CallerKind.PLATFORM_KEY:
            raise PlatformKeyRequired("Usage is taken from the platform's own keys only.")
        require_scope(caller, Scope.USAGE_WRITE)
        return True


def _asked(request: Request, named: str | None) -> list[str]:
    """Every account that the request names, once each."""
    candidates = (named, request.query_params.get(ACCOUNT_QUERY))
    return list(dict.fromkeys(text.lower() for text in candidates if text))


def _persons_account(request: Request, caller: Caller, asked: list[str], role: Role) -> Account:
    user_id = caller.user_id or 0
    named = list(dict.fromkeys([*asked, *_in_header(request)]))
    memberships = [_membership(user_id, public_id) for public_id in named] or [_membership(user_id, None)]
    account = _only([membership.account for membership in memberships])
    _check_role(memberships[0], role)
    return account


def _keys_account(request: Request, account_id: int, asked: list[str]) -> Account:
    account = selectors.get_account_by_id(account_id)
    if any(public_id != account.public_id for public_id in [*asked, *_in_header(request)]):
        raise _not_yours()
    return account


def _in_header(request: Request) -> list[str]:
    text = request.headers.get(ACCOUNT_HEADER, "")
    return [text.lower()] if text else []


def _membership(user_id: int, public_id: str | None) -> Membership:
    membership = selectors.find_membership(user_id=user_id, public_id=public_id)
    if membership is None:
        raise _not_yours()
    return membership


def _only(accounts: list[Account]) -> Account:
    if len({account.pk for account in accounts}) > 1:
        raise AccountAmbiguous("The request names two accounts; name one.", field="account")
    return accounts[0]


def _check_role(membership: Membership, needed: Role) -> None:
    if not Role(membership.role).reaches(needed):
        raise RoleTooLow(f"This needs the role {needed.value}.", role=membership.role, needed=needed.value)


def _not_yours() -> NotFound:
    return NotFound("There is no such account, or you are not a member of it.")
