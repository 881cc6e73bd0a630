"""Pages of the roll-ups, which the reports read."""

from django.contrib import admin
from unfold.contrib.filters.admin import RelatedDropdownFilter

from accounts.admin import find_account_ids
from core.console.filters import UtcDayFilter
from core.console.pages import AccountRowsAdmin, HotTableAdmin
from core.console.shown import account_link, amount_column, count_column, fields
from usage.models import UsageDay, UsageLifetime, UsageQuarter

COUNTS = (
    count_column("events", "Events"),
    count_column("input_tokens", "Input"),
    count_column("output_tokens", "Output"),
    count_column("cache_read_tokens", "Cache read"),
    count_column("cache_write_tokens", "Cache write"),
    count_column("reasoning_tokens", "Reasoning"),
    amount_column("cost_nanos", "Charged"),
)
DIMENSIONS = ("model", "api_key_id", "endpoint", "status")


@admin.register(UsageDay)
class UsageDayAdmin(HotTableAdmin[UsageDay]):
    """One account's local day, by model, key, endpoint and status."""

    newest_first = ("-day", "-model_id", "-api_key_id", "-endpoint", "-status")
    find_accounts = staticmethod(find_account_ids)
    list_display = ("day", account_link, *DIMENSIONS, *COUNTS)
    list_filter = (("model", RelatedDropdownFilter),)
    list_select_related = ("account", "model")
    fieldsets = ((None, {"fields": fields(account_link, "day", *DIMENSIONS, *COUNTS)}),)


@admin.register(UsageQuarter)
class UsageQuarterAdmin(HotTableAdmin[UsageQuarter]):
    """One account's UTC quarter-hour, by model, key, endpoint and status."""

    newest_first = ("-starts_at", "-model_id", "-api_key_id", "-endpoint", "-status")
    find_accounts = staticmethod(find_account_ids)
    list_display = ("starts_at", account_link, *DIMENSIONS, *COUNTS)
    list_filter = (("model", RelatedDropdownFilter), ("starts_at", UtcDayFilter))
    list_select_related = ("account", "model")
    fieldsets = ((None, {"fields": fields(account_link, "starts_at", *DIMENSIONS, *COUNTS)}),)


@admin.register(UsageLifetime)
class UsageLifetimeAdmin(AccountRowsAdmin[UsageLifetime]):
    """All of one account's usage since it was opened."""

    list_display = (account_link, *COUNTS)
    list_display_links = None
    find_accounts = staticmethod(find_account_ids)
    ordering = ("-account_id",)
    fieldsets = ((None, {"fields": fields(account_link, *COUNTS)}),)
