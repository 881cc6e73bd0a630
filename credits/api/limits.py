"""Spending limits over HTTP: of an account in the AI gateway's words, of a key in the platform's own."""

from typing import Final

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.access import account_of, caller_of
from accounts.api.parameters import ACCOUNT_PARAMETERS
from accounts.selectors import Account, ApiKey, Role, Scope, get_api_key
from core import clock
from core.api.dialects import GATEWAY
from core.api.views import ApiView, read_body
from credits.api.limit_serializers import (
    GatewayLimitInput,
    GatewayLimitSerializer,
    KeyLimitInput,
    KeyLimitSerializer,
    NothingSerializer,
)
from credits.services.limits import LimitTerms, read_limit, remove_limit, set_limit

_REASON: Final = "Set by the account's own people or keys."


class GatewaySpendingLimitView(ApiView):
    """`…/ai-gateway/billing/spending-limit`: one limit per account, in cents."""

    dialect = GATEWAY

    @extend_schema(operation_id="gateway_get_spending_limit", tags=["ai gateway"], responses=GatewayLimitSerializer)
    def get(self, request: Request, account_id: str) -> Response:
        """The account's spending limit; nulls where none is set."""
        account = account_of(request, scope=Scope.BILLING_READ, named=account_id, path=True)
        limit = read_limit(account_id=account.pk, api_key_id=None, now=clock.now())
        return self.success(GatewayLimitSerializer({"limit": limit}).data)

    @extend_schema(
        operation_id="gateway_set_spending_limit",
        tags=["ai gateway"],
        request=GatewayLimitInput,
        responses={201: NothingSerializer},
    )
    def post(self, request: Request, account_id: str) -> Response:
        """Set or change it: what was spent in the window counts already, so it may stop calls at once. Owners and admins."""
        account = account_of(request, scope=Scope.BILLING_WRITE, role=Role.ADMIN, named=account_id, path=True)
        _set(request, account, LimitTerms(**read_body(GatewayLimitInput, request)))
        return self.success({}, status=201)

    @extend_schema(operation_id="gateway_delete_spending_limit", tags=["ai gateway"], responses=NothingSerializer)
    def delete(self, request: Request, account_id: str) -> Response:
        """Take it away; without one nothing happens. Owners and admins."""
        account = account_of(request, scope=Scope.BILLING_WRITE, role=Role.ADMIN, named=account_id, path=True)
        _remove(request, account, None)
        return self.success({})


class KeyLimitView(ApiView):
    """`/v1/api-keys/{id}/limit`."""

    @extend_schema(operation_id="get_api_key_limit", tags=["v1"], parameters=[*ACCOUNT_PARAMETERS], responses=KeyLimitSerializer)
    def get(self, request: Request, key_id: str) -> Response:
        """What a key may spend, what it has spent, and when that falls again; nulls where it has no limit."""
        account = account_of(request, scope=Scope.BILLING_READ)
        return self._told(account, get_api_key(account_id=account.pk, public_id=key_id))

    @extend_schema(
        operation_id="set_api_key_limit",
        tags=["v1"],
        parameters=[*ACCOUNT_PARAMETERS],
        request=KeyLimitInput,
        responses=KeyLimitSerializer,
    )
    def put(self, request: Request, key_id: str) -> Response:
        """Set or change a key's limit: what it spent in the window counts already. Owners and admins."""
        account, key = _managed_key(request, key_id)
        _set(request, account, LimitTerms(**read_body(KeyLimitInput, request), api_key_id=key.pk))
        return self._told(account, key)

    @extend_schema(operation_id="delete_api_key_limit", tags=["v1"], parameters=[*ACCOUNT_PARAMETERS], responses={204: None})
    def delete(self, request: Request, key_id: str) -> Response:
        """Take a key's limit away; without one nothing happens. Owners and admins."""
        account, key = _managed_key(request, key_id)
        _remove(request, account, key.pk)
        return Response(status=204)

    def _told(self, account: Account, key: ApiKey) -> Response:
        limit = read_limit(account_id=account.pk, api_key_id=key.pk, now=clock.now())
        return self.success(KeyLimitSerializer({"api_key": key.public_id, "limit": limit}).data)


def _managed_key(request: Request, key_id: str) -> tuple[Account, ApiKey]:
    account = account_of(request, scope=Scope.BILLING_WRITE, role=Role.ADMIN)
    return account, get_api_key(account_id=account.pk, public_id=key_id)


def _set(request: Request, account: Account, terms: LimitTerms) -> None:
    set_limit(account_id=account.pk, terms=terms, actor_id=caller_of(request).user_id, reason=_REASON, now=clock.now())


def _remove(request: Request, account: Account, api_key_id: int | None) -> None:
    actor_id = caller_of(request).user_id
    remove_limit(account_id=account.pk, api_key_id=api_key_id, actor_id=actor_id, reason=_REASON, now=clock.now())
