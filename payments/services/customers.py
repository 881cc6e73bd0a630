"""Who an account is at a provider."""

from datetime import datetime

from django.conf import settings

from accounts.selectors import get_account_by_id
from payments.contract import CustomerTerms
from payments.gateways.registry import gateway_of
from payments.models import Provider, ProviderCustomer


def forget_customer(*, account_id: int, provider: Provider) -> None:
    """The provider does not know the account's customer any more: the next checkout makes a new one."""
    ProviderCustomer.objects.filter(account_id=account_id, provider=provider, livemode=settings.STRIPE_LIVE_MODE).delete()


def ensure_customer(*, account_id: int, provider: Provider, now: datetime) -> str:
    """
    The provider's id of the account, made at its first checkout. Asks the provider: call it while no row is locked.

    Of two first checkouts at once one customer stays unused at the provider; both checkouts use the row written first.
    """
    rows = ProviderCustomer.objects.filter(account_id=account_id, provider=provider, livemode=settings.STRIPE_LIVE_MODE)
    known = rows.first()
    if known is None:
        account = get_account_by_id(account_id)
        terms = CustomerTerms(account.pk, account.public_id, account.name, account.email)
        made = gateway_of(provider).create_customer(terms)
        row = ProviderCustomer(
            account_id=account_id, provider=provider, livemode=settings.STRIPE_LIVE_MODE, customer_id=made, created_at=now
        )
        ProviderCustomer.objects.bulk_create([row], ignore_conflicts=True)
        known = rows.get()
    return known.customer_id
