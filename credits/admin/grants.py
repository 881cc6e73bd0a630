"""Pages of grants and of what they paid for."""

from django.contrib import admin
from django.http import HttpRequest
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from accounts.admin import find_account_ids
from core.console.cards import Card
from core.console.pages import HotTableAdmin
from core.console.shown import EMPTY, account_link, amount, amount_column, fields, link, page_url
from core.console.sources import source_link
from credits.admin.grant_acts import GrantActs
from credits.admin.grant_cards import grant_cards
from credits.admin.previews import CardsBelow
from credits.admin.states import GrantState, grant_state
from credits.models import Allocation, Grant


@admin.register(Grant)
class GrantAdmin(CardsBelow[Grant], GrantActs):
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
        ("Term", {"fields": fields("effective_at", "expires_at", "booked_at", "expired_at", "voided_at", "is_frozen", "is_pending")}),
        (
            "Where it comes from",
            {"fields": fields("source", "source_key", "book", "root_page", "compensated", "actor_id", "created_at")},
        ),
    )
    readonly_fields = ("state", "source", "cost_basis", "root_page", "compensated")

    def cards_of(self, row: Grant, request: HttpRequest) -> list[Card]:
        return grant_cards(row)

    @admin.display(description="State")
    def state(self, grant: Grant) -> str:
        return grant_state(grant)

    @admin.display(description="Source")
    def source(self, grant: Grant) -> str:
        return source_link(grant.source_type, grant.source_id)

    @admin.display(description="Split from")
    def root_page(self, grant: Grant) -> str:
        return grant_link(grant.root_id)

    @admin.display(description="Carries what was returned to")
    def compensated(self, grant: Grant) -> str:
        return grant_link(grant.compensates_id)

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
        return grant_link(row.grant_id) if row.grant_id else "shortfall"


def grant_link(grant_id: int | None) -> str:
    """A grant's page."""
    return link(page_url("credits_grant", grant_id), f"grant {grant_id}") if grant_id else EMPTY
