"""Allocations: which grant paid for which positions of an account's spending."""

from django.db import models
from django.db.models import F, Q


class Role(models.TextChoices):
    """
    `pay`: the first cover of spent positions; without a grant it is a shortfall.
    `settle`: a later grant, or a write-off (no grant), covers part of a shortfall.
    `return`: gives back part of a pay or settle row, last positions first.
    """

    PAY = "pay"
    SETTLE = "settle"
    RETURN = "return"


class Allocation(models.Model):
    """
    An interval `(from, to]` of an account's spent positions, and what bears it. Append-only: a trigger refuses UPDATE and DELETE.

    `pay` rows tile `(0, spent]`; `settle` rows lie inside shortfalls; `return` rows lie inside the row they reverse. Which grants
    paid for one entry is the overlap of its positions with these rows: whatever a batch holds, one pay row per grant is enough.
    A return goes `into_grant`: the row's own grant, a compensation grant where that one has ended, or nowhere on a shortfall.
    The database's primary key is `(account, id)`.
    """

    id = models.BigAutoField(primary_key=True)
    account = models.ForeignKey("accounts.Account", on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    from_nanos = models.BigIntegerField()
    to_nanos = models.BigIntegerField()
    grant = models.ForeignKey(
        "credits.Grant", on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, null=True, related_name="+"
    )
    role = models.CharField(max_length=6, choices=Role.choices)
    reverses = models.BigIntegerField(null=True, help_text="`id` of the row a return gives back from.")
    into_grant = models.ForeignKey(
        "credits.Grant", on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, null=True, related_name="+"
    )
    entry_seq = models.BigIntegerField(null=True, help_text="`seq` of the first entry it was booked with.")
    created_at = models.DateTimeField()

    class Meta:
        db_table = "allocation"
        constraints = (
            models.CheckConstraint(condition=Q(from_nanos__gte=0, to_nanos__gt=F("from_nanos")), name="allocation_is_an_interval"),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="allocation_role_known"),
            models.CheckConstraint(
                condition=Q(role=Role.RETURN, reverses__isnull=False) | (~Q(role=Role.RETURN) & Q(reverses=None, into_grant=None)),
                name="allocation_only_returns_reverse",
            ),
            models.CheckConstraint(condition=Q(role=Role.SETTLE) | Q(entry_seq__isnull=False), name="allocation_names_its_entry"),
        )

    def __str__(self) -> str:
        return f"{self.role} {self.account_id}/{self.pk}"
