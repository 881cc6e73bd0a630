"""Paths of usage. The AI gateway's stand apart: its vendor's clients ask for them below a prefix as well."""

from django.urls import include, path

from core.api.routes import register_converters
from usage.api.holds import HoldCaptureView, HoldsView, HoldVoidView, OneHoldView
from usage.api.ingest import UsageEventsView
from usage.api.refunds import RefundView
from usage.api.reports import GatewayHistoryView, UserUsageView
from usage.api.views import EstimateView, ModelsView, RecentUsageView, UsageEventView

register_converters()

gateway_urlpatterns = [
    path(
        "accounts/<public_id:account_id>/ai-gateway/billing/usage-history",
        GatewayHistoryView.as_view(),
        name="gateway-usage-history",
    ),
]

urlpatterns = [
    path("api-account/user/usage", UserUsageView.as_view(), name="user-usage"),
    path("api-account/user/usage/recent", RecentUsageView.as_view(), name="user-usage-recent"),
    path("", include(gateway_urlpatterns)),
    path("client/v4/", include(gateway_urlpatterns)),
    path("v1/usage/events", UsageEventsView.as_view(), name="usage-events"),
    path("v1/usage/events/<path:event_id>/refund", RefundView.as_view(), name="usage-event-refund"),
    path("v1/usage/events/<path:event_id>", UsageEventView.as_view(), name="usage-event"),
    path("v1/holds", HoldsView.as_view(), name="holds"),
    path("v1/holds/<public_id:hold_id>", OneHoldView.as_view(), name="hold"),
    path("v1/holds/<public_id:hold_id>/capture", HoldCaptureView.as_view(), name="hold-capture"),
    path("v1/holds/<public_id:hold_id>/void", HoldVoidView.as_view(), name="hold-void"),
    path("v1/models", ModelsView.as_view(), name="models"),
    path("v1/estimate", EstimateView.as_view(), name="estimate"),
]
