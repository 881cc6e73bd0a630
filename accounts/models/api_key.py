"""API keys of customers and of the platform's own gateways."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from core import clock, ids


class Scope(models.TextChoices):
    """What a key may do. `usage:write` is for platform keys only: a customer could post an event first, and the real one be a duplicate."""

    USAGE_READ = "usage:read"
    BILLING_READ = "billing:read"
    BILLING_WRITE = "billing:write"
    USAGE_WRITE = "usage:write"


CUSTOMER_SCOPES = (Scope.USAGE_READ, Scope.BILLING_READ, Scope.BILLING_WRITE)


class ApiKey(models.Model):
    """
    One bearer key. With an account: a customer's. Without: a platform key, made by an operator, that names its account in each request.

    Only the secret's hash is stored; the prefix is for people to recognise it. Revoked keys stay, since usage refers to them.
    """

    public_id = models.CharField(max_length=32, unique=True, default=ids.new_public_id, editable=False)
    account = models.ForeignKey("accounts.Account", on_delete=models.PROTECT, null=True, blank=True, related_name="api_keys")
    name = models.CharField(max_length=120)
    prefix = models.CharField(max_length=16, editable=False)
    secret_hash = models.CharField(max_length=64, unique=True, editable=False)
    scopes = ArrayField(models.CharField(max_length=16, choices=Scope.choices))
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", null=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        permissions = (("issue_platform_key", "Can issue and revoke platform keys"),)
        constraints = (
            models.CheckConstraint(
                condition=Q(account__isnull=True) | ~Q(scopes__contains=[Scope.USAGE_WRITE]),
                name="api_key_customers_never_write_usage",
            ),
            models.CheckConstraint(condition=Q(scopes__len__gt=0), name="api_key_has_a_scope"),
        )
        indexes = (models.Index(fields=["account", "-id"], name="api_key_by_account"),)

    def __str__(self) -> str:
        return f"{self.name} {self.prefix}…"

    @property
    def is_platform(self) -> bool:
        """Whether an operator made it, for any account."""
        return self.account_id is None
