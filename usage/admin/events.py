"""The events' page."""

from typing import Final

from django.contrib import admin
from django.db import connection
from django.db.models import F, QuerySet
from django.db.models.functions import Collate
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter

from accounts.admin import find_account_ids
from core.console.filters import UtcDayFilter
from core.console.pages import HotTableAdmin
from core.console.shown import EMPTY, account_link, amount_column, copyable, count_column, fields, link, page_url, shortened
from usage.models import UsageEvent
from usage.selectors import EVENT_ID_COLLATION

TOKEN_COLUMNS = tuple(
    count_column(f"{name}_tokens", f"{name.replace('_', ' ').capitalize()} tokens")
    for name in ("input", "output", "cache_read", "cache_write", "reasoning")
)
UNIT_COLUMNS = tuple(count_column(name, name.capitalize()) for name in ("requests", "images", "seconds"))

ID_BLOCK: Final = 8192
BLOCKS_BACK: Final = (4, 32, 256, 2048, 16_384)
ENOUGH_ROWS: Final = 250


@admin.register(UsageEvent)
class UsageEventAdmin(HotTableAdmin[UsageEvent]):
    """What a gateway reported, and what it cost. Evidence: nothing can be added, changed or deleted."""

    newest_first = ("-created_at", "-id")
    find_accounts = staticmethod(find_account_ids)

    list_display = (
        "occurred_at",
        account_link,
        "shown_id",
        "model",
        "status",
        count_column("total_tokens", "Tokens"),
        amount_column("charged_nanos", "Charged"),
        "key",
        "endpoint",
    )
    list_display_links = ("occurred_at",)
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("model", RelatedDropdownFilter),
        ("created_at", UtcDayFilter),
    )
    list_select_related = ("account", "model", "api_key")
    search_help_text = "An account: its 32-character id, or an e-mail. Then also an event id"
    fieldsets = (
        (
            None,
            {
                "fields": fields(
                    "shown_id",
                    account_link,
                    "model",
                    "price",
                    "key",
                    "status",
                    "endpoint",
                    amount_column("cost_nanos", "Cost"),
                    amount_column("charged_nanos", "Charged"),
                    amount_column("absorbed_nanos", "Absorbed by us"),
                )
            },
        ),
        ("What was used", {"fields": fields(*TOKEN_COLUMNS, count_column("total_tokens", "Tokens in all"), *UNIT_COLUMNS)}),
        ("When", {"fields": fields("occurred_at", "created_at", "local_date")}),
        ("As sent", {"fields": fields("metadata", "fingerprint")}),
    )
    readonly_fields = ("shown_id", "price", "key")

    @admin.display(description="Event id")
    def shown_id(self, event: UsageEvent) -> str:
        return copyable(event.event_id, shown=shortened(event.event_id))

    @admin.display(description="Key")
    def key(self, event: UsageEvent) -> str:
        return link(page_url("accounts_apikey", event.api_key_id), event.api_key) if event.api_key_id else EMPTY

    @admin.display(description="Price")
    def price(self, event: UsageEvent) -> str:
        return link(page_url("usage_priceversion", event.price_version_id), event.price_version)

    def newest_id(self) -> int:
        """Ids are handed out in blocks, one a batch, which fills its beginning (usage/sql/insert_events.sql)."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sequence_last_value('usage_event_block')")
            (last,) = cursor.fetchone()
        return ((last or 0) + 1) * ID_BLOCK

    def newest_floor(self) -> int:
        """As many blocks back as hold enough rows: few where batches are full, many where events come singly."""
        newest = self.newest_id()
        floors = (newest - blocks * ID_BLOCK for blocks in BLOCKS_BACK)
        return next((floor for floor in floors if self._holds_enough(floor)), newest - BLOCKS_BACK[-1] * ID_BLOCK)

    def _holds_enough(self, floor: int) -> bool:
        return UsageEvent.objects.filter(id__gt=floor).order_by()[ENOUGH_ROWS:].exists()

    def search_within_account(self, queryset: QuerySet[UsageEvent], words: list[str]) -> QuerySet[UsageEvent]:
        return queryset.alias(exact_id=Collate(F("event_id"), EVENT_ID_COLLATION)).filter(exact_id__in=words)
