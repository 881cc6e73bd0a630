"""Every path of the platform. None of the API's ends in a slash; the operators' pages are below /admin/."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from billing_platform.health import HealthView, MetricsView, ReadyView
from billing_platform.openapi import DocsView, DocumentView
from billing_platform.overview.urls import gateway_urlpatterns
from payments.webhooks import StripeWebhookView

urlpatterns = [
    path("healthz", HealthView.as_view()),
    path("readyz", ReadyView.as_view()),
    path("metrics", MetricsView.as_view()),
    path("openapi.json", DocumentView.as_view()),
    path("docs", DocsView.as_view()),
    path("", include("accounts.api.urls")),
    path("", include("credits.api.urls")),
    path("", include("usage.api.urls")),
    path("", include("payments.api.urls")),
    path("payment/webhook/stripe", StripeWebhookView.as_view()),
    path("", include("billing_platform.overview.urls")),
    path("", include(gateway_urlpatterns)),
    path("client/v4/", include(gateway_urlpatterns)),
    path("admin", RedirectView.as_view(url="/admin/")),
    path("admin/", admin.site.urls),
]

handler400 = "core.api.fallbacks.bad_request"
handler403 = "core.api.fallbacks.forbidden"
handler404 = "core.api.fallbacks.not_found"
handler500 = "core.api.fallbacks.failed"
