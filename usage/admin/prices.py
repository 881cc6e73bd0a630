"""Pages of models and of their dated prices."""

from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Exists, OuterRef, Q
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.functional import cached_property
from unfold.contrib.filters.admin import BooleanRadioFilter, RelatedDropdownFilter
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from core import clock
from core.console.dialogs import ReasonForm, dialog_action, done, operator_id
from core.console.filters import QuestionFilter
from core.console.forms import UsdField
from core.console.pages import SmallTableAdmin
from core.console.shown import EMPTY, fields, link, list_url, usd, usd_column
from usage.models import COLUMN_OF_PRICE, AiModel, PriceVersion
from usage.models.price_book import PRICE_MAX_NANOS
from usage.rating import Prices
from usage.services.prices import activate_price_version, create_draft

PER_MILLION = ("input", "output", "cache_read", "cache_write", "reasoning")
PER_UNIT = ("request", "image", "second")
PRICE_COLUMNS = tuple(
    usd_column(COLUMN_OF_PRICE[name], f"{name.replace('_', ' ').capitalize()}{per}")
    for names, per in ((PER_MILLION, " / 1M"), (PER_UNIT, ""))
    for name in names
)


def _in_force(now: datetime) -> Exists:
    return Exists(PriceVersion.objects.filter(model=OuterRef("pk"), activated_at__isnull=False, effective_at__lte=now))


class ModelState(QuestionFilter):
    """Whether usage of a model is priced now."""

    title = "price"
    parameter_name = "state"
    questions = {
        "priced": ("Has a price in force", lambda now: Q(_in_force(now))),
        "unpriced": ("Has none: its usage is refused", lambda now: ~Q(_in_force(now))),
    }


@admin.register(AiModel)
class AiModelAdmin(SmallTableAdmin[AiModel]):
    """The models that usage may name. A code never changes: events name it."""

    list_display = ("code", "name", "provider", "is_listed", "prices", "created_at")
    list_filter = (ModelState, ("is_listed", BooleanRadioFilter))
    search_fields = ("code__icontains", "name__icontains", "provider__istartswith")
    ordering = ("code",)
    fields = ("code", "name", "provider", "is_listed")

    def get_readonly_fields(self, request: HttpRequest, obj: AiModel | None = None) -> tuple[str, ...]:
        return () if obj is None else ("code",)

    @admin.display(description="Prices")
    def prices(self, model: AiModel) -> str:
        return link(list_url("usage_priceversion", f"model__id__exact={model.pk}"), "prices")


class PriceState(QuestionFilter):
    """Where a price version stands now."""

    title = "state"
    parameter_name = "state"
    questions = {
        "draft": ("Draft", lambda _now: Q(activated_at=None)),
        "coming": ("Activated, not yet effective", lambda now: Q(activated_at__isnull=False, effective_at__gt=now)),
        "effective": ("Effective, or superseded", lambda now: Q(activated_at__isnull=False, effective_at__lte=now)),
    }


def _price(label: str) -> UsdField:
    return UsdField(label=label, initial="0.00")


class PriceDraftForm(forms.ModelForm):  # type: ignore[type-arg]  # takes its model at type checking only
    """Prices in dollars, as price lists state them."""

    input = _price("Input, $ per 1M tokens")
    output = _price("Output, $ per 1M tokens")
    cache_read = _price("Cache read, $ per 1M tokens")
    cache_write = _price("Cache write, $ per 1M tokens")
    reasoning = _price("Reasoning, $ per 1M tokens")
    request = _price("Request, $ each")
    image = _price("Image, $ each")
    second = _price("Second, $ each")
    multiplier_bp = forms.IntegerField(
        label="Multiplier in basis points",
        initial=10_000,
        min_value=0,
        max_value=1_000_000,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="10,000 is 1: the prices as they stand.",
    )

    class Meta:
        model = PriceVersion
        fields = ("model", "effective_at")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        for name in (*PER_MILLION, *PER_UNIT):
            if not 0 <= cleaned.get(name, 0) <= PRICE_MAX_NANOS:
                self.add_error(name, f"A price lies between 0 and {usd(PRICE_MAX_NANOS)}.")
        return cleaned

    def prices(self) -> Prices:
        """The form's prices as the value that rating takes."""
        return Prices(**{name: self.cleaned_data[name] for name in (*PER_MILLION, *PER_UNIT, "multiplier_bp")})


class ActivateForm(ReasonForm):
    """Why this price takes effect."""

    @cached_property
    def version(self) -> PriceVersion:
        """The draft it was opened on. Raises Http404."""
        return self.opened_on(PriceVersion.objects.select_related("model"))

    def lines_before(self) -> list[tuple[str, str]]:
        """What is charged now, and what will be: the prices that change."""
        version = self.version
        active = PriceVersion.objects.filter(model_id=version.model_id, activated_at__isnull=False, effective_at__lte=clock.now())
        present = active.order_by("-effective_at").first()
        return [
            ("Model", version.model.code),
            ("Meant from", f"{version.effective_at:%Y-%m-%d %H:%M:%S} UTC"),
            *_changes(present, version),
        ]


@admin.register(PriceVersion)
class PriceVersionAdmin(SmallTableAdmin[PriceVersion]):
    """Dated prices. A new one is a draft; an active one is never rewritten. A wrong draft is deleted and made anew."""

    form = PriceDraftForm
    list_display = ("model", "state", "effective_at", *PRICE_COLUMNS[:5], "multiplier", "activated_at")
    list_display_links = ("model",)
    list_filter = (PriceState, ("model", RelatedDropdownFilter))
    list_select_related = ("model",)
    search_fields = ("model__code__icontains",)
    search_help_text = "A model's code"
    ordering = ("-id",)
    autocomplete_fields = ("model",)
    add_fieldsets = (
        (
            None,
            {"fields": fields("model", "effective_at"), "description": "A draft: it prices nothing until it is activated."},
        ),
        ("Per million tokens", {"fields": PER_MILLION}),
        ("Per unit", {"fields": PER_UNIT}),
        ("Both", {"fields": fields("multiplier_bp")}),
    )
    fieldsets = (
        (None, {"fields": fields("model", "state", "effective_at", "activated_at", "created_at")}),
        ("Per million tokens", {"fields": fields(*PRICE_COLUMNS[:5])}),
        ("Per unit", {"fields": fields(*PRICE_COLUMNS[5:])}),
        ("Both", {"fields": fields("multiplier")}),
    )
    readonly_fields = ("state", "multiplier")
    actions_detail: ClassVar[tuple[str, ...]] = ("activate",)

    def has_change_permission(self, request: HttpRequest, obj: PriceVersion | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: PriceVersion | None = None) -> bool:
        """A draft may be thrown away; a price that was in force is what somebody was charged by."""
        is_draft = obj is not None and obj.activated_at is None
        return is_draft and request.user.has_perm("usage.delete_priceversion")

    def save_model(self, request: HttpRequest, obj: PriceVersion, form: PriceDraftForm, change: bool) -> None:  # noqa: FBT001
        """Write the draft through the service; the page goes on with the row it made."""
        draft = create_draft(model=obj.model, prices=form.prices(), effective_at=obj.effective_at, now=clock.now())
        obj.pk = draft.pk

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[object]:
        """Activation is offered on drafts."""
        text = str(object_id)
        is_draft = text.isdecimal() and PriceVersion.objects.filter(pk=text, activated_at=None).exists()
        acts: list[object] = super().get_actions_detail(request, object_id) if is_draft else []  # type: ignore[misc]
        return acts

    @admin.display(description="State")
    def state(self, version: PriceVersion) -> str:
        if version.activated_at is None:
            return "draft"
        return "coming" if version.effective_at > clock.now() else "effective"

    @admin.display(description="Multiplier")
    def multiplier(self, version: PriceVersion) -> str:
        whole, rest = divmod(version.multiplier_bp, 10_000)
        return f"{whole}.{rest:04d}".rstrip("0").rstrip(".")

    @dialog_action(
        "Activate",
        permissions=("usage.activate_priceversion", "usage.view_priceversion"),
        form=ActivateForm,
        icon="published_with_changes",
        submit="Activate",
        explains="It takes effect at its time, at least 60 seconds from now unless the model has no price yet. It is never rewritten.",
        variant=ActionVariant.PRIMARY,
    )
    def activate(self, request: HttpRequest, form: ActivateForm, object_id: str) -> HttpResponse:
        """Put a draft in force."""
        version = activate_price_version(
            version_id=form.version.pk,
            actor_id=operator_id(request),
            reason=form.cleaned_data["reason"],
            now=clock.now(),
        )
        url = reverse("admin:usage_priceversion_change", args=(object_id,))
        return done(request, url, f"Active from {version.effective_at:%Y-%m-%d %H:%M:%S} UTC.")


def _changes(present: PriceVersion | None, draft: PriceVersion) -> list[tuple[str, str]]:
    lines = []
    for name in (*PER_MILLION, *PER_UNIT):
        before, after = (getattr(version, COLUMN_OF_PRICE[name], 0) for version in (present, draft))
        if before != after:
            lines.append((name.replace("_", " ").capitalize(), f"{usd(before) if present else EMPTY} → {usd(after)}"))
    return lines
