"""Composed reads over HTTP: the account API's credits and ledger, transactions, the AI gateway's balance."""

from typing import Final

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import ListSerializer

from accounts.api.access import account_of, person_or_owner
from accounts.api.parameters import ACCOUNT_PARAMETERS, page_parameters
from accounts.selectors import Account, Scope, zone_at
from billing_platform.overview.credit import read_standing
from billing_platform.overview.explain import explain_entry
from billing_platform.overview.explain_serializers import ExplanationSerializer
from billing_platform.overview.ledger import read_ledger_page
from billing_platform.overview.serializers import (
    CreditBalanceSerializer,
    CreditLedgerSerializer,
    GatewayCreditBalanceSerializer,
    TransactionSerializer,
)
from core import clock
from core.api.bounds import Bounds, read_bounds
from core.api.dialects import BILLING, GATEWAY
from core.api.pagination import read_page
from core.api.views import ApiView
from core.errors import InvalidInput
from credits.selectors import EntryType

_LEDGER_FILTERS: Final = [
    OpenApiParameter("type", OpenApiTypes.STR, enum=EntryType.values),
    OpenApiParameter("from", OpenApiTypes.STR, description="ISO 8601: an instant, or a day of the account's zone."),
    OpenApiParameter("to", OpenApiTypes.STR, description="The same; an instant is exclusive, a day inclusive."),
]


class CreditBalanceView(ApiView):
    """`GET /auth/account/credits`."""

    @extend_schema(
        operation_id="account_credits",
        tags=["account"],
        parameters=[*ACCOUNT_PARAMETERS],
        responses=CreditBalanceSerializer,
    )
    def get(self, request: Request) -> Response:
        """The balance in dollars: what there is, what is held, what can be spent; whether it refills itself."""
        account = account_of(request, scope=Scope.BILLING_READ)
        standing = read_standing(account_id=account.pk, now=clock.now())
        return self.success(CreditBalanceSerializer(standing, context={"user_id": person_or_owner(request, account).pk}).data)


class CreditLedgerView(ApiView):
    """`GET /auth/account/ledger`."""

    @extend_schema(
        operation_id="account_ledger",
        tags=["account"],
        parameters=[*ACCOUNT_PARAMETERS, *_LEDGER_FILTERS, *page_parameters(default=50)],
        responses=CreditLedgerSerializer,
    )
    def get(self, request: Request) -> Response:
        """Entries, newest first. `total` is exact; with `type` it is counted up to 10,000, where offsets end too."""
        account = account_of(request, scope=Scope.BILLING_READ)
        asked = read_page(request.query_params, default=50)
        entry_type, bounds = _filters(request, account)
        page = read_ledger_page(
            account_id=account.pk,
            now=clock.now(),
            limit=asked.limit,
            offset=asked.offset,
            entry_type=entry_type,
            bounds=bounds,
        )
        return self.success(CreditLedgerSerializer(page, context={"user_id": person_or_owner(request, account).pk}).data)


class ExplainView(ApiView):
    """`GET /v1/ledger/{entry_id}/explain`."""

    @extend_schema(operation_id="ledger_explain", tags=["v1"], parameters=[*ACCOUNT_PARAMETERS], responses=ExplanationSerializer)
    def get(self, request: Request, entry_id: int) -> Response:
        """
        Why this entry: of usage the event, its quantities times the prices of its day, the one rounding, and which grants bear it.

        Everything is computed anew from what is stored, and compared with what was booked.
        """
        account = account_of(request, scope=Scope.BILLING_READ)
        explained = explain_entry(account_id=account.pk, entry_id=entry_id, now=clock.now())
        return self.success(ExplanationSerializer(explained).data)


class TransactionsView(ApiView):
    """`GET /credits/transactions`."""

    dialect = BILLING

    @extend_schema(
        operation_id="billing_transactions",
        tags=["billing service"],
        parameters=[*ACCOUNT_PARAMETERS, *page_parameters(default=20)],
        responses=TransactionSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        """Entries in credits, newest first."""
        account = account_of(request, scope=Scope.BILLING_READ)
        asked = read_page(request.query_params, default=20)
        page = read_ledger_page(account_id=account.pk, now=clock.now(), limit=asked.limit, offset=asked.offset)
        return self.success(ListSerializer(page.items, child=TransactionSerializer()).data)


class GatewayCreditBalanceView(ApiView):
    """`GET …/ai-gateway/billing/credit-balance`."""

    dialect = GATEWAY

    @extend_schema(
        operation_id="gateway_credit_balance",
        tags=["ai gateway"],
        responses=GatewayCreditBalanceSerializer,
    )
    def get(self, request: Request, account_id: str) -> Response:
        """The balance in cents, the card on file, automatic top-up."""
        account = account_of(request, scope=Scope.BILLING_READ, named=account_id, path=True)
        standing = read_standing(account_id=account.pk, now=clock.now())
        return self.success(GatewayCreditBalanceSerializer(standing).data)


def _filters(request: Request, account: Account) -> tuple[EntryType | None, Bounds]:
    word = request.query_params.get("type")
    if word and word not in EntryType.values:
        raise InvalidInput(f"Give one of {', '.join(EntryType.values)}.", code="invalid_choice", field="type")
    return EntryType(word) if word else None, read_bounds(request.query_params, zone=zone_at(account, clock.now()))
