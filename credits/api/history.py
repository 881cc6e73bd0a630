"""What was: the balance at an instant, the statement of a period."""

from datetime import datetime
from pathlib import Path
from typing import ClassVar, Final

from django.conf import settings
from django.http import HttpResponse, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.access import account_of
from accounts.api.parameters import ACCOUNT_PARAMETERS
from accounts.api.throttling import StatementThrottle, TokenThrottle
from accounts.selectors import Account, Scope, zone_at
from core import clock
from core.api.bounds import Bounds, read_bounds
from core.api.times import parse_instant
from core.api.views import ApiView
from credits.api.proof_serializers import BalanceAtSerializer
from credits.services.history import read_balance
from credits.services.wallets import read_wallet
from credits.statements import Period, write_statement

VERIFIER: Final = Path(__file__).resolve().parents[1] / "verifier" / "verify_statement.py"

_AT: Final = OpenApiParameter("at", OpenApiTypes.DATETIME, description="An instant of the past; now where it is left out.")
_PERIOD: Final = [
    OpenApiParameter("from", OpenApiTypes.STR, description="ISO 8601: an instant, or a day of the account's zone. From the beginning."),
    OpenApiParameter("to", OpenApiTypes.STR, description="The same; an instant is exclusive, a day inclusive. Up to now."),
]


class BalanceAtView(ApiView):
    """`GET /v1/balance`."""

    @extend_schema(operation_id="balance", tags=["v1"], parameters=[*ACCOUNT_PARAMETERS, _AT], responses=BalanceAtSerializer)
    def get(self, request: Request) -> Response:
        """
        The balance now, or as it was booked at any past instant.

        For the past only `balance` and `spent` are known; the other amounts are null then.
        """
        account = account_of(request, scope=Scope.BILLING_READ)
        text = request.query_params.get("at")
        at = parse_instant(text, field="at") if text else None
        return self.success(BalanceAtSerializer(read_balance(account_id=account.pk, at=at, now=clock.now())).data)


class StatementView(ApiView):
    """`GET /v1/statement`."""

    throttle_classes = (TokenThrottle, StatementThrottle)

    @extend_schema(
        operation_id="statement",
        tags=["v1"],
        parameters=[*ACCOUNT_PARAMETERS, *_PERIOD],
        responses={(200, "text/csv"): OpenApiTypes.STR},
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        """
        Every entry booked in a period as CSV, with opening and closing balance and control totals.

        At most a million entries: 400 `statement_too_long` says where to end a first part. 10 a minute for each token.
        `GET /v1/statement/verifier` is a program that checks it, without a network.
        """
        account, now = account_of(request, scope=Scope.BILLING_READ), clock.now()
        bounds = read_bounds(request.query_params, zone=zone_at(account, now))
        read_wallet(account_id=account.pk, now=now)
        period = Period(account.pk, account.public_id, bounds.since, bounds.until)
        pieces = write_statement(period, entries_max=settings.STATEMENT_ENTRIES_MAX)
        headers = {"Content-Disposition": f'attachment; filename="{_file_name(account, bounds)}"'}
        return StreamingHttpResponse(pieces, content_type="text/csv; charset=utf-8", headers=headers)


class VerifierView(ApiView):
    """`GET /v1/statement/verifier`."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    error_statuses: ClassVar[tuple[int, ...]] = ()

    @extend_schema(operation_id="statement_verifier", tags=["v1"], responses={(200, "text/x-python"): OpenApiTypes.STR})
    def get(self, request: Request) -> HttpResponse:
        """A program of one file that checks statements and proofs offline: `python -I verify_statement.py statement.csv proof.json`."""
        _ = request
        headers = {"Content-Disposition": f'attachment; filename="{VERIFIER.name}"'}
        return HttpResponse(VERIFIER.read_bytes(), content_type="text/x-python; charset=utf-8", headers=headers)


def _file_name(account: Account, bounds: Bounds) -> str:
    parts = ["statement", account.public_id[:8], *(_day(at) for at in (bounds.since, bounds.until) if at is not None)]
    return f"{'-'.join(parts)}.csv"


def _day(at: datetime) -> str:
    return at.strftime("%Y%m%dT%H%M%SZ")
