"""Pages of multipliers: who pays other than the prices as they stand."""

from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.functional import cached_property
from unfold.contrib.filters.admin import RelatedDropdownFilter
from unfold.enums import ActionVariant

from core import clock
from core.console.dialogs import ReasonForm, dialog_action, done, operator_id
from core.console.pages import SmallTableAdmin
from core.console.shown import account_link, fields, moment, page_url
from core.errors import InvalidInput
from usage.admin.price_forms import multiplier_field
from usage.admin.terms import TermsState, factor, state_of, state_tag
from usage.models import PriceMultiplier
from usage.services.multipliers import (
    Scope,
    activate_multiplier,
    can_be_taken_back,
    check_multiplier,
    create_multiplier_draft,
    end_multiplier,
    pays_at,
    scope_of,
    take_back_multiplier,
)


class MultiplierDraftForm(forms.ModelForm):  # type: ignore[type-arg]  # takes its model at type checking only
    """Whose, of which model, how much, from when until when."""

    multiplier_bp = multiplier_field(label="Multiplier in basis points", help_text="9,000 is a tenth off, 12,500 a quarter more.")

    class Meta:
        model = PriceMultiplier
        fields = ("account", "tier", "model", "effective_at", "ends_at")

    def clean(self) -> dict[str, Any]:
        """In the words of the service, which are kinder than those of the constraints."""
        cleaned = self.cleaned_data
        if not self.errors:
            try:
                check_multiplier(self.scope(), cleaned["multiplier_bp"], cleaned["effective_at"], cleaned.get("ends_at"))
            except InvalidInput as error:
                self.add_error(error.errors[0].field, error.message)
        return cleaned

    def scope(self) -> Scope:
        """What the form names."""
        account, model = self.cleaned_data.get("account"), self.cleaned_data.get("model")
        return Scope(
            account_id=None if account is None else account.pk,
            tier=self.cleaned_data.get("tier", ""),
            model_id=None if model is None else model.pk,
        )


class MultiplierForm(ReasonForm):
    """Why what somebody pays changes."""

    @cached_property
    def multiplier(self) -> PriceMultiplier:
        """The row it was opened on. Raises Http404."""
        return self.opened_on(PriceMultiplier.objects.select_related("account", "model"))


class ActivateForm(MultiplierForm):
    """Why this multiplier takes effect."""

    def lines_before(self) -> list[tuple[str, str]]:
        """Who pays what now, and what it will be."""
        row = self.multiplier
        now, becomes = pays_at(scope_of(row), clock.now()), row.multiplier_bp
        return [
            ("Who", whose(row)),
            ("For", of_model(row)),
            ("Pays of the price", f"× {factor(now)} → × {factor(becomes)}"),
            ("Meant from", moment(row.effective_at)),
            ("Until", moment(row.ends_at) if row.ends_at else "another takes its place"),
        ]


class EndForm(MultiplierForm):
    """Why this multiplier ends."""

    def lines_before(self) -> list[tuple[str, str]]:
        """Who will no longer pay what."""
        row = self.multiplier
        return [("Who", whose(row)), ("For", of_model(row)), ("Pays of the price", f"× {factor(row.multiplier_bp)}")]


class TakeBackForm(EndForm):
    """Why this multiplier shall not begin."""

    def lines_before(self) -> list[tuple[str, str]]:
        """Who would have paid what, and from when."""
        return [*super().lines_before(), ("Was to begin", moment(self.multiplier.effective_at))]


@admin.register(PriceMultiplier)
class PriceMultiplierAdmin(SmallTableAdmin[PriceMultiplier]):
    """Who pays other than the prices as they stand. A new one is a draft; an active one is never rewritten, but may be ended."""

    form = MultiplierDraftForm
    list_display = ("who", "for_model", "pays", "state", "effective_at", "ends_at", "activated_at")
    list_display_links = ("pays",)
    list_filter = (TermsState, ("model", RelatedDropdownFilter))
    list_select_related = ("account", "model")
    search_fields = ("tier__iexact", "account__public_id__startswith", "account__email__istartswith", "model__code__icontains")
    search_help_text = "A tier, an account's id or e-mail, a model's code"
    ordering = ("-id",)
    autocomplete_fields = ("account", "model")
    add_fieldsets = (
        (
            "Who: an account, or every account of a tier",
            {
                "fields": fields("account", "tier", "model"),
                "description": "A draft: it changes no price until it is activated. Of several that fit a call the most specific one"
                " applies, alone: an account's before a tier's, then one of the model before one of every model.",
            },
        ),
        ("What", {"fields": fields("multiplier_bp")}),
        ("When, in UTC", {"fields": fields("effective_at", "ends_at"), "description": "Without an end: until another takes its place."}),
    )
    fieldsets = (
        (None, {"fields": fields("who", "for_model", "pays", "state")}),
        ("When", {"fields": fields("effective_at", "ends_at", "activated_at", "created_at")}),
    )
    readonly_fields = ("who", "for_model", "pays", "state", "activated_at", "created_at")
    actions_detail: ClassVar[tuple[str, ...]] = ("activate", "take_back", "end")

    def has_change_permission(self, request: HttpRequest, obj: PriceMultiplier | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: PriceMultiplier | None = None) -> bool:
        """A draft may be thrown away; what was in force is what somebody was charged by."""
        is_draft = obj is not None and obj.activated_at is None
        return is_draft and request.user.has_perm("usage.delete_pricemultiplier")

    def get_fieldsets(self, request: HttpRequest, obj: PriceMultiplier | None = None) -> Any:  # noqa: ANN401  as in Django's stubs
        return self.add_fieldsets if obj is None else self.fieldsets

    def save_model(self, request: HttpRequest, obj: PriceMultiplier, form: MultiplierDraftForm, change: bool) -> None:  # noqa: FBT001
        """Write the draft through the service; the page goes on with the row it made."""
        cleaned = form.cleaned_data
        draft = create_multiplier_draft(
            scope=form.scope(),
            multiplier_bp=cleaned["multiplier_bp"],
            effective_at=cleaned["effective_at"],
            ends_at=cleaned.get("ends_at"),
            now=clock.now(),
        )
        obj.pk = draft.pk

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[Any]:
        """A draft is activated; what is to come is taken back, and what is in force ended, or is so within a minute."""
        text = str(object_id)
        row = PriceMultiplier.objects.filter(pk=text).first() if text.isdecimal() else None
        offered = "" if row is None else _offered(row, clock.now())
        acts: list[Any] = super().get_actions_detail(request, object_id)  # type: ignore[misc]
        return [act for act in acts if act.method.original_function_name == offered]

    @admin.display(description="Who")
    def who(self, row: PriceMultiplier) -> str:
        return account_link(row) if row.account_id else whose(row)

    @admin.display(description="For")
    def for_model(self, row: PriceMultiplier) -> str:
        return of_model(row)

    @admin.display(description="Pays of the price")
    def pays(self, row: PriceMultiplier) -> str:
        return f"× {factor(row.multiplier_bp)}"

    @admin.display(description="State")
    def state(self, row: PriceMultiplier) -> str:
        return state_tag(row, past="ended")

    @dialog_action(
        "Activate",
        permissions=("usage.activate_pricemultiplier", "usage.view_pricemultiplier"),
        form=ActivateForm,
        icon="published_with_changes",
        submit="Activate",
        explains="It takes effect at its time, at least 60 seconds from now, and ends the one before it; where it has an end itself,"
        " that one goes on after it. It is never rewritten.",
        variant=ActionVariant.PRIMARY,
    )
    def activate(self, request: HttpRequest, form: ActivateForm, object_id: str) -> HttpResponse:
        """Put a draft in force."""
        row = activate_multiplier(
            multiplier_id=form.multiplier.pk, actor_id=operator_id(request), reason=form.cleaned_data["reason"], now=clock.now()
        )
        return done(request, page_url("usage_pricemultiplier", row.pk), f"Active from {moment(row.effective_at)}.")

    @dialog_action(
        "Take back",
        permissions=("usage.activate_pricemultiplier", "usage.view_pricemultiplier"),
        form=TakeBackForm,
        icon="undo",
        submit="Take it back",
        explains="It becomes a draft again. The one that it was to take the place of still ends then: activate another to follow it.",
        variant=ActionVariant.DANGER,
    )
    def take_back(self, request: HttpRequest, form: TakeBackForm, object_id: str) -> HttpResponse:
        """Keep what is to come from beginning."""
        row = take_back_multiplier(
            multiplier_id=form.multiplier.pk, actor_id=operator_id(request), reason=form.cleaned_data["reason"], now=clock.now()
        )
        return done(request, page_url("usage_pricemultiplier", row.pk), "It is a draft again.")

    @dialog_action(
        "End",
        permissions=("usage.activate_pricemultiplier", "usage.view_pricemultiplier"),
        form=EndForm,
        icon="event_busy",
        submit="End it",
        explains="It ends 60 seconds from now. What is less specific applies from then on.",
        variant=ActionVariant.DANGER,
    )
    def end(self, request: HttpRequest, form: EndForm, object_id: str) -> HttpResponse:
        """End what is in force."""
        row = end_multiplier(
            multiplier_id=form.multiplier.pk, actor_id=operator_id(request), reason=form.cleaned_data["reason"], now=clock.now()
        )
        return done(request, page_url("usage_pricemultiplier", row.pk), f"It ends at {moment(row.ends_at)}.")


def _offered(row: PriceMultiplier, now: datetime) -> str:
    if can_be_taken_back(row, now):
        return "take_back"
    return {"draft": "activate", "coming": "end", "in force": "end"}.get(state_of(row, now, past="ended"), "")


def whose(row: PriceMultiplier) -> str:
    """An account or a tier, in words."""
    return str(row.account) if row.account_id else f"tier {row.tier}"


def of_model(row: PriceMultiplier) -> str:
    """A model, or all of them, in words."""
    return "every model" if row.model is None else row.model.code
