"""Verifications: what each looked at, what it found, and the act that asks for one."""

from dataclasses import dataclass
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from unfold.enums import ActionVariant

from accounts.admin import find_account_ids
from billing_platform.verification_keeping import ask_for_verification
from core import clock
from core.console.cards import Card, Row
from core.console.dialogs import ReasonForm, dialog_action, done, operator_id
from core.console.filters import QuestionFilter, UtcDayFilter
from core.console.pages import AccountRowsAdmin
from core.console.shown import EMPTY, fields, link, list_url, page_url
from core.models import VerificationFinding, VerificationRun
from core.verification import HOUSE
from core.verification_runs import is_silent
from payments.admin.shown import tag

SHOWN: int = 50
LIST = "admin:core_verificationrun_changelist"
State = VerificationRun.State

_TONES = {State.OK: "is-calm", State.RUNNING: "is-waiting"}


class RunState(QuestionFilter):
    """What an operator looks for among verifications."""

    title = "state"
    parameter_name = "state"
    questions = {
        "all_books": ("Over all books", lambda _now: Q(account_id=None)),
        "one_account": ("Over one account", lambda _now: Q(account_id__isnull=False)),
        "disagrees": ("Found disagreements", lambda _now: Q(state=State.DISAGREES)),
        "failed": ("Failed", lambda _now: Q(state=State.FAILED)),
        "running": ("Running", lambda _now: Q(state=State.RUNNING)),
    }


@dataclass(frozen=True)
class RunPage:
    """What stands below a run's own fields."""

    cards: list[Card]


@admin.register(VerificationRun)
class VerificationRunAdmin(AccountRowsAdmin[VerificationRun]):
    """Every verification of the last 400 days. One that runs says where it is."""

    find_accounts = staticmethod(find_account_ids)
    change_form_outer_after_template = "admin/console/cards_below.html"

    list_display = ("started_at", "over", "asked_by", "result", "accounts_count", "entries_count", "found", "late_wallets", "took", "place")
    list_display_links = ("started_at",)
    list_filter = (RunState, ("started_at", UtcDayFilter))
    list_select_related = ()
    ordering = ("-id",)
    fieldsets = (
        (
            None,
            {
                "fields": fields(
                    "over", "asked_by", "result", "accounts_count", "entries_count", "found", "late_wallets", "checks", "checks_run"
                )
            },
        ),
        ("When", {"fields": fields("started_at", "progress_at", "finished_at", "took", "place")}),
    )
    readonly_fields = ("over", "result", "accounts_count", "entries_count", "found", "took", "place")

    actions_list: ClassVar[tuple[str, ...]] = ("verify_all",)

    @admin.display(description="Over")
    def over(self, run: VerificationRun) -> str:
        return account_page(run.account_id) if run.account_id else "all books"

    @admin.display(description="Result")
    def result(self, run: VerificationRun) -> str:
        return shown_result(run)

    @admin.display(description="Accounts")
    def accounts_count(self, run: VerificationRun) -> str:
        return f"{run.accounts:,}"

    @admin.display(description="Entries")
    def entries_count(self, run: VerificationRun) -> str:
        return f"{run.entries:,}"

    @admin.display(description="Disagreements")
    def found(self, run: VerificationRun) -> str:
        url = list_url("core_verificationfinding", f"run__id__exact={run.pk}")
        return link(url, f"{run.discrepancies:,}") if run.discrepancies else "none"

    @admin.display(description="Took")
    def took(self, run: VerificationRun) -> str:
        return f"{(run.finished_at - run.started_at).total_seconds():,.1f} s" if run.finished_at else EMPTY

    @admin.display(description="Where it is")
    def place(self, run: VerificationRun) -> str:
        return where_it_is(run)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        run = self.get_object(request, unquote(object_id))
        context = dict(extra_context or {})
        if run is not None and request.user.has_perm("core.view_verificationfinding"):
            context |= {"page": RunPage([findings(run)])}
        return super().change_view(request, object_id, form_url, context)

    @dialog_action(
        "Verify all books",
        permissions=("core.verify_books", "core.view_verificationrun"),
        form=ReasonForm,
        icon="fact_check",
        submit="Verify now",
        explains="A worker recomputes every invariant of every account from its rows. It only reads, and may run beside spending.",
        variant=ActionVariant.PRIMARY,
    )
    def verify_all(self, request: HttpRequest, form: ReasonForm) -> HttpResponse:
        """Have all books verified."""
        reason = form.cleaned_data["reason"]
        ask_for_verification(account_id=None, actor_id=operator_id(request), reason=reason, now=clock.now())
        return done(request, reverse(LIST), "A worker verifies all books. Where one does already, it goes on alone.")


@admin.register(VerificationFinding)
class VerificationFindingAdmin(AccountRowsAdmin[VerificationFinding]):
    """What disagreed, as each run has seen it: what is mended by now stays in the list."""

    find_accounts = staticmethod(find_account_ids)

    list_display = ("run_page", "over", "invariant", "check_name", "detail")
    list_display_links = None
    list_select_related = ("run",)
    ordering = ("-id",)
    fieldsets = ((None, {"fields": fields("run_page", "over", "invariant", "check_name", "detail")}),)
    readonly_fields = ("run_page", "over")

    @admin.display(description="Run")
    def run_page(self, finding: VerificationFinding) -> str:
        return link(page_url("core_verificationrun", finding.run_id), f"{finding.run.started_at:%Y-%m-%d %H:%M:%S} UTC")

    @admin.display(description="Account")
    def over(self, finding: VerificationFinding) -> str:
        return account_page(finding.account_id)


def findings(run: VerificationRun) -> Card:
    """What a run found, the first of it."""
    rows: list[Row] = [
        (account_page(row.account_id), row.invariant, row.check_name, row.detail) for row in run.findings.order_by("id")[:SHOWN]
    ]
    url = list_url("core_verificationfinding", f"run__id__exact={run.pk}")
    return Card("What disagreed", url, ("Account", "Invariant", "Check", "What"), rows, "Nothing.", is_wide=True)


def shown_result(run: VerificationRun) -> str:
    """How a run ended, in words and colour."""
    words: dict[str, str] = {
        State.RUNNING: "no progress" if is_silent(run, now=clock.now()) else "running",
        State.OK: "everything agrees" if not run.late_wallets else f"everything agrees, {run.late_wallets:,} wallets overdue",
        State.DISAGREES: f"{run.discrepancies:,} disagreements",
        State.FAILED: f"failed: {run.problem}",
    }
    tone = "" if words[run.state] == "no progress" else _TONES.get(State(run.state), "")
    return tag(words[run.state], tone=tone)


def where_it_is(run: VerificationRun) -> str:
    """Which check, over which accounts; the dash where it is nowhere."""
    if not run.at_check:
        return "the beginning" if run.state == State.RUNNING else EMPTY
    return f"{run.at_check}, accounts {_bound(run.range_low, 'the first')} to {_bound(run.range_high, 'the last')}"


def account_page(account_id: int) -> str:
    """An account by its internal id, which may belong to nobody; the house has no page."""
    return "the house" if account_id == HOUSE else link(page_url("accounts_account", account_id), f"account {account_id}")


def _bound(account_id: int | None, end: str) -> str:
    """Ranges are open at both ends: the first begins, and the last ends, beyond every id."""
    return end if account_id is None or abs(account_id) >= 2**63 - 1 else str(account_id)
