"""Paths of composed reads. The AI gateway's stand apart: its vendor's clients ask for them below a prefix as well."""

from django.urls import path

from billing_platform.overview.account_views import AccountSummaryView, AccountUsageView
from billing_platform.overview.views import (
    CreditBalanceView,
    CreditLedgerView,
    ExplainView,
    GatewayCreditBalanceView,
    TransactionsView,
)
from core.api.routes import register_converters

register_converters()

urlpatterns = [
    path("auth/account/credits", CreditBalanceView.as_view(), name="account-credits"),
    path("auth/account/ledger", CreditLedgerView.as_view(), name="account-ledger"),
    path("auth/account/summary", AccountSummaryView.as_view(), name="account-summary"),
    path("auth/account/usage", AccountUsageView.as_view(), name="account-usage"),
    path("v1/ledger/<int:entry_id>/explain", ExplainView.as_view(), name="ledger-explain"),
    path("credits/transactions", TransactionsView.as_view(), name="billing-transactions"),
]

gateway_urlpatterns = [
    path(
        "accounts/<public_id:account_id>/ai-gateway/billing/credit-balance",
        GatewayCreditBalanceView.as_view(),
        name="gateway-credit-balance",
    ),
]
