"""Who accounts are at providers."""

from django.contrib import admin
from django.db.models import Q

from core.console.shown import account_link, fields
from payments.admin.rows import FoundByName
from payments.admin.shown import at_provider, mode
from payments.models import Provider, ProviderCustomer


@admin.register(ProviderCustomer)
class ProviderCustomerAdmin(FoundByName[ProviderCustomer]):
    """One row per account, provider and mode, written before the account's first checkout there."""

    list_display = ("id", account_link, "provider", "mode_name", "shown_id", "created_at")
    list_display_links = ("id",)
    search_help_text = "An account (its id, or an e-mail), or a customer of the provider (cus_…)"
    ordering = ("-id",)
    fieldsets = ((None, {"fields": fields(account_link, "provider", "mode_name", "shown_id", "created_at")}),)
    readonly_fields = ("mode_name", "shown_id")

    def named(self, word: str) -> Q:
        return Q(provider__in=Provider.values, customer_id=word)

    @admin.display(description="Mode")
    def mode_name(self, customer: ProviderCustomer) -> str:
        return mode(customer.livemode)

    @admin.display(description="Customer")
    def shown_id(self, customer: ProviderCustomer) -> str:
        return at_provider(customer.customer_id, provider=customer.provider, livemode=customer.livemode)
