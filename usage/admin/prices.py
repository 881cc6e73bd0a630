"""Pages of models and of their dated prices."""

from datetime import datetime
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db.models import Exists, OuterRef, Q
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from unfold.contrib.filters.admin import BooleanRadioFilter, RelatedDropdownFilter
from unfold.enums import ActionVariant

from core import clock
from core.console.cards import Card, Row
from core.console.dialogs import dialog_action, done, operator_id
from core.console.filters import QuestionFilter
from core.console.pages import SmallTableAdmin
from core.console.shown import EMPTY, fields, link, list_url, percent, usd, usd_column
from usage.admin.price_forms import CLASSES, COSTS, ActivateForm, PriceDraftForm, policy_words, words
from usage.admin.price_lists import ImportForm
from usage.admin.shadow import OffersShadowRuns
from usage.admin.terms import TermsState, factor, state_tag
from usage.models import COLUMN_OF_PRICE, AiModel, PriceVersion, ProviderCost, in_force
from usage.rating import BASIS_POINTS, PER_MILLION, PER_UNIT, FailedPolicy
from usage.services.prices import activate_price_version, create_draft

PRICE_COLUMNS = tuple(usd_column(COLUMN_OF_PRICE[name], f"{words(name)}{' / 1M' if name in PER_MILLION else ''}") for name in CLASSES)


def _is_priced(now: datetime) -> Exists:
    return Exists(PriceVersion.objects.filter(in_force(now), model=OuterRef("pk")))


class ModelState(QuestionFilter):
    """Whether usage of a model is priced now."""

    title = "price"
    parameter_name = "state"
    questions = {
        "priced": ("Has a price in force", lambda now: Q(_is_priced(now))),
        "unpriced": ("Has none: its usage is refused", lambda now: ~Q(_is_priced(now))),
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


@admin.register(PriceVersion)
class PriceVersionAdmin(OffersShadowRuns, SmallTableAdmin[PriceVersion]):
    """Dated prices. A new one is a draft; an active one is never rewritten. A wrong draft is deleted and made anew."""

    form = PriceDraftForm
    list_display = ("model", "state", "effective_at", "ends_at", *PRICE_COLUMNS[:5], "multiplier")
    list_display_links = ("model",)
    list_filter = (TermsState, ("model", RelatedDropdownFilter))
    list_select_related = ("model",)
    search_fields = ("model__code__icontains",)
    search_help_text = "A model's code"
    ordering = ("-id",)
    autocomplete_fields = ("model",)
    add_fieldsets = (
        (
            None,
            {
                "fields": fields("model", "effective_at", "failed_policy"),
                "description": "A draft: it prices nothing until it is activated.",
            },
        ),
        ("Per million tokens", {"fields": PER_MILLION}),
        ("Per unit", {"fields": PER_UNIT}),
        ("Both", {"fields": fields("multiplier_bp")}),
        (
            "What the provider asks, where that is known",
            {"fields": COSTS, "description": "For the margin only: nothing is charged by it. All of them empty: not known."},
        ),
    )
    fieldsets = (
        (None, {"fields": fields("model", "state", "effective_at", "ends_at", "failed_calls", "activated_at", "created_at")}),
        ("Per million tokens", {"fields": fields(*PRICE_COLUMNS[:5])}),
        ("Per unit", {"fields": fields(*PRICE_COLUMNS[5:])}),
        ("Both", {"fields": fields("multiplier")}),
    )
    readonly_fields = ("state", "multiplier", "ends_at", "failed_calls")
    change_form_outer_after_template = "admin/console/cards_below.html"
    actions_list: ClassVar[tuple[str, ...]] = ("import_list",)
    actions_detail: ClassVar[tuple[str, ...]] = ("shadow_run", "activate")

    def has_change_permission(self, request: HttpRequest, obj: PriceVersion | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: PriceVersion | None = None) -> bool:
        """A draft may be thrown away; a price that was in force is what somebody was charged by."""
        is_draft = obj is not None and obj.activated_at is None
        return is_draft and request.user.has_perm("usage.delete_priceversion")

    def save_model(self, request: HttpRequest, obj: PriceVersion, form: PriceDraftForm, change: bool) -> None:  # noqa: FBT001
        """Write the draft through the service; the page goes on with the row it made."""
        draft = create_draft(
            model=obj.model,
            prices=form.prices(),
            effective_at=obj.effective_at,
            failed_policy=FailedPolicy(obj.failed_policy),
            provider=form.provider(),
            now=clock.now(),
        )
        obj.pk = draft.pk

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page, with what is left of each price below it."""
        version = self.get_object(request, unquote(object_id))
        context = dict(extra_context or {})
        if version is not None and self.has_view_permission(request, version):
            context["page"] = {"cards": [margins(version)]}
        return super().change_view(request, object_id, form_url, context)

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[object]:
        """Activation is offered on drafts."""
        text = str(object_id)
        is_draft = text.isdecimal() and PriceVersion.objects.filter(pk=text, activated_at=None).exists()
        acts: list[object] = super().get_actions_detail(request, object_id) if is_draft else []  # type: ignore[misc]
        return acts

    @admin.display(description="State")
    def state(self, version: PriceVersion) -> str:
        return state_tag(version, past="superseded")

    @admin.display(description="Multiplier")
    def multiplier(self, version: PriceVersion) -> str:
        return factor(version.multiplier_bp)

    @admin.display(description="Charged of a failed call")
    def failed_calls(self, version: PriceVersion) -> str:
        return policy_words(version)

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

    @dialog_action(
        "Import a price list",
        permissions=("usage.import_prices", "usage.view_priceversion"),
        form=ImportForm,
        icon="upload_file",
        submit="Import",
        explains="What the list says becomes what the provider asks; the price is that with a markup. Each model whose price changes gets a"
        " draft, which prices nothing until it is activated.",
    )
    def import_list(self, request: HttpRequest, form: ImportForm) -> HttpResponse:
        """Make drafts of a public price list."""
        made = len(form.perform().drafts)
        return done(request, list_url("usage_priceversion", "state=draft"), f"{made:,} drafts made.")


def margins(version: PriceVersion) -> Card:
    """What is left of each price, by what the provider asks for the same. Shares are rounded down."""
    cost = ProviderCost.objects.filter(version=version).first()
    rows: list[Row] = []
    for name, column in COLUMN_OF_PRICE.items() if cost is not None else ():
        price, asked = getattr(version, column) * version.multiplier_bp, getattr(cost, column)
        if price or asked:
            rows.append((words(name), usd(price // BASIS_POINTS), usd(asked), percent(price - asked * BASIS_POINTS, price) or EMPTY))
    headings = ("Class", "Price", "Provider asks", "Margin")
    return Card("Margin at the list price", "", headings, rows, "What the provider asks is not known.", is_wide=True)
