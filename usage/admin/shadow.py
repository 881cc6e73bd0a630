"""Shadow runs in the admin: the dialog on a draft's page, the list with progress, a run's result."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils.functional import cached_property
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from core import clock
from core.console.cards import Card, Row
from core.console.dialogs import ReasonForm, dialog_action, done, operator_id
from core.console.filters import QuestionFilter
from core.console.pages import ReadOnlyAdmin
from core.console.shown import EMPTY, fields, link, page_url, tag, usd
from usage.models import DAYS_MAX, PriceVersion, ShadowRun, ShadowStatus
from usage.selectors.shadow import newest_run
from usage.services.shadow_runs import ask_for_shadow_run
from usage.services.shadow_words import change_words, summary

_TONES = {ShadowStatus.WAITING: "is-waiting", ShadowStatus.RUNNING: "is-waiting", ShadowStatus.DONE: "is-calm"}
_NOT_RUN = "none was run: nobody has looked at what this price would have charged"

Line = tuple[str, str]


class ShadowForm(ReasonForm):
    """How many days of usage, and why."""

    field_order = ("days", "reason")

    days = forms.IntegerField(
        label="Days of usage, up to now",
        initial=30,
        min_value=1,
        max_value=DAYS_MAX,
        widget=UnfoldAdminIntegerFieldWidget,
    )

    @cached_property
    def version(self) -> PriceVersion:
        """The draft it was opened on. Raises Http404."""
        return self.opened_on(PriceVersion.objects.select_related("model"))

    def lines_before(self) -> list[Line]:
        return [("Model", self.version.model.code), *shadow_lines(self.version)]


class OffersShadowRuns:
    """The act of a price version's page that asks for a run."""

    @dialog_action(
        "Shadow run",
        permissions=("usage.run_shadow", "usage.view_priceversion"),
        form=ShadowForm,
        icon="science",
        submit="Replay usage",
        explains="A worker prices real usage of this model anew by this draft, and says what would change. It charges nobody.",
    )
    def shadow_run(self, request: HttpRequest, form: ShadowForm, object_id: str) -> HttpResponse:
        """Have usage replayed by a draft."""
        run = ask_for_shadow_run(
            version_id=form.version.pk,
            days=form.cleaned_data["days"],
            actor_id=operator_id(request),
            reason=form.cleaned_data["reason"],
            now=clock.now(),
        )
        return done(request, page_url("usage_shadowrun", run.pk), "A worker replays it. This page says how far it is.")


class RunState(QuestionFilter):
    """What an operator looks for among runs."""

    title = "state"
    parameter_name = "state"
    questions = {
        "under_way": ("Under way", lambda _now: Q(finished_at=None)),
        "done": ("Done", lambda _now: Q(status=ShadowStatus.DONE)),
        "failed": ("Failed", lambda _now: Q(status=ShadowStatus.FAILED)),
    }


@admin.register(ShadowRun)
class ShadowRunAdmin(ReadOnlyAdmin[ShadowRun]):
    """Every replay of usage by a price that was tried out. One that runs says how far it is."""

    change_form_outer_after_template = "admin/console/cards_below.html"

    list_display = ("created_at", "price", "days", "state", "progress", "change", "dry", "asked_by")
    list_display_links = ("created_at",)
    list_filter = (RunState,)
    list_select_related = ("version__model", "asked_by")
    search_fields = ("version__model__code__istartswith",)
    search_help_text = "A model's code"
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": fields("price", "days", "state", "progress", "events_replayed", "asked_by")}),
        ("When", {"fields": fields("created_at", "started_at", "finished_at", "tries")}),
    )
    readonly_fields = ("price", "state", "progress", "events_replayed")

    @admin.display(description="Price")
    def price(self, run: ShadowRun) -> str:
        return link(page_url("usage_priceversion", run.version_id), run.version) if run.version_id else "a draft that was thrown away"

    @admin.display(description="State")
    def state(self, run: ShadowRun) -> str:
        words = f"failed: {run.problem}" if run.status == ShadowStatus.FAILED else run.status
        return tag(words, _TONES.get(ShadowStatus(run.status), ""))

    @admin.display(description="Accounts")
    def progress(self, run: ShadowRun) -> str:
        return f"{run.accounts_done:,} of {run.accounts:,}" if run.started_at else EMPTY

    @admin.display(description="Events looked at")
    def events_replayed(self, run: ShadowRun) -> str:
        return f"{run.events_done:,}"

    @admin.display(description="Revenue would change by")
    def change(self, run: ShadowRun) -> str:
        return EMPTY if run.result is None else change_words(run.result)

    @admin.display(description="Would have run dry")
    def dry(self, run: ShadowRun) -> str:
        return EMPTY if run.result is None else f"{run.result['dry']['customers']:,} customers"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        run = self.get_object(request, unquote(object_id))
        context = dict(extra_context or {})
        if run is not None and run.result is not None and self.has_view_permission(request, run):
            context["page"] = {"cards": result_cards(run.result)}
        return super().change_view(request, object_id, form_url, context)


def shadow_lines(version: PriceVersion) -> list[Line]:
    """What the newest run of a draft has found, or that none was run: to be read before it is activated."""
    run = newest_run(version.pk)
    if run is None:
        return [("Shadow run", _NOT_RUN)]
    if run.result is None:
        how = (
            f"failed: {run.problem}" if run.status == ShadowStatus.FAILED else f"{run.accounts_done:,} of {run.accounts:,} accounts so far"
        )
        return [("Shadow run", f"{run.created_at:%Y-%m-%d %H:%M} UTC, over {run.days} days: {how}")]
    return [("Shadow run", f"{run.created_at:%Y-%m-%d %H:%M} UTC, over {run.days} days"), *summary(run.result)]


def result_cards(result: dict[str, Any]) -> list[Card]:
    """A result with the customers whom it changes most."""
    lines: list[Row] = list(summary(result))
    return [
        Card("What would have changed", "", ("What", "Is"), lines, "", is_wide=True),
        _customers("Who would have paid more", result["most_more"]),
        _customers("Who would have paid less", result["most_less"]),
        Card(
            "Who would have run dry",
            "",
            ("Account", "Down to"),
            [(_account(row["account"]), usd(row["lowest_nanos"])) for row in result["dry"]["driest"]],
            "Nobody.",
        ),
        Card(
            "Events out of range",
            "",
            ("Account", "Event"),
            [(_account(row["account"]), row["event_id"]) for row in result["out_of_range"]["first"]],
            "None.",
        ),
    ]


def _customers(title: str, rows: list[dict[str, int]]) -> Card:
    shown: list[Row] = [
        (_account(row["account"]), usd(row["before_nanos"]), usd(row["after_nanos"]), usd(row["after_nanos"] - row["before_nanos"]))
        for row in rows
    ]
    return Card(title, "", ("Account", "Paid", "Would have paid", "Change"), shown, "Nobody.")


def _account(account_id: int) -> str:
    return link(page_url("accounts_account", account_id), f"account {account_id}")
