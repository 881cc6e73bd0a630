"""The ledger's pages: the list, an entry with who bears it, and giving back what it took."""

from datetime import datetime
from typing import Any, ClassVar, Final

from django import forms
from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.functional import cached_property
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.enums import ActionVariant

from accounts.admin import find_account_ids
from core import clock, money
from core.console.cards import Card, Row
from core.console.dialogs import dialog_action
from core.console.filters import UtcDayFilter
from core.console.forms import UsdField
from core.console.pages import ACCOUNT_FILTER, HotTableAdmin
from core.console.shown import EMPTY, account_link, amount, amount_column, both, fields, link, page_url
from core.console.sources import reason_cards, source_link
from credits.admin.previews import CardsBelow, Line, OffersByState, PreviewForm
from credits.models import Allocation, LedgerEntry, Role, Wallet
from credits.selectors import first_seq_at
from credits.services.bearing import Bearing, Borne, who_bears
from credits.services.reversals import is_reversible, reverse_entry, reversible_nanos

SHOWN: Final = 20
"""Bearers and undoing entries that a page or a dialog shows at most."""


class BookedDayFilter(UtcDayFilter):
    """Days of one account are found by `seq`, its key, along which booking times never fall."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Model]) -> QuerySet[Model]:
        account = request.GET.get(ACCOUNT_FILTER, "")
        wallet = Wallet.objects.filter(pk=int(account)).first() if account.isdecimal() else None
        if wallet is None:
            return super().queryset(request, queryset)
        for instant, lookup in zip(self.bounds(), ("seq__gte", "seq__lt"), strict=True):
            if instant:
                seq = first_seq_at(account_id=wallet.pk, at=instant, next_seq=wallet.next_seq)
                queryset = queryset.filter(**{lookup: seq})
        return queryset


class ReverseForm(PreviewForm):
    """How much of an entry is given back, and why; all that is left, unless less is said."""

    field_order = ("amount", "reason")

    amount = UsdField(
        label="Give back, in dollars", help_text="All that is left, or a part of it: the last that was spent goes back first."
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["amount"].initial = money.usd_text(self.borne.left_nanos)

    @cached_property
    def entry(self) -> LedgerEntry:
        """The entry it was opened on. Raises Http404."""
        return self.opened_on(LedgerEntry.objects.select_related("account"))

    @cached_property
    def borne(self) -> Borne:
        """Who bears it, before the act."""
        return who_bears(entry=self.entry, now=clock.now())

    @property
    def account_id(self) -> int:
        return self.entry.account_id

    def lines_before(self) -> list[Line]:
        entry, borne = self.entry, self.borne
        lines = [
            ("Account", str(entry.account)),
            ("Entry", f"{entry.seq}, {entry.get_kind_display().lower()}"),
            ("Took", both(max(0, -entry.amount_nanos))),
            ("May still be given back", both(borne.left_nanos)),
        ]
        return [*lines, *((f"Borne by {bearer_name(part)}", both(part.nanos)) for part in borne.parts[:SHOWN])]

    def clean_amount(self) -> int:
        nanos: int = self.cleaned_data["amount"]
        if nanos <= 0:
            raise forms.ValidationError("Give back more than 0.")
        return nanos

    def act(self, actor_id: int, now: datetime) -> list[Line]:
        entry, nanos = self.entry, self.cleaned_data["amount"]
        written = reverse_entry(
            account_id=entry.account_id,
            seq=entry.seq,
            amount_nanos=nanos,
            reason=self.reason_given,
            actor_id=actor_id,
            source_key=f"reversal:{self.key}",
            now=now,
        )
        left = reversible_nanos(account_id=entry.account_id, seq=entry.seq, now=now)
        return [*given_back(written, self.borne), ("Left to give back", f"{both(left + nanos)} → {both(left)}")]


@admin.register(LedgerEntry)
class LedgerEntryAdmin(CardsBelow[LedgerEntry], OffersByState[LedgerEntry], HotTableAdmin[LedgerEntry]):
    """One movement a row, newest first. Nothing can be added, changed or deleted: a correction is a new entry."""

    actions_detail: ClassVar[tuple[str, ...]] = ("reverse",)

    newest_first = ("-seq",)
    find_accounts = staticmethod(find_account_ids)

    list_display = (
        "seq",
        account_link,
        "kind",
        amount_column("amount_nanos", "Amount"),
        amount_column("balance_after_nanos", "Balance after"),
        "created_at",
        "source",
    )
    list_display_links = ("seq",)
    list_filter = (("kind", ChoicesDropdownFilter), ("created_at", BookedDayFilter))
    search_help_text = "An account: its 32-character id, or an e-mail. Then also the id of what was booked"
    fieldsets = (
        (
            None,
            {
                "fields": fields(
                    account_link,
                    "seq",
                    "kind",
                    amount_column("amount_nanos", "Amount"),
                    amount_column("balance_after_nanos", "Balance after"),
                    amount_column("spent_after_nanos", "Spent after"),
                    "book",
                    "undone_entry",
                    "key",
                )
            },
        ),
        (
            "Where it comes from",
            {"fields": fields("source", "source_key", "description", "reference", "actor_id", "metadata")},
        ),
        ("When", {"fields": fields("occurred_at", "created_at")}),
    )
    readonly_fields = ("source", "undone_entry", "key")

    def offered(self, row: LedgerEntry) -> frozenset[str]:
        return frozenset({"reverse"} if is_reversible(row) and who_bears(entry=row, now=clock.now()).left_nanos else ())

    def cards_of(self, row: LedgerEntry, request: HttpRequest) -> list[Card]:
        borne = who_bears(entry=row, now=clock.now()) if row.amount_nanos < 0 else None
        why = reason_cards(row.source_type, row.source_id, account_id=row.account_id, request=request)
        return why if borne is None else [*why, bearers_card(borne), undoing_card(row, borne.given_back_by)]

    @admin.display(description="API key")
    def key(self, entry: LedgerEntry) -> str:
        return link(page_url("accounts_apikey", entry.api_key_id), f"key {entry.api_key_id}") if entry.api_key_id else EMPTY

    @admin.display(description="Source")
    def source(self, entry: LedgerEntry) -> str:
        if entry.source_type == "grant":
            return link(page_url("credits_grant", entry.source_id), f"grant {entry.source_id}")
        return source_link(entry.source_type, entry.source_id, account=entry.account.public_id)

    @admin.display(description="Undoes")
    def undone_entry(self, entry: LedgerEntry) -> str:
        if entry.reverses is None:
            return EMPTY
        undone = LedgerEntry.objects.filter(account_id=entry.account_id, seq=entry.reverses).first()
        return link(page_url("credits_ledgerentry", undone.pk), f"entry {undone.seq}") if undone else str(entry.reverses)

    def search_within_account(self, queryset: QuerySet[LedgerEntry], words: list[str]) -> QuerySet[LedgerEntry]:
        return queryset.filter(source_id__in=words)

    @dialog_action(
        "Reverse entry",
        permissions=("credits.reverse_entry", "credits.view_ledgerentry"),
        form=ReverseForm,
        icon="undo",
        submit="Continue",
        explains="Gives back what this entry took, to the grants that bore it. What is still owed lowers the debt; "
        "what a grant bore that has ended meanwhile comes back as a compensation grant.",
        variant=ActionVariant.DANGER,
    )
    def reverse(self, request: HttpRequest, form: ReverseForm, object_id: str) -> HttpResponse:
        """Give back what it took, or a part of it."""
        return form.perform(request, page_url("credits_ledgerentry", object_id))


def bearers_card(borne: Borne) -> Card:
    """Which grants bear it."""
    rows: list[Row] = [
        (
            link(page_url("credits_grant", part.grant_id), bearer_name(part)) if part.grant_id else bearer_name(part),
            amount(part.nanos),
            amount(part.left_nanos),
            goes_back_into(part),
        )
        for part in borne.parts[:SHOWN]
    ]
    headings = ("Who bears it", "Bears", "Left to give back", "Would go back into")
    return Card("Who bears it", "", headings, rows, "Nobody.", is_wide=True, has_more=len(borne.parts) > SHOWN)


def undoing_card(entry: LedgerEntry, seqs: list[int]) -> Card:
    """The entries that gave parts of it back."""
    undoing = LedgerEntry.objects.filter(account_id=entry.account_id, seq__in=seqs[-SHOWN:], reverses=entry.seq).order_by("-seq")
    rows: list[Row] = [
        (
            link(page_url("credits_ledgerentry", row.pk), f"entry {row.seq}"),
            row.get_kind_display(),
            amount(row.amount_nanos),
            row.created_at,
        )
        for row in undoing
    ]
    return Card("Given back by", "", ("Entry", "Kind", "Amount", "Booked"), rows, "Nothing of it was given back.", is_wide=True)


def bearer_name(part: Bearing) -> str:
    """A bearer in words."""
    if part.grant_id is None:
        return "debt that no grant has paid"
    return f"grant {part.grant_id}, which settled debt later" if part.is_late else f"grant {part.grant_id}"


def goes_back_into(part: Bearing) -> str:
    """Where an undo would put what is left of a part."""
    if not part.left_nanos:
        return "nothing is left of it"
    if part.grant_id is None:
        return "the debt, which falls"
    return "a compensation grant: this one has ended" if part.has_ended else "the grant itself"


def given_back(entry: LedgerEntry, borne: Borne) -> list[Line]:
    """Where an undo has put what it gave back of what these bear: one line per grant."""
    returns = Allocation.objects.filter(
        account_id=entry.account_id, role=Role.RETURN, reverses__in=borne.row_ids, entry_seq=entry.seq
    ).order_by("-from_nanos")
    found: dict[str, int] = {}
    for row in returns:
        into = returned_into(row)
        found[into] = found.get(into, 0) + row.to_nanos - row.from_nanos
    return [(f"Back into {into}", both(nanos)) for into, nanos in found.items()]


def returned_into(row: Allocation) -> str:
    """Where one return went. A compensation grant is told by the one that has ended: it has no id before it is made."""
    if row.into_grant_id is None:
        return "the debt"
    return f"grant {row.grant_id}" if row.into_grant_id == row.grant_id else f"a compensation grant for grant {row.grant_id}"
