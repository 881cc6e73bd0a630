"""Who buys: an owner or admin of an account, or a key of it that may; and not too often, since each time a provider is asked."""

from rest_framework.request import Request

from accounts.api.access import account_of
from accounts.api.throttling import count_for_account
from accounts.selectors import Account, Role, Scope


def payer_of(request: Request, *, named: str | None = None) -> Account:
    """The account that buys, or cancels. Raises what `account_of` raises, and RateLimited."""
    account = account_of(request, scope=Scope.BILLING_WRITE, role=Role.ADMIN, named=named)
    count_for_account("checkout", account.public_id)
    return account
