"""Reports over HTTP: usage by day and model, and the AI gateway's history of spending."""

from datetime import date
from typing import Final

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.access import account_of
from accounts.api.parameters import ACCOUNT_PARAMETERS
from accounts.selectors import Scope
from core import clock
from core.api.dialects import GATEWAY
from core.api.views import ApiView, read_query
from usage.api.report_serializers import HistoryQuery, HistorySerializer, UserUsageSerializer, read_day
from usage.selectors import Grouping
from usage.services.reports import report_days, report_windows

_RANGE: Final = [
    OpenApiParameter("start_date", OpenApiTypes.DATE, description="The first day; the first of `end_date`'s month where it is left out."),
    OpenApiParameter(
        "end_date", OpenApiTypes.DATE, description="The last day, included; today in the account's zone where it is left out."
    ),
]
_WINDOWS: Final = [
    OpenApiParameter("value_grouping_window", OpenApiTypes.STR, enum=[one.value for one in Grouping], required=True),
    OpenApiParameter("start_time", OpenApiTypes.NUMBER, description="Unix milliseconds; the start of this month where it is left out."),
    OpenApiParameter("end_time", OpenApiTypes.NUMBER, description="Unix milliseconds, exclusive; now where it is left out."),
]


class UserUsageView(ApiView):
    """`GET /api-account/user/usage`."""

    @extend_schema(
        operation_id="user_usage",
        tags=["usage & billing"],
        parameters=[*ACCOUNT_PARAMETERS, *_RANGE],
        responses=UserUsageSerializer,
    )
    def get(self, request: Request) -> Response:
        """Usage of some days of the account's zone, at most 366: in all, by day and by model."""
        account = account_of(request, scope=Scope.USAGE_READ)
        first, last = (_day_asked(request, name) for name in ("start_date", "end_date"))
        return self.success(UserUsageSerializer(report_days(account=account, first=first, last=last, now=clock.now())).data)


class GatewayHistoryView(ApiView):
    """`GET …/ai-gateway/billing/usage-history`."""

    dialect = GATEWAY

    @extend_schema(operation_id="gateway_usage_history", tags=["ai gateway"], parameters=_WINDOWS, responses=HistorySerializer)
    def get(self, request: Request, account_id: str) -> Response:
        """
        What was spent, in cents, by local day or by hour of the account's zone; the range is widened to whole windows.

        At most 366 days by the day, 32 by the hour.
        """
        account = account_of(request, scope=Scope.USAGE_READ, named=account_id, path=True)
        asked = read_query(HistoryQuery, request)
        history = report_windows(
            account=account,
            grouping=Grouping(asked["value_grouping_window"]),
            since=asked.get("start_time"),
            until=asked.get("end_time"),
            now=clock.now(),
        )
        return self.success(HistorySerializer({"history": history}).data)


def _day_asked(request: Request, name: str) -> date | None:
    text = request.query_params.get(name)
    return read_day(text, field=name) if text else None
