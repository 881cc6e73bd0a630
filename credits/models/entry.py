"""The ledger: one row per movement, its other side named in the row."""

from django.db import models
from django.db.models import Q


class Kind(models.TextChoices):
    """What moved, in the ledger's own words. The published APIs' words for each are in `credits.api.words`."""

    PURCHASE = "purchase"
    TOPUP = "topup"
    PLAN_GRANT = "plan_grant"
    ROLLOVER = "rollover"
    COUPON_BONUS = "coupon_bonus"
    CHECKIN = "checkin"
    PROMO = "promo"
    COMPENSATION = "compensation"
    USAGE = "usage"
    USAGE_REFUND = "usage_refund"
    REVERSAL = "reversal"
    EXPIRY = "expiry"
    GRANT_VOID = "grant_void"
    REFUND = "refund"
    DISPUTE_LOST = "dispute_lost"
    DISPUTE_WON = "dispute_won"
    MANUAL = "manual"
    WRITE_OFF = "write_off"
    OPENING = "opening"
    SPLIT = "split"


ALWAYS_POSITIVE = (
    Kind.PURCHASE,
    Kind.TOPUP,
    Kind.PLAN_GRANT,
    Kind.ROLLOVER,
    Kind.COUPON_BONUS,
    Kind.CHECKIN,
    Kind.PROMO,
    Kind.COMPENSATION,
    Kind.USAGE_REFUND,
    Kind.DISPUTE_WON,
    Kind.WRITE_OFF,
    Kind.OPENING,
)
ALWAYS_NEGATIVE = (Kind.USAGE, Kind.EXPIRY, Kind.GRANT_VOID, Kind.REFUND, Kind.DISPUTE_LOST)
UNDO_KINDS = (Kind.USAGE_REFUND, Kind.REVERSAL, Kind.DISPUTE_WON)


class Book(models.TextChoices):
    """The other side of an entry. Revenue is never read from it: it is derived from allocations."""

    CLEARING_STRIPE = "clearing:stripe"
    CLEARING_CREEM = "clearing:creem"
    USAGE = "usage"
    PROMO = "promo"
    BREAKAGE = "breakage"
    ADJUSTMENT = "adjustment"
    RECEIVABLE = "receivable"


class EntryType(models.TextChoices):
    """The three types of the account API (`/auth/account/ledger`)."""

    CREDIT = "credit"
    DEBIT = "debit"
    ADJUSTMENT = "adjustment"


ADJUSTMENT_KINDS = (Kind.MANUAL, Kind.WRITE_OFF, Kind.OPENING, Kind.SPLIT)


class LedgerEntry(models.Model):
    """
    One movement of one account's credits. Written only by credits' posting door, never changed: a trigger refuses UPDATE and DELETE.

    `seq` counts the account's entries without a gap; `balance_after_nanos` is the previous one plus the amount; `spent_after_nanos`
    the running sum of all negative entries, so a negative entry covers the positions `(spent_after - |amount|, spent_after]`
    that allocations speak of. `occurred_at` is when it happened, `created_at` the wallet's clock when it was booked.
    It holds ids, never names: an operator's free text lives in the audit record. The database's primary key is
    `(account, seq)`; `id` is for Django and for the APIs that publish an integer.
    """

    id = models.BigAutoField(primary_key=True)
    account = models.ForeignKey(
        "accounts.Account", on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="entries"
    )
    seq = models.BigIntegerField()
    kind = models.CharField(max_length=16, choices=Kind.choices)
    book = models.CharField(max_length=16, choices=Book.choices)
    amount_nanos = models.BigIntegerField()
    balance_after_nanos = models.BigIntegerField()
    spent_after_nanos = models.BigIntegerField()
    source_type = models.CharField(max_length=32)
    source_id = models.CharField(max_length=128)
    source_key = models.CharField(max_length=200, null=True)  # noqa: DJ001 - NULL keeps usage out of the unique index
    reverses = models.BigIntegerField(null=True, help_text="`seq` of the entry this one undoes.")
    description = models.CharField(max_length=200, blank=True)
    reference = models.CharField(max_length=200, blank=True)
    metadata = models.JSONField(null=True)
    actor_id = models.BigIntegerField(null=True, help_text="The operator's user id, where a person acted.")
    api_key_id = models.BigIntegerField(null=True, help_text="The customer's key that spent, where the usage named one.")
    occurred_at = models.DateTimeField()
    created_at = models.DateTimeField()

    class Meta:
        db_table = "ledger_entry"
        verbose_name_plural = "ledger entries"
        permissions = (("reverse_entry", "Can reverse a ledger entry"),)
        constraints = (
            models.CheckConstraint(condition=~Q(amount_nanos=0), name="entry_moves_something"),
            models.CheckConstraint(condition=Q(seq__gte=1, spent_after_nanos__gte=0), name="entry_counts_from_one"),
            models.CheckConstraint(
                condition=(Q(kind__in=ALWAYS_POSITIVE) & Q(amount_nanos__gt=0))
                | (Q(kind__in=ALWAYS_NEGATIVE) & Q(amount_nanos__lt=0))
                | Q(kind__in=(Kind.REVERSAL, Kind.MANUAL, Kind.SPLIT)),
                name="entry_sign_fits_its_kind",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=UNDO_KINDS, reverses__isnull=False) | (~Q(kind__in=UNDO_KINDS) & Q(reverses=None)),
                name="entry_undo_names_what_it_undoes",
            ),
        )

    def __str__(self) -> str:
        return f"entry {self.account_id}/{self.seq}"

    @property
    def type(self) -> EntryType:
        """The account API's word for it."""
        if self.kind in ADJUSTMENT_KINDS:
            return EntryType.ADJUSTMENT
        return EntryType.CREDIT if self.amount_nanos > 0 else EntryType.DEBIT
