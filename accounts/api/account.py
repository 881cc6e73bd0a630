"""The account's own facts, and its end."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import selectors
from accounts.api.access import account_of, require_role
from accounts.api.parameters import ACCOUNT_PARAMETERS
from accounts.api.serializers import AccountInput, AccountOutput, CloseInput
from accounts.api.throttling import count_for_email
from accounts.errors import PersonalAccount
from accounts.selectors import Account, Role, Scope
from accounts.services import account as services
from accounts.services import tokens
from core import clock
from core.api.views import ApiView, read_body
from core.money import parse_usd


class AccountView(ApiView):
    @extend_schema(operation_id="get_account", tags=["identity"], parameters=ACCOUNT_PARAMETERS, responses=AccountOutput)
    def get(self, request: Request) -> Response:
        """The account's facts. A zone that was announced stands beside the one in force."""
        return self.success(_shown(account_of(request, scope=Scope.BILLING_READ)))

    @extend_schema(
        operation_id="change_account",
        tags=["identity"],
        parameters=ACCOUNT_PARAMETERS,
        request=AccountInput,
        responses=AccountOutput,
    )
    def patch(self, request: Request) -> Response:
        """Change name, billing e-mail, zone (from the next local midnight) or low-balance level. Owners, admins, `billing:write` keys."""
        account = account_of(request, scope=Scope.BILLING_WRITE, role=Role.ADMIN)
        changes = _changes(read_body(AccountInput, request))
        return self.success(_shown(services.change_account(account_id=account.pk, changes=changes, now=clock.now())))


class CloseAccountView(ApiView):
    error_statuses: ClassVar[tuple[int, ...]] = (409,)

    @extend_schema(
        operation_id="close_account",
        tags=["identity"],
        parameters=ACCOUNT_PARAMETERS,
        request=CloseInput,
        responses={204: None},
    )
    def post(self, request: Request) -> Response:
        """
        Close the account for good; owners only, with their password.

        Personal data is removed and keys stop; ledger entries stay, they hold ids only. Credits left cannot be spent any more and are
        not paid out by this. Closing a personal account also ends its person's login, so no other owner may: 409 `personal_account`.
        409 `last_owner` while they are the only owner of another account.
        """
        account = account_of(request, scope=None, role=Role.OWNER)
        person = require_role(request, account, Role.OWNER)
        if account.personal_of_id not in {None, person.pk}:
            raise PersonalAccount("This is another person's own account: only they close it, since it ends their login.")
        given = read_body(CloseInput, request)
        now = clock.now()
        count_for_email("login", person.email)
        tokens.log_in(email=person.email, password=given["password"], now=now)
        services.close_account(account_id=account.pk, actor_id=person.pk, reason=given["reason"], now=now)
        return Response(status=204)


def _changes(given: dict[str, Any]) -> services.AccountChanges:
    level = given.get("low_balance")
    return services.AccountChanges(
        name=given.get("name"),
        email=given.get("email"),
        zone=given.get("zone"),
        low_balance_nanos=None if level is None else parse_usd(level, field="low_balance"),
        clear_low_balance="low_balance" in given and level is None,
    )


def _shown(account: Account) -> dict[str, Any]:
    return dict(AccountOutput(account, context={"zone": selectors.zone_at(account, clock.now())}).data)
