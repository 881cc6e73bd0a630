"""The shapes of balances of the past, of proofs and of seals. Digests are 64 hexadecimal characters."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.api.money_fields import InstantField, NanosTextField, UsdTextField
from credits.books import chain
from credits.proofs import Proof
from credits.services.history import Balance


@extend_schema_field({"type": "string", "pattern": "^[0-9a-f]{64}$"})
class DigestField(serializers.Field[bytes, bytes, str, bytes]):
    """A SHA-256 digest."""

    def __init__(self, **options: Any) -> None:
        """A field of answers only."""
        super().__init__(read_only=True, **options)

    def to_representation(self, value: bytes) -> str:
        return bytes(value).hex()


class BalanceAtSerializer(serializers.Serializer[Balance]):
    """The credits of an account at one instant."""

    at = InstantField()
    balance_nanos = NanosTextField()
    balance_usd = UsdTextField(source="balance_nanos")
    spent_nanos = NanosTextField(help_text="The sum of everything that was ever taken; it never falls.")
    spent_usd = UsdTextField(source="spent_nanos")
    available_nanos = NanosTextField(source="wallet.available_nanos", default=None, allow_null=True, help_text="What can be spent.")
    reserved_nanos = NanosTextField(source="wallet.reserved_nanos", default=None, allow_null=True, help_text="What open holds keep aside.")
    frozen_nanos = NanosTextField(source="wallet.frozen_nanos", default=None, allow_null=True)
    lapsing_nanos = NanosTextField(source="wallet.lapsing_nanos", default=None, allow_null=True)
    debt_nanos = NanosTextField(source="wallet.debt_nanos", default=None, allow_null=True)


class SealedEntrySerializer(serializers.Serializer[dict[str, str]]):
    """An entry's cells, as a statement shows them and as they are hashed: all text."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {name: serializers.CharField(read_only=True) for name in chain.FIELDS}


class SealSerializer(serializers.Serializer[Any]):
    """A seal: its digest is over everything else in it."""

    number = serializers.IntegerField()
    previous = DigestField(help_text="The digest of the seal before; zeros for the first.")
    root = DigestField(help_text="The root of the tree over its checkpoints.")  # type: ignore[assignment]  # a field, not the property
    checkpoints = serializers.IntegerField()
    entries = serializers.IntegerField(help_text="How many entries it covers that no seal before it did.")
    sealed_at = serializers.SerializerMethodField(help_text="UTC, with six decimals, as it is hashed.")
    digest = DigestField()

    def get_sealed_at(self, seal: Any) -> str:  # noqa: ANN401  A model that views do not name.
        return chain.instant_text(seal.sealed_at)


class SealsSerializer(serializers.Serializer[Any]):
    """Some seals, the oldest first."""

    items = SealSerializer(many=True)
    next_after = serializers.IntegerField(help_text="What to send as `after` for the next ones; nothing newer: empty items.")


class CheckpointSerializer(serializers.Serializer[Any]):
    """How far an account's chain was sealed, and its place in the seal's tree."""

    seq = serializers.IntegerField()
    link = DigestField()
    position = serializers.IntegerField()


class NewestSealSerializer(serializers.Serializer[Any]):
    """The end of the chain."""

    number = serializers.IntegerField()
    digest = DigestField()


class ProofSerializer(serializers.Serializer[Proof]):
    """What leads from an entry to a seal: entry and links, digests up to the checkpoint, the way up the tree, the seal."""

    account = serializers.CharField()
    entry = SealedEntrySerializer()
    link_before = DigestField()
    link = DigestField()
    following = serializers.ListField(child=DigestField(), read_only=True, help_text="Digests of the entries after it, at most 999.")
    checkpoint = CheckpointSerializer()
    path = serializers.ListField(child=DigestField(), read_only=True)
    seal = SealSerializer()
    newest = NewestSealSerializer(help_text="The newest seal when this was read.")
