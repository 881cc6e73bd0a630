"""Pages of users, memberships and invites."""

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest
from django.utils.html import format_html_join
from unfold.contrib.filters.admin import BooleanRadioFilter, ChoicesDropdownFilter

from accounts.models import Invite, Membership, User
from core.console.filters import QuestionFilter, UtcDayFilter
from core.console.pages import ConsoleAdmin, ReadOnlyAdmin
from core.console.shown import account_link, copyable, link, page_url


@admin.register(User)
class UserAdmin(ConsoleAdmin[User]):
    """
    A person who logs in. People register themselves; only a superuser changes who may log in, and who may work here.

    A password is never set here: the person asks for a reset by mail, an operator uses `manage.py changepassword`.
    """

    list_display = ("email", "is_active", "is_staff", "is_superuser", "email_verified_at", "last_login", "created_at")
    list_filter = (("is_active", BooleanRadioFilter), ("is_staff", BooleanRadioFilter), ("created_at", UtcDayFilter))
    search_fields = ("email__istartswith",)
    search_help_text = "The beginning of an e-mail"
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": ("email", "email_verified_at", "accounts", "created_at", "last_login")}),
        ("May log in", {"fields": ("is_active",)}),
        ("May work here", {"fields": ("is_staff", "is_superuser", "groups")}),
    )
    readonly_fields = ("email", "email_verified_at", "accounts", "created_at", "last_login")
    filter_horizontal = ("groups",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)

    @admin.display(description="Accounts")
    def accounts(self, user: User) -> str:
        rows = Membership.objects.filter(user=user).select_related("account").order_by("pk")
        return format_html_join(
            ", ",
            "{} ({})",
            ((link(page_url("accounts_account", row.account_id), row.account), row.role) for row in rows),
        )


@admin.register(Membership)
class MembershipAdmin(ReadOnlyAdmin[Membership]):
    list_display = ("user", account_link, "role", "created_at")
    list_filter = (("role", ChoicesDropdownFilter),)
    list_select_related = ("user", "account")
    search_fields = ("user__email__istartswith", "account__public_id__istartswith")
    search_help_text = "The beginning of an e-mail or of an account's id"
    ordering = ("-id",)


class InviteState(QuestionFilter):
    title = "state"
    parameter_name = "state"
    questions = {
        "open": ("Open", lambda now: Q(accepted_at=None, expires_at__gt=now)),
        "accepted": ("Accepted", lambda _now: Q(accepted_at__isnull=False)),
        "lapsed": ("Lapsed", lambda now: Q(accepted_at=None, expires_at__lte=now)),
    }


@admin.register(Invite)
class InviteAdmin(ReadOnlyAdmin[Invite]):
    list_display = ("shown_id", account_link, "email", "role", "invited_by", "created_at", "expires_at", "accepted_at")
    list_filter = (InviteState,)
    list_select_related = ("account", "invited_by")
    search_fields = ("email__istartswith", "account__public_id__istartswith")
    search_help_text = "The beginning of an e-mail or of an account's id"
    ordering = ("-id",)
    exclude = ("secret_hash",)

    @admin.display(description="Id")
    def shown_id(self, invite: Invite) -> str:
        return copyable(invite.public_id, shown=f"{invite.public_id[:8]}…")
