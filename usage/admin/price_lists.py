"""The dialog that imports a public price list: it shows what would change first, then makes drafts."""

import base64
import hashlib
import zlib
from collections.abc import Iterator
from typing import Any, ClassVar, Final

from django import forms
from django.core import signing
from django.http import HttpRequest, QueryDict
from django.utils.functional import cached_property
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminTextInputWidget

from core import clock
from core.console.dialogs import ReasonForm, operator_id
from core.errors import BillingError
from usage.admin.price_forms import multiplier_field
from usage.rating import BASIS_POINTS
from usage.services.price_import import Imported, ImportTerms, Line, Outcome, Plan, import_prices, plan_import, told_changes
from usage.services.price_list import LIST_MAX_BYTES

SHOWN: Final = 25
"""Lines of each kind in the dialog; the command line shows all of them."""

_SIGNER: Final = signing.Signer(salt="usage.price_list")


def _word(label: str, help_text: str) -> forms.CharField:
    return forms.CharField(label=label, required=False, max_length=128, widget=UnfoldAdminTextInputWidget, help_text=help_text)


class ImportForm(ReasonForm):
    """The first press reads the file and shows what would change, the second makes the drafts. Other terms are shown anew."""

    form_before_template: ClassVar[str] = "admin/console/dialog_upload.html"
    lines_class: ClassVar[str] = "is-long"
    field_order: ClassVar[tuple[str, ...]] = ("file", "markup_bp", "only", "provider", "effective_at", "reason")

    file = forms.FileField(
        label="Price list",
        required=False,
        widget=UnfoldAdminFileFieldWidget,
        help_text=f"JSON in the layout of LiteLLM's model_prices_and_context_window.json, at most {LIST_MAX_BYTES // 2**20} MiB.",
    )
    markup_bp = multiplier_field(
        label="Markup in basis points",
        initial=BASIS_POINTS,
        help_text="Of what the list says: 10,000 is its own price, 12,000 a fifth more.",
    )
    only = _word("Only models", "A pattern, such as gpt-*. Empty: all.")
    provider = _word("Only of the provider", "The list's litellm_provider, such as openai. Empty: all.")
    effective_at = forms.DateTimeField(
        label="Meant from, UTC", required=False, widget=UnfoldAdminTextInputWidget, help_text="Such as 2026-01-31 00:00. Empty: at once."
    )
    held = forms.CharField(required=False, widget=forms.HiddenInput)
    shown = forms.CharField(required=False, widget=forms.HiddenInput)

    data: QueryDict
    plan: Plan | None = None
    """What the operator has yet to see."""

    def __init__(self, request: HttpRequest, *args: Any, **options: Any) -> None:
        """A dialog's form, with the file that came."""
        super().__init__(request, *args, files=request.FILES or None, **options)

    def clean(self) -> dict[str, Any]:
        """Ask for a second press where what just this would change was not shown yet."""
        if not self.errors:
            raw = self._raw
            if raw is None:
                self.add_error("file", "Choose a file.")
            elif self.cleaned_data["shown"] != self._asked(raw):
                self._show(raw)
        return dict(self.cleaned_data)

    def is_valid(self) -> bool:
        """Valid at the second press only."""
        return bool(super().is_valid()) and self.plan is None

    def effect(self) -> list[tuple[str, str]]:
        return (
            [] if self.plan is None else [("Price list", "the file is held here; choose another one to change it"), *told_plan(self.plan)]
        )

    def perform(self) -> Imported:
        """Make the drafts. Raises what the service raises."""
        raw = self._raw or b""
        reason = self.cleaned_data["reason"]
        return import_prices(raw=raw, terms=self._terms(), actor_id=operator_id(self.request), reason=reason, now=clock.now())

    def _terms(self) -> ImportTerms:
        asked = self.cleaned_data
        return ImportTerms(asked["markup_bp"], asked["effective_at"] or clock.now(), asked["only"], asked["provider"])

    @cached_property
    def _raw(self) -> bytes | None:
        """The file that came with this press, or else the one that the dialog has held since the first."""
        file = self.cleaned_data.get("file")
        if file is not None:
            return bytes(file.read(LIST_MAX_BYTES + 1))
        try:
            return zlib.decompress(base64.b64decode(_SIGNER.unsign(self.cleaned_data["held"])))
        except signing.BadSignature:
            return None

    def _asked(self, raw: bytes) -> str:
        asked = self.cleaned_data
        terms = "; ".join(f"{name}={asked[name]}" for name in ("markup_bp", "only", "provider", "effective_at"))
        return f"{hashlib.sha256(raw).hexdigest()}; {terms}"

    def _show(self, raw: bytes) -> None:
        try:
            self.plan = plan_import(raw=raw, terms=self._terms(), now=clock.now())
        except BillingError as error:
            self.add_error(None, error.message)
            return
        self.data = self.data.copy()
        self.data["shown"] = self._asked(raw)
        self.data["held"] = _SIGNER.sign(base64.b64encode(zlib.compress(raw)).decode())


def told_plan(plan: Plan) -> Iterator[tuple[str, str]]:
    """What an import would do, in lines."""
    counts = ", ".join(f"{len(plan.of(outcome)):,} {outcome}" for outcome in Outcome)
    yield "Models of the list", f"{counts}; {len(plan.wanted):,} drafts"
    for outcome in (Outcome.CHANGED, Outcome.NEW, Outcome.REFUSED):
        lines = plan.of(outcome)
        yield from ((f"{outcome}: {line.code}", _told(line, plan.terms)) for line in lines[:SHOWN])
        if len(lines) > SHOWN:
            yield str(outcome), f"and {len(lines) - SHOWN:,} more"
    unused = plan.unused.most_common()
    yield from ((f"not imported: {field}", f"{models:,} of these models have it") for field, models in unused[:SHOWN])
    if len(unused) > SHOWN:
        yield "not imported", f"and {len(unused) - SHOWN:,} more fields"


def _told(line: Line, terms: ImportTerms) -> str:
    return line.why or "; ".join(told_changes(line, terms))
