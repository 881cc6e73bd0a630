"""House accounts: what the operator bears or passes on, and no customer takes part in."""

from django.db import models
from django.db.models import Q


class House(models.TextChoices):
    """Usage the operator bears, what providers keep, tax that is owed, and debt that nobody will pay."""

    ABSORBED = "absorbed"
    PROVIDER_FEE = "provider_fee"
    TAX = "tax"
    WRITE_OFF = "write_off"


class HouseAccount(models.Model):
    """
    One account of the house: where it stands, and the lock in front of it. Written only by `credits.services.house`.

    Made at its first use. `through_on` is the last UTC day that a daily job has booked whole, where one does.
    """

    house = models.CharField(max_length=12, choices=House.choices, primary_key=True)
    balance_nanos = models.BigIntegerField(default=0)
    next_seq = models.BigIntegerField(default=1)
    clock_at = models.DateTimeField()
    through_on = models.DateField(null=True, blank=True)

    class Meta:
        db_table = "house_account"
        constraints = (
            models.CheckConstraint(condition=Q(house__in=House.values), name="house_account_known"),
            models.CheckConstraint(condition=Q(next_seq__gte=1), name="house_account_counts_from_one"),
        )

    def __str__(self) -> str:
        return f"house {self.house}"


class HouseEntry(models.Model):
    """
    One movement of a house account: positive is borne by it, negative relieves it. Append-only by trigger.

    `seq` counts the house account's entries without a gap. `source_key` names what is booked, once in it. `account` is whose act it was,
    where it was one account's; its wallet is not touched. `occurred_on` is the UTC day it belongs to, `created_at` when it was booked.
    """

    id = models.BigAutoField(primary_key=True)
    house = models.CharField(max_length=12, choices=House.choices)
    seq = models.BigIntegerField()
    amount_nanos = models.BigIntegerField()
    balance_after_nanos = models.BigIntegerField()
    source_key = models.CharField(max_length=200)
    account = models.ForeignKey(
        "accounts.Account", on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, null=True, related_name="+"
    )
    occurred_on = models.DateField()
    created_at = models.DateTimeField()

    class Meta:
        db_table = "house_entry"
        verbose_name_plural = "house entries"
        constraints = (
            models.UniqueConstraint(fields=["house", "seq"], name="house_entry_once_per_seq"),
            models.UniqueConstraint(fields=["house", "source_key"], name="house_entry_once_per_source_key"),
            models.CheckConstraint(condition=Q(house__in=House.values), name="house_entry_of_a_known_house"),
            models.CheckConstraint(condition=~Q(amount_nanos=0), name="house_entry_moves_something"),
            models.CheckConstraint(condition=Q(seq__gte=1), name="house_entry_counts_from_one"),
        )
        indexes = (models.Index(fields=["account", "occurred_on"], name="house_entry_by_account"),)

    def __str__(self) -> str:
        return f"entry {self.house}/{self.seq}"
