"""What can be refused about people, accounts and keys. HTTP is unknown here."""

from typing import ClassVar

from core.errors import Conflict, InvalidInput, NotAuthenticated, NotPermitted


class EmailTaken(Conflict):
    """Somebody registered this address. Registration answers with tokens, so it cannot hide this; its rate is limited instead."""

    code: ClassVar[str] = "email_taken"


class InvalidCredentials(NotAuthenticated):
    """Unknown address, wrong password, or a person who is no longer active: the answer is the same."""

    code: ClassVar[str] = "invalid_credentials"


class RefreshRefused(NotAuthenticated):
    """A refresh token that is not ours, expired, used before or revoked."""

    code: ClassVar[str] = "invalid_refresh_token"


class InvalidToken(InvalidInput):
    """A mailed token that is not ours, expired or used before."""

    code: ClassVar[str] = "invalid_token"


class WeakPassword(InvalidInput):
    """The password validators refused it; `errors` says why."""

    code: ClassVar[str] = "weak_password"


class AccountRequired(InvalidInput):
    """A platform key acts for any account and must name one."""

    code: ClassVar[str] = "account_required"


class AccountAmbiguous(InvalidInput):
    """One request named two accounts of the caller."""

    code: ClassVar[str] = "account_ambiguous"


class MissingScope(NotPermitted):
    """The key was not made for this; `scope` says what it lacks."""

    code: ClassVar[str] = "missing_scope"


class RoleTooLow(NotPermitted):
    """A member, but not one who may do this."""

    code: ClassVar[str] = "role_too_low"


class PersonRequired(NotPermitted):
    """Keys do not manage people, keys or the account: log in."""

    code: ClassVar[str] = "person_required"


class PlatformKeyRequired(NotPermitted):
    """Usage is taken from the platform's own keys only: a customer who could post an event first would make its real one a duplicate."""

    code: ClassVar[str] = "platform_key_required"


class AlreadyMember(Conflict):
    """The address belongs to a member of this account."""

    code: ClassVar[str] = "already_member"


class LastOwner(Conflict):
    """An open account keeps at least one owner."""

    code: ClassVar[str] = "last_owner"


class PersonalAccount(Conflict):
    """The person whose personal account this is stays its owner until they close it: nobody else ends their login."""

    code: ClassVar[str] = "personal_account"


class TooManyKeys(Conflict):
    """The account has as many live keys as it may have."""

    code: ClassVar[str] = "too_many_keys"
