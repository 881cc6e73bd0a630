"""Who is counted for what: tokens by reading and writing, network and e-mail addresses by attempts to get in."""

from typing import TYPE_CHECKING, ClassVar

from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request

from accounts.api.authentication import Caller, CallerKind
from core.api.throttling import WindowThrottle, seconds_to_wait
from core.errors import RateLimited
from core.ids import secret_digest

if TYPE_CHECKING:
    from rest_framework.views import APIView  # At run time it imports this module, by the settings.


class TokenThrottle(WindowThrottle):
    """
    Requests of one token: `read` or `write` by method; the platform's own keys by `platform`. A request without a token counts for its
    network address. One round trip to Redis, none where the rate is empty.
    """

    def allow_request(self, request: Request, view: "APIView") -> bool:
        caller = request.auth
        scope = "read" if request.method in SAFE_METHODS else "write"
        if isinstance(caller, Caller):
            scope = "platform" if caller.kind is CallerKind.PLATFORM_KEY else scope
            self.waiting = seconds_to_wait(scope, caller.identity)
        else:
            self.waiting = seconds_to_wait(scope, f"address:{self.get_ident(request)}")
        return self.waiting == 0


class StatementThrottle(WindowThrottle):
    """Statements of one token, gateways' too: each may keep a thread for as long as a history takes. Beside `TokenThrottle`."""

    def allow_request(self, request: Request, view: "APIView") -> bool:
        caller = request.auth
        whom = caller.identity if isinstance(caller, Caller) else f"address:{self.get_ident(request)}"
        self.waiting = seconds_to_wait("statement", whom)
        return self.waiting == 0


class AddressThrottle(WindowThrottle):
    """Attempts from one network address, whatever they try."""

    scope: ClassVar[str]

    def allow_request(self, request: Request, view: "APIView") -> bool:
        self.waiting = seconds_to_wait(self.scope, f"address:{self.get_ident(request)}")
        return self.waiting == 0


class LoginThrottle(AddressThrottle):
    """Passwords and tokens tried."""

    scope = "login_address"


class RegisterThrottle(AddressThrottle):
    """Accounts made."""

    scope = "register_address"


class ResetThrottle(AddressThrottle):
    """Mail asked for."""

    scope = "reset_address"


def count_for_account(scope: str, public_id: str) -> None:
    """Count one more for an account, whoever of it asks. Raises RateLimited."""
    waiting = seconds_to_wait(scope, f"account:{public_id}")
    if waiting:
        raise RateLimited("Too many of these for this account; wait a little.", retry_after=waiting)


def seconds_for_email(scope: str, email: str) -> int:
    """Count an attempt for one e-mail address; how long to wait, 0 where it may go on. The address is not written to Redis."""
    return seconds_to_wait(scope, f"email:{secret_digest(email.strip().lower())[:32]}")


def count_for_email(scope: str, email: str) -> None:
    """Count an attempt for one e-mail address, from wherever. Raises RateLimited."""
    waiting = seconds_for_email(scope, email)
    if waiting:
        raise RateLimited("Too many attempts for this address; wait a little.", retry_after=waiting)
