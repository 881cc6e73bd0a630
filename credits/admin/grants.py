"""Pages of grants and of what they paid for."""

from django.contrib import admin
from django.db.models import Q
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from accounts.admin import find_account_ids
from core import clock
from core.console.filters import QuestionFilter
from core.console.pages import AccountRowsAdmin, HotTableAdmin
from core.console.shown import account_link, amount, amount_column, fields, link, page_url
from core.console.sources import source_link
from credits.models import Allocation, Grant

ENDED = Q(voided_at__isnull=False) | Q(expired_at__isnull=False) | Q(is_empty=True)


class GrantState(QuestionFilter):
    """Where a grant stands now."""

    title = "state"
    parameter_name = "state"
    questions = {
        "effective": (
            "Effective: pays for usage now",
            lambda now: ~ENDED & Q(is_frozen=False, effective_at__lte=now) & (Q(expires_at=None) | Q(expires_at__gt=now)),
        ),
        "coming": ("Not yet effective", lambda now: Q(voided_at=None, effective_at__gt=now)),
        "lapsing": (
            "Lapsing: past its end, not yet booked as expired",
            lambda now: ~ENDED & Q(is_frozen=False, expires_at__lte=now),
        ),
        "ended": ("Ended: used up, expired or voided", lambda _now: ENDED),
        "frozen": ("Frozen by a dispute", lambda _now: Q(is_frozen=True)),
    }


@admin.register(Grant)
class GrantAdmin(AccountRowsAdmin[Grant]):
    """The lots credits come in. Their terms never change."""

    list_display = (
        "id",
        account_link,
        "kind",
        "category",
        amount_column("amount_nanos", "Amount"),
        amount_column("remaining_nanos", "Remaining"),
        "state",
        "effective_at",
        "expires_at",
    )
    list_filter = (GrantState, ("kind", ChoicesDropdownFilter), ("category", ChoicesDropdownFilter))
    find_accounts = staticmethod(find_account_ids)
    ordering = ("-id",)
    fieldsets = (
        (
            None,
            {
                "fields": fields(
                    account_link,
                    "kind",
                    "category",
                    "state",
                    amount_column("amount_nanos", "Amount"),
                    amount_column("remaining_nanos", "Remaining"),
                    "cost_basis",
                    "priority",
                )
            },
        ),
        ("Term", {"fields": fields("effective_at", "expires_at", "booked_at", "expired_at", "voided_at", "is_frozen")}),
        (
            "Where it comes from",
            {"fields": fields("source", "source_key", "book", "root", "compensates", "actor_id", "created_at")},
        ),
    )
    readonly_fields = ("state", "source", "cost_basis")

    @admin.display(description="State")
    def state(self, grant: Grant) -> str:
        return grant_state(grant)

    @admin.display(description="Source")
    def source(self, grant: Grant) -> str:
        return source_link(grant.source_type, grant.source_id)

    @admin.display(description="Paid for it, in minor units")
    def cost_basis(self, grant: Grant) -> str:
        return f"{grant.cost_basis_minor:,} {grant.cost_basis_currency}"


@admin.register(Allocation)
class AllocationAdmin(HotTableAdmin[Allocation]):
    """Which grant bears which positions of an account's spending."""

    newest_first = ("-id",)
    find_accounts = staticmethod(find_account_ids)

    list_display = (
        "id",
        account_link,
        "role",
        amount_column("from_nanos", "From position"),
        amount_column("to_nanos", "To position"),
        "size_money",
        "grant_page",
        "entry_seq",
        "created_at",
    )
    list_display_links = ("id",)
    list_filter = (("role", ChoicesDropdownFilter),)
    fieldsets = (
        (
            None,
            {
                "fields": fields(
                    account_link,
                    "role",
                    amount_column("from_nanos", "From position"),
                    amount_column("to_nanos", "To position"),
                    "size_money",
                    "grant_page",
                    "into_grant",
                    "reverses",
                    "entry_seq",
                    "created_at",
                )
            },
        ),
    )
    readonly_fields = ("size_money", "grant_page")

    @admin.display(description="Size")
    def size_money(self, row: Allocation) -> str:
        return amount(row.to_nanos - row.from_nanos)

    @admin.display(description="Grant")
    def grant_page(self, row: Allocation) -> str:
        return link(page_url("credits_grant", row.grant_id), f"grant {row.grant_id}") if row.grant_id else "shortfall"


def grant_state(grant: Grant) -> str:
    """The filter's words for one grant, at the present instant."""
    now = clock.now()
    if grant.voided_at:
        return "voided"
    if grant.expired_at:
        return "expired"
    if grant.is_frozen:
        return "frozen"
    if grant.remaining_nanos == 0:
        return "used up"
    if grant.effective_at > now:
        return "not yet effective"
    return "lapsing" if grant.expires_at and grant.expires_at <= now else "effective"
