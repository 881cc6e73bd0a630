"""Usage and prices as clients read them."""

from datetime import timedelta
from typing import ClassVar, Final

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.access import account_of, caller_of, require_scope
from accounts.api.parameters import ACCOUNT_PARAMETERS, cursor_parameters
from accounts.selectors import Scope
from core import clock
from core.api.pagination import decode_cursor, encode_cursor, read_limit
from core.api.views import ApiView, read_body
from core.days import UNIX_EPOCH
from usage.api.serializers import (
    EstimateInputSerializer,
    EstimateSerializer,
    EventSerializer,
    PriceBookSerializer,
    RecentUsageSerializer,
)
from usage.rating import Quantities
from usage.selectors import Position, get_event, list_prices, list_recent_events
from usage.services.estimates import estimate_cost

_RECENT: Final = "usage/recent"
_MODELS: Final = "models"
_NOBODY: Final = 0
"""The price book is the same for every account, and so are its cursors."""
MODELS_DEFAULT: Final = 100
MODELS_MAX: Final = 1_000
_MICROSECOND: Final = timedelta(microseconds=1)


class RecentUsageView(ApiView):
    @extend_schema(
        operation_id="user_usage_recent",
        tags=["usage & billing"],
        parameters=[*ACCOUNT_PARAMETERS, *cursor_parameters(default=20)],
        responses=RecentUsageSerializer,
    )
    def get(self, request: Request) -> Response:
        """The newest calls first; a cursor goes on where the page before ended, whatever arrives meanwhile."""
        account = account_of(request, scope=Scope.USAGE_READ)
        limit = read_limit(request.query_params, default=20)
        before = _read_cursor(request.query_params.get("cursor", ""), account.pk)
        page = list_recent_events(account_id=account.pk, before=before, limit=limit)
        next_cursor = "" if page.next is None else _write_cursor(page.next, account.pk)
        answer = {"items": page.items, "next_cursor": next_cursor, "has_more": page.next is not None}
        return self.success(RecentUsageSerializer(answer).data)


class UsageEventView(ApiView):
    @extend_schema(
        operation_id="usage_event",
        tags=["v1"],
        parameters=[*ACCOUNT_PARAMETERS],
        responses=EventSerializer,
    )
    def get(self, request: Request, event_id: str) -> Response:
        """One usage event, by the id under which it was reported."""
        account = account_of(request, scope=Scope.USAGE_READ)
        return self.success(EventSerializer(get_event(account_id=account.pk, event_id=event_id)).data)


class ModelsView(ApiView):
    @extend_schema(
        operation_id="models",
        tags=["v1"],
        parameters=[
            *cursor_parameters(default=MODELS_DEFAULT, maximum=MODELS_MAX),
            OpenApiParameter("model", str, description="Only the model of this name."),
        ],
        responses=PriceBookSerializer,
    )
    def get(self, request: Request) -> Response:
        """The price book in force: the listed models by name, each with its prices, in nanos and in dollars."""
        require_scope(caller_of(request), Scope.USAGE_READ)
        query = request.query_params
        limit = read_limit(query, default=MODELS_DEFAULT, maximum=MODELS_MAX)
        after = _read_model_cursor(query.get("cursor", ""))
        page = list_prices(at=clock.now(), limit=limit, after=after, code=query.get("model", ""))
        next_cursor = encode_cursor((page.next,), account_id=_NOBODY, endpoint=_MODELS) if page.next else ""
        answer = {"items": page.items, "next_cursor": next_cursor, "has_more": bool(page.next)}
        return self.success(PriceBookSerializer(answer).data)


class EstimateView(ApiView):
    error_statuses: ClassVar[tuple[int, ...]] = (503,)

    @extend_schema(
        operation_id="estimate",
        tags=["v1"],
        request=EstimateInputSerializer,
        responses=EstimateSerializer,
    )
    def post(self, request: Request) -> Response:
        """What a call would cost by the price in force. Books nothing; a model without a price is refused."""
        asked = read_body(EstimateInputSerializer, request)
        account = account_of(request, scope=Scope.USAGE_READ, named=asked.pop("account", None))
        estimate = estimate_cost(account=account, model=asked.pop("model"), used=Quantities(**asked), now=clock.now())
        return self.success(EstimateSerializer(estimate).data)


def _read_cursor(text: str, account_id: int) -> Position | None:
    if not text:
        return None
    microseconds, event = decode_cursor(text, account_id=account_id, endpoint=_RECENT)
    return Position(UNIX_EPOCH + int(microseconds) * _MICROSECOND, int(event))


def _read_model_cursor(text: str) -> str:
    return str(decode_cursor(text, account_id=_NOBODY, endpoint=_MODELS)[0]) if text else ""


def _write_cursor(position: Position, account_id: int) -> str:
    microseconds = (position.created_at - UNIX_EPOCH) // _MICROSECOND
    return encode_cursor((microseconds, position.id), account_id=account_id, endpoint=_RECENT)
