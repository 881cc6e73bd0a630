"""The account API's statistics of usage, and its summary."""

from typing import Final

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.access import account_of, caller_of, person_or_owner, require_scope
from accounts.api.parameters import ACCOUNT_PARAMETERS
from accounts.selectors import Scope, zone_at
from billing_platform.overview.account_serializers import AccountSummarySerializer, UsageStatsSerializer
from billing_platform.overview.usage import read_summary, read_usage_stats
from core import clock
from core.api.bounds import read_bounds
from core.api.views import ApiView
from core.errors import InvalidInput
from usage.selectors import Period

_PERIODS: Final = [one.value for one in Period]
_SPAN: Final = [
    OpenApiParameter(
        "period",
        OpenApiTypes.STR,
        enum=_PERIODS,
        default=Period.MONTHLY.value,
        description="Begins today, this month or this year, in the account's zone, where `from` is left out.",
    ),
    OpenApiParameter("from", OpenApiTypes.STR, description="ISO 8601: an instant, or a day of the account's zone."),
    OpenApiParameter("to", OpenApiTypes.STR, description="The same; an instant is exclusive, a day inclusive. Now where it is left out."),
]


class AccountUsageView(ApiView):
    """`GET /auth/account/usage`."""

    @extend_schema(
        operation_id="account_usage",
        tags=["account"],
        parameters=[*ACCOUNT_PARAMETERS, *_SPAN],
        responses=UsageStatsSerializer,
    )
    def get(self, request: Request) -> Response:
        """
        Calls of a period and what they cost, at most 366 days.

        Instants are moved outwards to quarter-hours; `period_start` and `period_end` say what was counted.
        """
        account, now = account_of(request, scope=Scope.USAGE_READ), clock.now()
        bounds = read_bounds(request.query_params, zone=zone_at(account, now))
        stats = read_usage_stats(account=account, period=_period(request), bounds=bounds, now=now)
        return self.success(UsageStatsSerializer(stats, context={"user_id": person_or_owner(request, account).pk}).data)


class AccountSummaryView(ApiView):
    """`GET /auth/account/summary`."""

    @extend_schema(operation_id="account_summary", tags=["account"], parameters=[*ACCOUNT_PARAMETERS], responses=AccountSummarySerializer)
    def get(self, request: Request) -> Response:
        """The account at a glance: credits, subscription, usage of this month and of all time. A key needs `usage:read` too."""
        account = account_of(request, scope=Scope.BILLING_READ)
        require_scope(caller_of(request), Scope.USAGE_READ)
        summary = read_summary(account=account, person=person_or_owner(request, account), now=clock.now())
        return self.success(AccountSummarySerializer(summary, context={"user_id": summary.person.pk}).data)


def _period(request: Request) -> Period:
    word = request.query_params.get("period") or Period.MONTHLY
    if word not in _PERIODS:
        raise InvalidInput(f"Give one of {', '.join(_PERIODS)}.", code="invalid_choice", field="period")
    return Period(word)
