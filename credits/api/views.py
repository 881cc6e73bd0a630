"""The balance, in dollars and in credits."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.access import account_of
from accounts.api.parameters import ACCOUNT_PARAMETERS
from accounts.selectors import Scope
from core import clock
from core.api.dialects import BILLING
from core.api.views import ApiView
from credits.api.serializers import BillingBalanceSerializer, UserBalanceSerializer
from credits.services.wallets import WalletView, read_wallet


class UserBalanceView(ApiView):
    @extend_schema(
        operation_id="user_balance",
        tags=["usage & billing"],
        parameters=[*ACCOUNT_PARAMETERS],
        responses=UserBalanceSerializer,
    )
    def get(self, request: Request) -> Response:
        """The credit balance available for API usage, in dollars."""
        return self.success(UserBalanceSerializer(_wallet_of(request)).data)


class BillingBalanceView(ApiView):
    dialect = BILLING

    @extend_schema(
        operation_id="billing_balance",
        tags=["billing service"],
        parameters=[*ACCOUNT_PARAMETERS],
        responses=BillingBalanceSerializer,
    )
    def get(self, request: Request) -> Response:
        """The balance in credits."""
        return self.success(BillingBalanceSerializer(_wallet_of(request)).data)


def _wallet_of(request: Request) -> WalletView:
    account = account_of(request, scope=Scope.BILLING_READ)
    return read_wallet(account_id=account.pk, now=clock.now())
