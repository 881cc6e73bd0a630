"""Seals: what the ledger said at a moment, in a chain that nobody can mend unseen."""

from django.db import models
from django.db.models import Q


class Seal(models.Model):
    """
    One link of the chain: a digest over the checkpoints taken at `sealed_at` and over the seal before. Append-only by trigger.

    Whoever keeps a seal's `digest` can tell later whether any entry up to it was changed, added or left out. All digests are SHA-256.
    """

    number = models.BigIntegerField(primary_key=True)
    previous = models.BinaryField(max_length=32, help_text="Digest of the seal before; 32 zero bytes for the first.")
    root = models.BinaryField(max_length=32, help_text="Merkle root over the seal's checkpoints.")
    checkpoints = models.IntegerField()
    entries = models.BigIntegerField(help_text="How many entries it newly covers.")
    digest = models.BinaryField(max_length=32)
    sealed_at = models.DateTimeField()

    class Meta:
        db_table = "ledger_seal"
        constraints = (
            models.CheckConstraint(condition=Q(number__gte=1, checkpoints__gte=1, entries__gte=1), name="seal_covers_something"),
        )

    def __str__(self) -> str:
        return f"seal {self.number}"


class Checkpoint(models.Model):
    """
    An account's chain of entries up to `seq`, as one digest, covered by a seal at a place in its tree. Append-only by trigger.

    At most 1,000 entries lie between two of an account. The database's primary key is (account, seq).
    """

    id = models.BigAutoField(primary_key=True)
    account = models.ForeignKey("accounts.Account", on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    seq = models.BigIntegerField()
    link = models.BinaryField(max_length=32)
    seal = models.ForeignKey(Seal, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    position = models.IntegerField()

    class Meta:
        db_table = "ledger_checkpoint"
        constraints = (
            models.UniqueConstraint(fields=["account", "seq"], name="checkpoint_once_per_seq"),
            models.UniqueConstraint(fields=["seal", "position"], name="checkpoint_once_per_place"),
        )

    def __str__(self) -> str:
        return f"checkpoint {self.account_id}/{self.seq}"
