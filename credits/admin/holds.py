"""The page of holds: what is kept aside for calls under way, and how each ended."""

from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, Final

from django.contrib import admin
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.functional import cached_property
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.enums import ActionVariant

from accounts.admin import find_account_ids
from core import clock
from core.console.dialogs import dialog_action
from core.console.filters import QuestionFilter
from core.console.pages import ACCOUNT_FILTER, NEWEST_ROWS, SEARCH, HotTableAdmin, NewestChangeList, is_account_word
from core.console.shown import EMPTY, account_link, amount_column, both, copyable, fields, link, moment, page_url, shortened, tag
from credits.admin.previews import Line, OffersByState, PreviewForm, change
from credits.models import Hold, HoldStatus
from credits.services.holds import void_hold

if TYPE_CHECKING:
    from django.contrib.admin.views.main import ChangeList as DjangoChangeList

OPEN_STATES: Final = frozenset({"open", "due"})
"""Questions about holds that have no end yet."""
IDS_BACK: Final = (10_000, 100_000, 1_000_000)
"""How far back from the newest hold a list of a busy account looks, until it finds `ENOUGH_ROWS`."""
ENOUGH_ROWS: Final = 250


class HoldState(QuestionFilter):
    """Where a hold stands now."""

    title = "state"
    parameter_name = "state"
    questions = {
        "open": ("Open now: keeps credits aside", lambda now: Q(status=HoldStatus.OPEN, expires_at__gt=now)),
        "due": ("Past its end, not yet booked as expired", lambda now: Q(status=HoldStatus.OPEN, expires_at__lte=now)),
        "ended": ("Ended: captured, voided or expired", lambda _now: ~Q(status=HoldStatus.OPEN)),
    }


class HoldChangeList(NewestChangeList):
    """
    Open ones from the index of open holds, all there are. Others are kept by account and id of the hold, in no order of time:
    an account with few is shown whole; of one with many, or of all accounts, the newest.
    """

    model_admin: "HoldAdmin"

    @property
    def narrowed_to_account(self) -> bool:
        return super().narrowed_to_account or self.params.get(HoldState.parameter_name) in OPEN_STATES

    def get_queryset(self, request: HttpRequest, exclude_parameters: list[str] | None = None) -> QuerySet[Model]:
        rows = super().get_queryset(request, exclude_parameters)
        floor = self.model_admin.floor_of_busy(request)
        return rows if floor is None else rows.filter(id__gt=floor)


class VoidHoldForm(PreviewForm):
    """A dialog that frees what a hold keeps aside."""

    @cached_property
    def hold(self) -> Hold:
        """The hold it was opened on. Raises Http404."""
        return self.opened_on(Hold.objects.select_related("account"))

    @property
    def account_id(self) -> int:
        return self.hold.account_id

    def lines_before(self) -> list[Line]:
        hold = self.hold
        return [("Account", str(hold.account)), ("Hold", hold.public_id), ("Keeps aside", both(hold.amount_nanos)), ("Is", hold.status)]

    def clean(self) -> dict[str, object]:
        """Refuse one that has ended: the service would leave it as it is, and the trail would say that somebody voided it."""
        hold = self.hold
        if hold.status != HoldStatus.OPEN:
            self.add_error(None, f"This hold was {hold.status} at {moment(hold.closed_at)}: it keeps nothing aside any more.")
            return dict(self.cleaned_data)
        return super().clean()

    def act(self, actor_id: int, now: datetime) -> list[Line]:
        hold = self.hold
        after, _ = void_hold(account_id=hold.account_id, public_id=hold.public_id, now=now, actor_id=actor_id, reason=self.reason_given)
        return [("Hold", change(hold.status, after.status))]


@admin.register(Hold)
class HoldAdmin(OffersByState[Hold], HotTableAdmin[Hold]):
    """A hold a row, newest first. A gateway opens it and captures it; an operator may void one that is open."""

    newest_first = ("-id",)
    find_accounts = staticmethod(find_account_ids)

    list_display = (
        "opened_at",
        account_link,
        "shown_id",
        amount_column("amount_nanos", "Amount"),
        "status_tag",
        "key",
        "end",
        "event",
    )
    list_display_links = ("opened_at",)
    list_filter = (HoldState, ("status", ChoicesDropdownFilter))
    list_select_related = ("account", "api_key")
    search_help_text = "An account: its 32-character id, or an e-mail. A hold's id or key, or the event that captured it"
    fieldsets = (
        (
            None,
            {
                "fields": fields(
                    account_link,
                    "whole_id",
                    amount_column("amount_nanos", "Amount"),
                    "status_tag",
                    "key",
                    "given_key",
                    "event",
                )
            },
        ),
        ("When", {"fields": fields("opened_at", "expires_at", "closed_at")}),
    )
    readonly_fields = ("whole_id", "status_tag", "key", "given_key", "event")
    actions_detail: ClassVar[tuple[str, ...]] = ("void",)

    def offered(self, row: Hold) -> frozenset[str]:
        return frozenset({"void"} if row.status == HoldStatus.OPEN else ())

    def get_changelist(self, request: HttpRequest, **kwargs: object) -> "type[DjangoChangeList]":
        return HoldChangeList

    def names_account(self, request: HttpRequest) -> bool:
        return super().names_account(request) or asks_for_open(request)

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Hold], search_term: str) -> tuple[QuerySet[Hold], bool]:
        """Accounts, and what names a hold: an id of 32 characters may be either. Without an account the newest holds are searched."""
        accounts, names = _told_apart(search_term)
        if accounts:
            queryset = queryset.filter(account_id__in=accounts)
        if names:
            queryset = queryset.filter(Q(public_id__in=names) | Q(hold_key__in=names) | Q(event_id__in=names))
            if not (accounts or request.GET.get(ACCOUNT_FILTER)):
                queryset = queryset.filter(id__gt=self.newest_floor())
        return queryset, False

    def floor_of_busy(self, request: HttpRequest) -> int | None:
        """Where a list of accounts with many holds begins, as an id; None where an index leads to all that is asked for."""
        accounts, names = _told_apart(request.GET.get(SEARCH, ""))
        asked = request.GET.get(ACCOUNT_FILTER, "")
        holds = Hold.objects.filter(account_id__in=[int(asked)] if asked.isdecimal() else accounts).order_by()
        if names or asks_for_open(request) or not (accounts or asked) or not holds[NEWEST_ROWS : NEWEST_ROWS + 1].exists():
            return None
        newest = self.newest_id()
        floors = [newest - back for back in IDS_BACK]
        enough = (floor for floor in floors if holds.filter(id__gt=floor)[ENOUGH_ROWS : ENOUGH_ROWS + 1].exists())
        return next(enough, floors[-1])

    @admin.display(description="Hold")
    def shown_id(self, hold: Hold) -> str:
        return copyable(hold.public_id, shown=f"{hold.public_id[:8]}…")

    @admin.display(description="Hold")
    def whole_id(self, hold: Hold) -> str:
        return copyable(hold.public_id)

    @admin.display(description="Status")
    def status_tag(self, hold: Hold) -> str:
        return hold_tag(hold)

    @admin.display(description="API key")
    def key(self, hold: Hold) -> str:
        return link(page_url("accounts_apikey", hold.api_key_id), hold.api_key) if hold.api_key else EMPTY

    @admin.display(description="The gateway's key")
    def given_key(self, hold: Hold) -> str:
        return copyable(hold.hold_key or "")

    @admin.display(description="Ends, or ended")
    def end(self, hold: Hold) -> datetime:
        return hold.closed_at or hold.expires_at

    @admin.display(description="Captured by")
    def event(self, hold: Hold) -> str:
        return copyable(hold.event_id or "", shown=shortened(hold.event_id or ""))

    @dialog_action(
        "Void hold",
        permissions=("credits.void_hold", "credits.view_hold"),
        form=VoidHoldForm,
        icon="lock_open_right",
        submit="Continue",
        explains="Frees what the hold keeps aside. A call that is under way all the same is booked as usage without it.",
        variant=ActionVariant.DANGER,
    )
    def void(self, request: HttpRequest, form: VoidHoldForm, object_id: str) -> HttpResponse:
        """Free what it keeps aside."""
        return form.perform(request, page_url("credits_hold", object_id))


def hold_tag(hold: Hold) -> str:
    """Its status, and whether its end has come and is not booked yet."""
    if hold.status == HoldStatus.OPEN:
        return tag("past its end", "is-waiting") if hold.expires_at <= clock.now() else tag("open", "is-calm")
    return tag(hold.status, "is-plain")


def asks_for_open(request: HttpRequest) -> bool:
    """Whether the list is narrowed to open holds, of which an index knows all."""
    return request.GET.get(HoldState.parameter_name) in OPEN_STATES


def _told_apart(text: str) -> tuple[list[int], list[str]]:
    """Accounts that words name, and the other words."""
    found = {word: find_account_ids(word) if is_account_word(word) else [] for word in text.split()}
    return sorted({pk for ids in found.values() for pk in ids}), [word for word, ids in found.items() if not ids]
