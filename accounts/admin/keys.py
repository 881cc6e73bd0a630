"""The page of API keys: a customer's are shown, the platform's own are issued and revoked here."""

from typing import ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.functional import cached_property
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextInputWidget

from accounts.models import ApiKey
from accounts.models.api_key import Scope
from accounts.services.api_keys import issue_platform_key, revoke_platform_key
from core import clock
from core.console.dialogs import ReasonForm, dialog_action, done, operator_id, show_once
from core.console.filters import QuestionFilter
from core.console.pages import ReadOnlyAdmin
from core.console.shown import account_link, copyable

LIST = "admin:accounts_apikey_changelist"


class KeyState(QuestionFilter):
    """What an operator looks for among keys."""

    title = "state"
    parameter_name = "state"
    questions = {
        "platform": (
            "The platform's own, live",
            lambda now: Q(account=None, revoked_at=None) & ~Q(expires_at__lte=now),
        ),
        "live": ("Live", lambda now: Q(revoked_at=None) & ~Q(expires_at__lte=now)),
        "revoked": ("Revoked", lambda _now: Q(revoked_at__isnull=False)),
        "expired": ("Expired", lambda now: Q(revoked_at=None, expires_at__lte=now)),
    }


class IssueKeyForm(ReasonForm):
    """Name and scopes of a new platform key."""

    field_order = ("name", "scopes", "reason")

    name = forms.CharField(max_length=120, widget=UnfoldAdminTextInputWidget, help_text="Which gateway will use it.")
    scopes = forms.MultipleChoiceField(choices=Scope.choices, initial=[Scope.USAGE_WRITE], widget=UnfoldAdminCheckboxSelectMultipleWidget)


class RevokeKeyForm(ReasonForm):
    """Why a platform key ends."""

    @cached_property
    def key(self) -> ApiKey:
        """The key it was opened on. Raises Http404."""
        return self.opened_on(ApiKey.objects.all())

    def lines_before(self) -> list[tuple[str, str]]:
        return [("Key", str(self.key)), ("Scopes", ", ".join(self.key.scopes))]


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin[ApiKey]):
    """Keys by their prefix; a secret is shown once, when it is made, and only its hash is kept."""

    list_display = ("name", "prefix", "owner", "scopes", "created_at", "expires_at", "revoked_at")
    list_filter = (KeyState,)
    list_select_related = ("account",)
    search_fields = ("prefix__startswith", "public_id", "account__public_id__startswith", "name__istartswith")
    search_help_text = "The beginning of a key, of its name, or of an account's id"
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": ("name", "prefix", "shown_id", "owner", "scopes", "created_by")}),
        ("When", {"fields": ("created_at", "expires_at", "revoked_at")}),
    )
    readonly_fields = ("shown_id", "owner")

    actions_list: ClassVar[tuple[str, ...]] = ("issue_platform_key",)
    actions_detail: ClassVar[tuple[str, ...]] = ("revoke",)

    @admin.display(description="Account")
    def owner(self, key: ApiKey) -> object:
        return "the platform" if key.is_platform else account_link(key)

    @admin.display(description="Public id")
    def shown_id(self, key: ApiKey) -> str:
        return copyable(key.public_id)

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[object]:
        """Revoking is offered on live platform keys."""
        live = ApiKey.objects.filter(pk=object_id, account=None, revoked_at=None).exists() if object_id.isdecimal() else False
        acts: list[object] = super().get_actions_detail(request, object_id) if live else []  # type: ignore[misc]
        return acts

    @dialog_action(
        "Issue platform key",
        permissions=("accounts.issue_platform_key", "accounts.view_apikey"),
        form=IssueKeyForm,
        icon="key",
        submit="Issue",
        explains="A key for one of our own gateways. It acts for every account, so keep its scopes few.",
        variant=ActionVariant.PRIMARY,
    )
    def issue_platform_key(self, request: HttpRequest, form: IssueKeyForm) -> HttpResponse:
        """Make a key and show its secret once."""
        issued = issue_platform_key(
            name=form.cleaned_data["name"],
            scopes=form.cleaned_data["scopes"],
            actor_id=operator_id(request),
            reason=form.cleaned_data["reason"],
            now=clock.now(),
        )
        return show_once(
            request,
            title=f"Key “{issued.key.name}”",
            explains="Copy it now: it is shown this once, and only its hash is kept.",
            secret=issued.secret,
            done_url=reverse(LIST),
        )

    @dialog_action(
        "Revoke",
        permissions=("accounts.issue_platform_key", "accounts.view_apikey"),
        form=RevokeKeyForm,
        icon="key_off",
        submit="Revoke for good",
        explains="Requests with it are refused within seconds. This cannot be undone.",
        variant=ActionVariant.DANGER,
    )
    def revoke(self, request: HttpRequest, form: RevokeKeyForm, object_id: str) -> HttpResponse:
        """End a platform key."""
        revoke_platform_key(key_id=form.key.pk, actor_id=operator_id(request), reason=form.cleaned_data["reason"], now=clock.now())
        return done(request, reverse("admin:accounts_apikey_change", args=(object_id,)), "The key is revoked.")
