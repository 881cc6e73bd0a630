"""The ledger's page."""

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from accounts.admin import find_account_ids
from core.console.filters import UtcDayFilter
from core.console.pages import ACCOUNT_FILTER, HotTableAdmin
from core.console.shown import EMPTY, account_link, amount_column, fields, link, page_url
from core.console.sources import source_link
from credits.models import LedgerEntry, Wallet
from credits.selectors import first_seq_at


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


@admin.register(LedgerEntry)
class LedgerEntryAdmin(HotTableAdmin[LedgerEntry]):
    """One movement a row, newest first. Nothing can be added, changed or deleted: a correction is a new entry."""

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
                )
            },
        ),
        (
            "Where it comes from",
            {"fields": fields("source", "source_key", "description", "reference", "actor_id", "metadata")},
        ),
        ("When", {"fields": fields("occurred_at", "created_at")}),
    )
    readonly_fields = ("source", "undone_entry")

    @admin.display(description="Source")
    def source(self, entry: LedgerEntry) -> str:
        if entry.source_type == "grant":
            return link(page_url("credits_grant", entry.source_id), f"grant {entry.source_id}")
        return source_link(entry.source_type, entry.source_id)

    @admin.display(description="Undoes")
    def undone_entry(self, entry: LedgerEntry) -> str:
        if entry.reverses is None:
            return EMPTY
        undone = LedgerEntry.objects.filter(account_id=entry.account_id, seq=entry.reverses).first()
        return link(page_url("credits_ledgerentry", undone.pk), f"entry {undone.seq}") if undone else str(entry.reverses)

    def search_within_account(self, queryset: QuerySet[LedgerEntry], words: list[str]) -> QuerySet[LedgerEntry]:
        return queryset.filter(source_id__in=words)
