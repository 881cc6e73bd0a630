"""Paths of usage."""

from django.urls import path

from core.api.routes import register_converters
from usage.api.holds import HoldCaptureView, HoldsView, HoldVoidView, OneHoldView
from usage.api.ingest import UsageEventsView
from usage.api.refunds import RefundView
from usage.api.views import EstimateView, ModelsView, RecentUsageView, UsageEventView

register_converters()

urlpatterns = [
    path("api-account/user/usage/recent", RecentUsageView.as_view(), name="user-usage-recent"),
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
