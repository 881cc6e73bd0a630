"""Pages that belong to no single app: the account with all that is its own, the order, verifications, and the roles."""

from django.contrib import admin
from django.contrib.auth.models import Group
from django.http import HttpRequest

from billing_platform.console.account_page import AccountAdmin
from billing_platform.console.order_page import OrderAdmin
from billing_platform.console.verification_page import VerificationFindingAdmin, VerificationRunAdmin
from core.console.pages import SmallTableAdmin

__all__ = ("AccountAdmin", "GroupAdmin", "OrderAdmin", "VerificationFindingAdmin", "VerificationRunAdmin")


@admin.register(Group)
class GroupAdmin(SmallTableAdmin[Group]):
    """Roles of operators. `manage.py load_roles` makes the usual ones; only a superuser changes them."""

    list_display = ("name",)
    search_fields = ("name__istartswith",)
    ordering = ("name",)
    filter_horizontal = ("permissions",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return self.has_add_permission(request)
