"""Paths of credits' own endpoints."""

from django.urls import path

from credits.api.views import BillingBalanceView, UserBalanceView

urlpatterns = [
    path("api-account/user/balance", UserBalanceView.as_view(), name="user-balance"),
    path("credits/balance", BillingBalanceView.as_view(), name="billing-balance"),
]
