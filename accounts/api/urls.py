"""Identity's paths. None ends in a slash."""

from django.urls import path

from accounts.api import openapi as _openapi
from accounts.api.account import AccountView, CloseAccountView
from accounts.api.keys import ApiKeysView, ApiKeyView
from accounts.api.login import (
    LogoutView,
    MeView,
    PasswordConfirmView,
    PasswordResetView,
    RefreshView,
    RegisterView,
    TokenView,
    VerifyEmailView,
)
from accounts.api.members import AcceptInviteView, MembersView, MemberView
from core.api.routes import register_converters

_ = _openapi
register_converters()

urlpatterns = [
    path("auth/register", RegisterView.as_view()),
    path("auth/token", TokenView.as_view()),
    path("auth/token/refresh", RefreshView.as_view()),
    path("auth/logout", LogoutView.as_view()),
    path("auth/verify-email", VerifyEmailView.as_view()),
    path("auth/password/reset", PasswordResetView.as_view()),
    path("auth/password/confirm", PasswordConfirmView.as_view()),
    path("auth/me", MeView.as_view()),
    path("auth/api-keys", ApiKeysView.as_view()),
    path("auth/api-keys/<public_id:key_id>", ApiKeyView.as_view()),
    path("v1/account", AccountView.as_view()),
    path("v1/account/close", CloseAccountView.as_view()),
    path("v1/members", MembersView.as_view()),
    path("v1/members/accept", AcceptInviteView.as_view()),
    path("v1/members/<public_id:member_id>", MemberView.as_view()),
]
