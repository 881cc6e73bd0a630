"""Paths of credits' own endpoints. The AI gateway's stand apart: its vendor's clients ask for them below a prefix as well."""

from django.urls import include, path

from core.api.routes import register_converters
from credits.api.grants import GrantsView
from credits.api.history import BalanceAtView, StatementView, VerifierView
from credits.api.limits import GatewaySpendingLimitView, KeyLimitView
from credits.api.proofs import ProofView, SealsView
from credits.api.views import BillingBalanceView, UserBalanceView

register_converters()

gateway_urlpatterns = [
    path(
        "accounts/<public_id:account_id>/ai-gateway/billing/spending-limit",
        GatewaySpendingLimitView.as_view(),
        name="gateway-spending-limit",
    ),
]

urlpatterns = [
    path("api-account/user/balance", UserBalanceView.as_view(), name="user-balance"),
    path("credits/balance", BillingBalanceView.as_view(), name="billing-balance"),
    path("v1/api-keys/<public_id:key_id>/limit", KeyLimitView.as_view(), name="api-key-limit"),
    path("", include(gateway_urlpatterns)),
    path("client/v4/", include(gateway_urlpatterns)),
    path("v1/grants", GrantsView.as_view(), name="grants"),
    path("v1/balance", BalanceAtView.as_view(), name="balance"),
    path("v1/ledger/<int:entry_id>/proof", ProofView.as_view(), name="ledger-proof"),
    path("v1/seals", SealsView.as_view(), name="seals"),
    path("v1/statement", StatementView.as_view(), name="statement"),
    path("v1/statement/verifier", VerifierView.as_view(), name="statement-verifier"),
]
