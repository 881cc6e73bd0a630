"""The one admin site."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.contrib.admin.options import ModelAdmin
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern

from accounts.api.throttling import seconds_for_email
from core.api.throttling import seconds_to_wait
from core.console.pages import ConsoleAdmin

if TYPE_CHECKING:
    from django.contrib.admin import AdminSite as UnfoldAdminSite
else:
    from unfold.sites import UnfoldAdminSite


class ConsoleSite(UnfoldAdminSite):
    """
    Operators' console. It takes pages made for it only (`core.console.pages.ConsoleAdmin`).

    What other packages register by themselves stays out: dj-stripe's pages (their actions call Stripe, their delete is
    open), the JWT blacklist (its rows show refresh tokens that work), Django's plain Group page (ours is in console).
    """

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The login page, with the limits of `/auth/token`: attempts per network address and per e-mail."""
        if request.method == "POST":
            waiting = seconds_to_wait("login_address", f"address:{request.META.get('REMOTE_ADDR', '')}")
            waiting = waiting or seconds_for_email("login", request.POST.get("username", ""))
            if waiting:
                text = f"Too many attempts; try again in {waiting} seconds."
                return HttpResponse(text, status=429, content_type="text/plain", headers={"Retry-After": str(waiting)})
        response: HttpResponse = super().login(request, extra_context)
        return response

    def extra_urls(self) -> list[URLPattern]:
        """Unfold's hook for pages that belong to no model."""
        from billing_platform.console.analytics import analytics_urls  # noqa: PLC0415 - models must be loaded first

        return analytics_urls()

    def register(
        self,
        model_or_iterable: type[Model] | Iterable[type[Model]],
        admin_class: "type[ModelAdmin[Any]] | None" = None,
        **options: Any,
    ) -> None:
        """Register a page made for this console; others are passed over in silence, as explained above."""
        if admin_class is not None and issubclass(admin_class, ConsoleAdmin):
            super().register(model_or_iterable, admin_class, **options)
