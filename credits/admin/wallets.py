"""The wallets' page: whose credits stand how."""

from django.contrib import admin
from django.db.models import Q
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from accounts.admin import find_account_ids
from core.console.filters import QuestionFilter
from core.console.pages import AccountRowsAdmin
from core.console.shown import account_link, amount, amount_column, fields, link, list_url
from credits.models import Wallet
from credits.reconciliation import LATE_AFTER


class WalletState(QuestionFilter):
    """What an operator looks for among wallets."""

    title = "state"
    parameter_name = "state"
    questions = {
        "in_debt": ("In debt", lambda _now: Q(debt_nanos__gt=0)),
        "zero": ("Balance zero", lambda _now: Q(balance_nanos=0)),
        "lapsing": ("Has lapsing grants", lambda _now: Q(lapsing_nanos__gt=0)),
        "frozen": ("Has frozen grants", lambda _now: Q(frozen_nanos__gt=0)),
        "reserved": ("Has open holds", lambda _now: Q(reserved_nanos__gt=0)),
        "in_doubt": ("A verification found its books to disagree", lambda _now: Q(disagrees_since__isnull=False)),
        "overdue": (
            "Overdue: a change was due and is not booked",
            lambda now: Q(next_change_at__lt=now - LATE_AFTER),
        ),
    }


@admin.register(Wallet)
class WalletAdmin(AccountRowsAdmin[Wallet]):
    """Sums as they were last booked; the account's own page books what is due first."""

    list_display = (
        account_link,
        amount_column("balance_nanos", "Balance"),
        "available_money",
        amount_column("reserved_nanos", "Reserved"),
        amount_column("lapsing_nanos", "Lapsing"),
        amount_column("debt_nanos", "Debt"),
        "entry_count",
        "next_change_at",
    )
    list_display_links = None
    list_filter = (WalletState, ("policy", ChoicesDropdownFilter))
    find_accounts = staticmethod(find_account_ids)
    ordering = ("-account_id",)
    fieldsets = (
        (
            None,
            {
                "fields": fields(
                    account_link,
                    amount_column("balance_nanos", "Balance"),
                    "available_money",
                    amount_column("reserved_nanos", "Reserved by open holds"),
                    amount_column("frozen_nanos", "Frozen"),
                    amount_column("lapsing_nanos", "Lapsing"),
                    amount_column("debt_nanos", "Debt"),
                    amount_column("spent_nanos", "Spent in all"),
                )
            },
        ),
        ("Clock", {"fields": fields("clock_at", "next_change_at", "entry_count")}),
        ("Rules", {"fields": fields("policy", "has_limits", amount_column("watch_below_nanos", "Watched below"), "disagrees_since")}),
    )
    readonly_fields = ("available_money", "entry_count")

    @admin.display(description="Available")
    def available_money(self, wallet: Wallet) -> str:
        return amount(wallet.available_nanos)

    @admin.display(description="Entries")
    def entry_count(self, wallet: Wallet) -> str:
        url = list_url("credits_ledgerentry", f"account__id__exact={wallet.account_id}")
        return link(url, f"{wallet.next_seq - 1:,}")
