"""What operators fill in about prices, and what they are shown before one takes effect."""

from typing import Any, Final

from django import forms
from django.utils.functional import cached_property
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from core import clock
from core.console.dialogs import ReasonForm
from core.console.forms import OptionalUsdField, UsdField
from core.console.shown import EMPTY, usd
from usage.admin.shadow import shadow_lines
from usage.admin.terms import factor
from usage.models import COLUMN_OF_PRICE, PriceVersion, in_force
from usage.models.price_book import MULTIPLIER_MAX_BP, PRICE_MAX_NANOS
from usage.rating import BASIS_POINTS, PER_MILLION, PER_UNIT, FailedPolicy, Prices

CLASSES: Final = (*PER_MILLION, *PER_UNIT)
COSTS: Final = tuple(f"provider_{name}" for name in CLASSES)


def words(name: str) -> str:
    """A class of tokens, or a unit, in words."""
    return name.replace("_", " ").capitalize()


def _label(name: str) -> str:
    return f"{words(name)}, {'$ per 1M tokens' if name in PER_MILLION else '$ each'}"


def _price(name: str) -> UsdField:
    return UsdField(label=_label(name), initial="0.00")


def _cost(name: str) -> OptionalUsdField:
    return OptionalUsdField(label=_label(name))


def multiplier_field(**options: Any) -> forms.IntegerField:
    """A factor in basis points."""
    return forms.IntegerField(min_value=0, max_value=MULTIPLIER_MAX_BP, widget=UnfoldAdminIntegerFieldWidget, **options)


class PriceDraftForm(forms.ModelForm):  # type: ignore[type-arg]  # takes its model at type checking only
    """Prices in dollars, as price lists state them, and what the provider asks, where that is known."""

    input = _price("input")
    output = _price("output")
    cache_read = _price("cache_read")
    cache_write = _price("cache_write")
    reasoning = _price("reasoning")
    request = _price("request")
    image = _price("image")
    second = _price("second")
    provider_input = _cost("input")
    provider_output = _cost("output")
    provider_cache_read = _cost("cache_read")
    provider_cache_write = _cost("cache_write")
    provider_reasoning = _cost("reasoning")
    provider_request = _cost("request")
    provider_image = _cost("image")
    provider_second = _cost("second")
    multiplier_bp = multiplier_field(
        label="Multiplier in basis points", initial=BASIS_POINTS, help_text="10,000 is 1: the prices as they stand."
    )

    class Meta:
        model = PriceVersion
        fields = ("model", "effective_at", "failed_policy")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        for name in (*CLASSES, *COSTS):
            if not 0 <= (cleaned.get(name) or 0) <= PRICE_MAX_NANOS:
                self.add_error(name, f"A price lies between 0 and {usd(PRICE_MAX_NANOS)}.")
        if any(cleaned.get(cost) is not None for cost in COSTS):
            self._want_every_cost(cleaned)
        return cleaned

    def _want_every_cost(self, cleaned: dict[str, Any]) -> None:
        """A cost that is left out would count as nothing, and the margin as more than it is."""
        for name, cost in zip(CLASSES, COSTS, strict=True):
            if cleaned.get(name) and cleaned.get(cost) is None and cost not in self.errors:
                self.add_error(cost, "Say what the provider asks for this as well, or leave all of them empty.")

    def prices(self) -> Prices:
        """The form's prices as the value that rating takes."""
        return Prices(**{name: self.cleaned_data[name] for name in CLASSES}, multiplier_bp=self.cleaned_data["multiplier_bp"])

    def provider(self) -> Prices | None:
        """What the provider asks, or None where the operator has left it out."""
        costs = {name: self.cleaned_data[cost] for name, cost in zip(CLASSES, COSTS, strict=True)}
        if all(cost is None for cost in costs.values()):
            return None
        return Prices(**{name: cost or 0 for name, cost in costs.items()}, multiplier_bp=BASIS_POINTS)


class ActivateForm(ReasonForm):
    """Why this price takes effect."""

    @cached_property
    def version(self) -> PriceVersion:
        """The draft it was opened on. Raises Http404."""
        return self.opened_on(PriceVersion.objects.select_related("model"))

    def lines_before(self) -> list[tuple[str, str]]:
        """What is charged now, and what will be: the prices that change."""
        version = self.version
        present = PriceVersion.objects.filter(in_force(clock.now()), model_id=version.model_id).first()
        return [
            ("Model", version.model.code),
            ("Meant from", f"{version.effective_at:%Y-%m-%d %H:%M:%S} UTC"),
            *_changes(present, version),
            *shadow_lines(version),
        ]


def policy_words(version: PriceVersion) -> str:
    """What of a failed call is charged, in a sentence."""
    return {
        FailedPolicy.NEVER: "nothing",
        FailedPolicy.INPUT_ONLY: "input and cached tokens",
        FailedPolicy.REPORTED: "what was reported, but the price per request",
        FailedPolicy.ALWAYS: "the same as of any call",
    }[FailedPolicy(version.failed_policy)]


def _changes(present: PriceVersion | None, draft: PriceVersion) -> list[tuple[str, str]]:
    lines = []
    for name in CLASSES:
        before, after = (getattr(version, COLUMN_OF_PRICE[name], 0) for version in (present, draft))
        if before != after:
            lines.append((words(name), f"{usd(before) if present else EMPTY} → {usd(after)}"))
    for word, tell in (("Multiplier", lambda it: factor(it.multiplier_bp)), ("Charged of a failed call", policy_words)):
        was, becomes = EMPTY if present is None else tell(present), tell(draft)
        if was != becomes:
            lines.append((word, f"{was} → {becomes}"))
    return lines
