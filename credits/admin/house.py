"""Pages of the house accounts."""

from django.contrib import admin
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from accounts.admin import find_account_ids
from core.console.pages import AccountRowsAdmin, ReadOnlyAdmin
from core.console.shown import EMPTY, account_link, amount_column, count_column, fields, link, list_url
from credits.models import HouseAccount, HouseEntry


@admin.register(HouseAccount)
class HouseAccountAdmin(ReadOnlyAdmin[HouseAccount]):
    """What the house bears or passes on, in all. Positive is borne by it."""

    list_display = ("house", amount_column("balance_nanos", "Balance"), "entries", "through_on", "clock_at")
    ordering = ("house",)
    fieldsets = (
        (
            None,
            {
                "fields": fields(
                    "house", amount_column("balance_nanos", "Balance"), count_column("next_seq", "Next entry"), "through_on", "clock_at"
                )
            },
        ),
    )

    @admin.display(description="Entries")
    def entries(self, account: HouseAccount) -> str:
        return link(list_url("credits_houseentry", f"house__exact={account.pk}"), f"{account.next_seq - 1:,}")


@admin.register(HouseEntry)
class HouseEntryAdmin(AccountRowsAdmin[HouseEntry]):
    """One movement a row, newest first. Nothing can be added, changed or deleted."""

    find_accounts = staticmethod(find_account_ids)

    list_display = (
        "seq",
        "house",
        "whose",
        amount_column("amount_nanos", "Amount"),
        amount_column("balance_after_nanos", "Balance after"),
        "occurred_on",
        "created_at",
    )
    list_display_links = ("seq",)
    list_filter = (("house", ChoicesDropdownFilter),)
    ordering = ("-id",)
    fieldsets = (
        (
            None,
            {
                "fields": fields(
                    "house",
                    "seq",
                    "whose",
                    amount_column("amount_nanos", "Amount"),
                    amount_column("balance_after_nanos", "Balance after"),
                    "source_key",
                    "occurred_on",
                    "created_at",
                )
            },
        ),
    )
    readonly_fields = ("whose",)

    @admin.display(description="Account")
    def whose(self, entry: HouseEntry) -> str:
        return account_link(entry) if entry.account_id else EMPTY
