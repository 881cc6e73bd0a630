"""Pages of spending limits, and of the notices that one was reached. Limits are set on the account's page."""

from datetime import datetime, timedelta
from typing import Any, Final

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.db.models.expressions import RawSQL
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from accounts.admin import find_account_ids
from core import clock
from core.console.filters import QuestionFilter, UtcDayFilter
from core.console.pages import AccountRowsAdmin
from core.console.shown import account_link, amount, amount_column, fields, link, moment, page_url
from credits.models import LimitNotice, SpendingLimit

NOTICES_LOOKED_AT: Final = 500
LATELY: Final = timedelta(days=31)
PERCENTS: Final = (50, 75, 100)


class LimitState(QuestionFilter):
    """What an operator looks for among limits."""

    title = "state"
    parameter_name = "state"
    questions = {
        "reached": ("Reached in the last 31 days", lambda now: Q(pk__in=reached_lately(now))),
        "account": ("Of a whole account", lambda _now: Q(api_key=None)),
        "key": ("Of an API key", lambda _now: Q(api_key__isnull=False)),
    }


class NoticePercent(QuestionFilter):
    """Which threshold was reached."""

    title = "threshold"
    parameter_name = "threshold"
    questions = {str(percent): (f"{percent} percent", lambda _now, percent=percent: Q(percent=percent)) for percent in PERCENTS}  # type: ignore[misc]


@admin.register(SpendingLimit)
class SpendingLimitAdmin(AccountRowsAdmin[SpendingLimit]):
    """A limit a row, with what counts against it at this moment."""

    find_accounts = staticmethod(find_account_ids)

    list_display = (
        "limit",
        account_link,
        "whose",
        amount_column("amount_nanos", "Limit"),
        "window",
        "used_money",
        "share",
        "falls",
    )
    list_display_links = ("limit",)
    list_filter = (LimitState, ("duration", ChoicesDropdownFilter), ("strategy", ChoicesDropdownFilter))
    list_select_related = ("account", "api_key")
    ordering = ("-id",)
    fieldsets = (
        (
            None,
            {
                "fields": fields(
                    account_link, "whose", amount_column("amount_nanos", "Limit"), "window", "zone", "used_money", "share", "since", "falls"
                )
            },
        ),
        ("When", {"fields": fields("created_at", "changed_at")}),
    )
    readonly_fields = ("whose", "window", "used_money", "share", "since", "falls")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[SpendingLimit]":
        return with_use(super().get_queryset(request), clock.now())

    @admin.display(description="Limit")
    def limit(self, row: SpendingLimit) -> str:
        return f"limit {row.pk}"

    @admin.display(description="Of")
    def whose(self, row: SpendingLimit) -> str:
        return limited(row)

    @admin.display(description="Window")
    def window(self, row: SpendingLimit) -> str:
        return window_words(row.duration, row.strategy)

    @admin.display(description="Used")
    def used_money(self, row: Any) -> str:  # noqa: ANN401 - a limit with its annotations
        return amount(row.used_nanos)

    @admin.display(description="Share")
    def share(self, row: Any) -> str:  # noqa: ANN401 - a limit with its annotations
        return bar(row.used_nanos, row.amount_nanos)

    @admin.display(description="Counts since")
    def since(self, row: Any) -> str:  # noqa: ANN401 - a limit with its annotations
        return moment(row.counts_since)

    @admin.display(description="Falls by itself")
    def falls(self, row: Any) -> str:  # noqa: ANN401 - a limit with its annotations
        return moment(row.falls_at)


@admin.register(LimitNotice)
class LimitNoticeAdmin(AccountRowsAdmin[LimitNotice]):
    """A threshold that was reached, once per window. The limit itself may be gone."""

    find_accounts = staticmethod(find_account_ids)

    list_display = (
        "noted_at",
        account_link,
        "limit_page",
        "reached",
        amount_column("used_nanos", "Used then"),
        amount_column("amount_nanos", "Limit then"),
        "window_starts_at",
    )
    list_display_links = ("noted_at",)
    list_filter = (NoticePercent, ("noted_at", UtcDayFilter))
    ordering = ("-id",)
    fieldsets = (
        (
            None,
            {
                "fields": fields(
                    account_link,
                    "limit_page",
                    "reached",
                    amount_column("used_nanos", "Used then"),
                    amount_column("amount_nanos", "Limit then"),
                    "window_starts_at",
                    "noted_at",
                )
            },
        ),
    )
    readonly_fields = ("limit_page", "reached")

    @admin.display(description="Limit")
    def limit_page(self, row: LimitNotice) -> str:
        return link(page_url("credits_spendinglimit", row.limit_id), f"limit {row.limit_id}")

    @admin.display(description="Reached")
    def reached(self, row: LimitNotice) -> str:
        return f"{row.percent} %"


def with_use(limits: "QuerySet[SpendingLimit]", now: datetime) -> "QuerySet[SpendingLimit]":
    """Limits with `used_nanos`, `counts_since` and `falls_at` at `now`, by the functions that admission asks."""
    window = "spending_limit.strategy, spending_limit.duration, spending_limit.zone"
    return limits.annotate(
        used_nanos=RawSQL("limit_used(spending_limit, %s)::bigint", (now,)),
        counts_since=RawSQL(f"limit_counts_since({window}, %s)", (now,)),  # noqa: S611 - no text from outside
        falls_at=RawSQL("limit_falls_at(spending_limit, %s)", (now,)),
    )


def reached_lately(now: datetime) -> list[int]:
    """Limits that were noted as reached, by the newest notices."""
    newest = LimitNotice.objects.order_by("-id").values_list("limit_id", "percent", "noted_at")[:NOTICES_LOOKED_AT]
    return sorted({limit_id for limit_id, percent, noted_at in newest if percent == PERCENTS[-1] and noted_at >= now - LATELY})


def limited(limit: SpendingLimit) -> str:
    """What it limits."""
    return link(page_url("accounts_apikey", limit.api_key_id), limit.api_key) if limit.api_key else limited_plainly(limit)


def limited_plainly(limit: SpendingLimit) -> str:
    """The same without a link."""
    return str(limit.api_key) if limit.api_key else "the whole account"


def window_words(duration: str, strategy: str) -> str:
    """A window in words, such as `daily, fixed`."""
    return f"{duration}, {strategy}"


def bar(used_nanos: int, amount_nanos: int) -> SafeString:
    """Used of a limit, as a bar and a percentage; a limit of 0 is always reached."""
    percent = 100 if not amount_nanos else used_nanos * 100 // amount_nanos
    tone = "is-reached" if percent >= PERCENTS[-1] else "is-near" if percent >= PERCENTS[1] else ""
    return format_html(
        '<span class="console-bar {}" role="img" aria-label="{} percent used"><i style="width: {}%"></i></span> {} %',
        tone,
        percent,
        min(100, percent),
        percent,
    )
