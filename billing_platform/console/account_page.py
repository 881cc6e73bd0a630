"""The account's page: who it is, how its credits stand, what happened last, and the acts an operator may do on it."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse

from accounts.admin import find_account_ids
from accounts.models import Account
from billing_platform.console.account_acts import AccountActs
from billing_platform.console.account_cards import account_page
from billing_platform.console.analytics import PERMISSION, analytics_of
from core import clock
from core.console.filters import QuestionFilter, UtcDayFilter
from core.console.pages import is_account_word
from core.console.shown import amount, copyable


class AccountState(QuestionFilter):
    """What an operator looks for among accounts."""

    title = "state"
    parameter_name = "state"
    questions = {
        "in_debt": ("In debt", lambda _now: Q(wallet__debt_nanos__gt=0)),
        "zero": ("Balance zero", lambda _now: Q(wallet__balance_nanos=0) | Q(wallet=None)),
        "frozen": ("Frozen by an operator", lambda _now: Q(is_frozen=True)),
        "closed": ("Closed", lambda _now: Q(closed_at__isnull=False)),
    }


@admin.register(Account)
class AccountAdmin(AccountActs):
    """A customer. Its members change its name and zone; an operator acts on it by the dialogs only."""

    find_accounts = staticmethod(find_account_ids)
    change_form_outer_before_template = "admin/console/account_wallet.html"
    change_form_outer_after_template = "admin/console/cards_below.html"

    list_display = (
        "account_name",
        "shown_id",
        "email",
        "balance_money",
        "debt_money",
        "state",
        "created_at",
    )
    list_display_links = ("account_name",)
    list_filter = (AccountState, ("created_at", UtcDayFilter))
    list_select_related = ("wallet",)
    search_help_text = "An account's id, an e-mail, or the beginning of a name"
    ordering = ("-id",)
    fieldsets = (
        (
            "Identity",
            {
                "fields": (
                    ("shown_id", "email"),
                    ("state", "personal_of"),
                    ("zone", "price_tier"),
                    ("created_at", "closed_at"),
                )
            },
        ),
    )
    readonly_fields = ("shown_id", "state")

    @admin.display(description="Account")
    def account_name(self, account: Account) -> str:
        return account.name or f"account {account.public_id[:8]}"

    @admin.display(description="Public id")
    def shown_id(self, account: Account) -> str:
        return copyable(account.public_id)

    @admin.display(description="State")
    def state(self, account: Account) -> str:
        if account.is_closed:
            return "closed"
        return "frozen" if account.is_frozen else "open"

    @admin.display(description="Balance")
    def balance_money(self, account: Account) -> str:
        return amount(_wallet_sum(account, "balance_nanos"))

    @admin.display(description="Debt")
    def debt_money(self, account: Account) -> str:
        return amount(_wallet_sum(account, "debt_nanos"))

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Account], search_term: str) -> tuple[QuerySet[Account], bool]:
        """An id or an address finds its accounts; anything else is the beginning of a name."""
        text = search_term.strip()
        if not text:
            return queryset, False
        if is_account_word(text):
            return queryset.filter(pk__in=find_account_ids(text)), False
        return queryset.filter(Q(name__istartswith=text) | Q(public_id__startswith=text.lower())), False

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        account = self.get_object(request, unquote(object_id))
        context = dict(extra_context or {})
        if account is not None and self.has_view_permission(request, account):
            page = account_page(request, account.pk, now=clock.now())
            context |= {"account": account, "page": page, "title": str(account), "subtitle": None}
            context["analytics_url"] = analytics_of(account) if request.user.has_perm(PERMISSION) else ""
        return super().change_view(request, object_id, form_url, context)


def _wallet_sum(account: Account, field: str) -> int:
    """A sum of the account's wallet as last booked; 0 where it has none yet."""
    wallet = getattr(account, "wallet", None)
    return getattr(wallet, field, 0)
