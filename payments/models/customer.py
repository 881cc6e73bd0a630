"""Who an account is at a provider."""

from django.db import models

from payments.models.attempt import Provider


class ProviderCustomer(models.Model):
    """
    The provider's customer of an account, one per mode. Written before the account's first checkout there; never changed, and
    deleted only if the provider says that it knows no such customer.

    dj-stripe mirrors the customer's own fields and links them by the metadata we send; money follows this row.
    """

    id = models.BigAutoField(primary_key=True)
    account = models.ForeignKey("accounts.Account", on_delete=models.PROTECT, related_name="provider_customers")
    provider = models.CharField(max_length=8, choices=Provider.choices)
    livemode = models.BooleanField()
    customer_id = models.CharField(max_length=128)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "provider_customer"
        constraints = (
            models.UniqueConstraint(fields=["account", "provider", "livemode"], name="provider_customer_once_per_account"),
            models.CheckConstraint(condition=models.Q(provider__in=Provider.values), name="provider_customer_provider_known"),
            models.UniqueConstraint(fields=["provider", "customer_id"], name="provider_customer_once"),
        )

    def __str__(self) -> str:
        return self.customer_id
