"""The billing account: whose credits they are."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from core import clock, ids


class Account(models.Model):
    """
    One customer of the platform: the owner of a wallet, of API keys and of a Stripe customer (dj-stripe's subscriber).

    Written by registration, its members and operators. The public id never changes. A closed account keeps its row and
    ledger entries, which hold ids only; its name and e-mail are removed.
    """

    public_id = models.CharField(max_length=32, unique=True, default=ids.new_public_id, editable=False)
    name = models.CharField(max_length=120, blank=True)
    email = models.EmailField(blank=True, help_text="Where bills and notices go.")
    personal_of = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="personal_account",
        help_text="Whose token means this account when it names none.",
    )
    zone = models.CharField(max_length=64, default="UTC", help_text="IANA zone of local days and calendar windows.")
    next_zone = models.CharField(max_length=64, blank=True, help_text="Takes effect at the next local midnight.")
    next_zone_at = models.DateTimeField(null=True, blank=True)
    low_balance_nanos = models.BigIntegerField(null=True, blank=True)
    price_tier = models.CharField(max_length=32, blank=True, help_text="Multipliers of this tier are what it pays of the prices.")
    is_frozen = models.BooleanField(default=False, help_text="Holds, check-in and top-up are refused; usage is booked.")
    created_at = models.DateTimeField(default=clock.now, editable=False)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        permissions = (
            ("close_account", "Can close an account"),
            ("freeze_account", "Can freeze and release an account"),
            ("set_price_tier", "Can set an account's price tier"),
        )
        constraints = (
            models.CheckConstraint(condition=Q(public_id__regex=r"^[0-9a-f]{32}$"), name="account_public_id_is_32_hex"),
            models.CheckConstraint(
                condition=Q(low_balance_nanos__isnull=True) | Q(low_balance_nanos__gte=0),
                name="account_low_balance_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(next_zone="", next_zone_at=None) | (~Q(next_zone="") & Q(next_zone_at__isnull=False)),
                name="account_next_zone_has_its_instant",
            ),
            models.CheckConstraint(condition=Q(closed_at=None) | Q(name="", email=""), name="account_closed_has_no_personal_data"),
        )

    def __str__(self) -> str:
        return f"{self.name or 'account'} {self.public_id[:8]}"

    @property
    def is_personal(self) -> bool:
        """Whether it came with a person's registration."""
        return self.personal_of_id is not None

    @property
    def is_closed(self) -> bool:
        """Whether the account was closed."""
        return self.closed_at is not None
