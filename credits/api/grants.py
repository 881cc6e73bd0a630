"""The lots an account's credits come in, as clients read them."""

from datetime import datetime
from typing import Any, Final

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.access import account_of
from accounts.api.parameters import ACCOUNT_PARAMETERS, cursor_parameters
from accounts.selectors import Scope
from core import clock
from core.api.money_fields import InstantField, NanosTextField, UsdTextField
from core.api.pagination import decode_cursor, encode_cursor, read_limit
from core.api.views import ApiView
from core.errors import InvalidInput
from credits.selectors import Grant, GrantState, grant_state, list_grants
from credits.services.wallets import read_wallet

_ALL: Final = "all"
_STATES: Final = [*(state.value for state in GrantState), _ALL]


class GrantSourceSerializer(serializers.Serializer[Grant]):
    """Where a grant comes from."""

    type = serializers.CharField(source="source_type", help_text="`order`, `operator`, … ")
    id = serializers.SerializerMethodField(help_text="Which one of that type; empty where that is the platform's own matter.")

    def get_id(self, grant: Grant) -> str:
        return "" if grant.source_type == "operator" else grant.source_id


class CostBasisSerializer(serializers.Serializer[Grant]):
    """What was paid for a grant."""

    minor = serializers.IntegerField(source="cost_basis_minor", help_text="In minor units of the currency.")
    currency = serializers.CharField(source="cost_basis_currency")


class GrantSerializer(serializers.Serializer[Grant]):
    """Credits given at one time, on one set of terms."""

    id = serializers.IntegerField(source="pk")
    kind = serializers.CharField()
    category = serializers.ChoiceField(choices=("paid", "promo"))
    source = GrantSourceSerializer(source="*")  # type: ignore[assignment]  # a declared field, not the attribute of the base
    state = serializers.SerializerMethodField()
    amount_nanos = NanosTextField()
    amount_usd = UsdTextField(source="amount_nanos")
    remaining_nanos = NanosTextField(
        help_text="What is left of it. One that was voided before it was effective keeps its number, and gives nothing."
    )
    remaining_usd = UsdTextField(source="remaining_nanos")
    priority = serializers.IntegerField(help_text="Lower burns first.")
    effective_at = InstantField()
    expires_at = InstantField(allow_null=True, help_text="null: never.")
    is_pending = serializers.BooleanField(help_text="Whether it waits for its money.")
    cost_basis = CostBasisSerializer(source="*")
    compensates = serializers.IntegerField(
        source="compensates_id",
        allow_null=True,
        help_text="The ended grant whose returned credits this one carries.",
    )
    split_from = serializers.IntegerField(source="root_id", allow_null=True, help_text="The grant that this one was a part of.")

    def get_state(self, grant: Grant) -> GrantState:
        return grant_state(grant, at=self.context["at"])


class GrantsSerializer(serializers.Serializer[Any]):
    """Some grants, newest first."""

    items = GrantSerializer(many=True)
    next_cursor = serializers.CharField(allow_blank=True, help_text="Where to go on; empty at the end.")
    has_more = serializers.BooleanField()


class GrantsView(ApiView):
    @extend_schema(
        operation_id="grants",
        tags=["v1"],
        parameters=[
            *ACCOUNT_PARAMETERS,
            *cursor_parameters(default=20),
            OpenApiParameter("state", enum=_STATES, default=_ALL, description="Only grants that stand there now."),
        ],
        responses=GrantsSerializer,
    )
    def get(self, request: Request) -> Response:
        """The account's grants, newest first, as of now: what is due is booked before."""
        account = account_of(request, scope=Scope.BILLING_READ)
        limit = read_limit(request.query_params, default=20)
        state = _read_state(request.query_params.get("state") or _ALL)
        endpoint = f"grants:{state or _ALL}"
        cursor = request.query_params.get("cursor", "")
        before = int(decode_cursor(cursor, account_id=account.pk, endpoint=endpoint)[0]) if cursor else None
        at = _book_due(account.pk)
        page = list_grants(account_id=account.pk, state=state, before=before, limit=limit, at=at)
        next_cursor = "" if page.next is None else encode_cursor((page.next,), account_id=account.pk, endpoint=endpoint)
        answer = {"items": page.items, "next_cursor": next_cursor, "has_more": page.next is not None}
        return self.success(GrantsSerializer(answer, context={"at": at}).data)


def _book_due(account_id: int) -> datetime:
    """The wallet's clock may be ahead of this process's: grants are judged by the later one."""
    now = clock.now()
    return max(now, read_wallet(account_id=account_id, now=now).updated_at)


def _read_state(text: str) -> GrantState | None:
    if text not in _STATES:
        raise InvalidInput(f"A state is one of: {', '.join(_STATES)}.", code="invalid_choice", field="state")
    return None if text == _ALL else GrantState(text)
