"""The shapes of composed answers. Each is written from what this package's readers return."""

from rest_framework import serializers

from billing_platform.overview.credit import CreditStanding
from billing_platform.overview.ledger import LedgerPage, Line
from core.api.money_fields import (
    CentsNumberField,
    CreditsNumberField,
    CreditsTextField,
    InstantField,
    UsdNumberField,
    UsdTextField,
)
from credits.api.words import BILLING_TYPES
from credits.selectors import EntryType


class AskerField(serializers.IntegerField):
    """The person who asks, or the owner of the account whose key does: `user_id` of the serializer's context."""

    def __init__(self) -> None:
        """Reads no attribute of the object."""
        super().__init__(read_only=True, source="*", help_text="Who asks; for a key, the account's owner.")

    def to_representation(self, value: object) -> int:
        user_id: int = self.context["user_id"]
        return user_id


class CreditBalanceSerializer(serializers.Serializer[CreditStanding]):
    """CreditBalance of the account API, in dollars."""

    user_id = AskerField()
    balance = UsdNumberField(source="wallet.balance_nanos")
    balance_str = UsdTextField(source="wallet.balance_nanos")
    reserved = UsdNumberField(source="wallet.reserved_nanos")
    reserved_str = UsdTextField(source="wallet.reserved_nanos")
    available = UsdNumberField(source="wallet.available_nanos", help_text="Never below 0.")
    available_str = UsdTextField(source="wallet.available_nanos")
    currency = serializers.CharField()
    last_updated = InstantField(source="wallet.updated_at")
    auto_reload_enabled = serializers.BooleanField()
    auto_reload_threshold = UsdNumberField(source="auto_reload_threshold_nanos")
    auto_reload_threshold_str = UsdTextField(source="auto_reload_threshold_nanos")
    auto_reload_amount = UsdNumberField(source="auto_reload_amount_nanos")
    auto_reload_amount_str = UsdTextField(source="auto_reload_amount_nanos")


class CreditLedgerEntrySerializer(serializers.Serializer[Line]):
    """CreditLedgerEntry of the account API, in dollars; debits are negative."""

    id = serializers.IntegerField(source="entry.pk")
    user_id = AskerField()
    type = serializers.ChoiceField(choices=EntryType.choices)
    amount = UsdNumberField(source="entry.amount_nanos")
    amount_str = UsdTextField(source="entry.amount_nanos")
    balance_after = UsdNumberField(source="entry.balance_after_nanos")
    balance_after_str = UsdTextField(source="entry.balance_after_nanos")
    description = serializers.CharField()
    reference = serializers.CharField(help_text="A payment's id, a usage event's id, or empty.")
    metadata = serializers.DictField()
    created_at = InstantField(source="entry.created_at")


class CreditLedgerSerializer(serializers.Serializer[LedgerPage]):
    """A page of the ledger, newest first."""

    items = CreditLedgerEntrySerializer(many=True)
    total = serializers.IntegerField(help_text="Exact; with `type`, counted up to 10,000.")
    total_is_capped = serializers.BooleanField(help_text="Whether there are more than `total`.")
    limit = serializers.IntegerField()
    offset = serializers.IntegerField()


class TransactionSerializer(serializers.Serializer[Line]):
    """One transaction of the billing service, in credits; spending is negative."""

    id = serializers.CharField(source="entry.pk")
    type = serializers.ChoiceField(source="billing_type", choices=BILLING_TYPES)
    amount = CreditsNumberField(source="entry.amount_nanos")
    amount_str = CreditsTextField(source="entry.amount_nanos")
    description = serializers.CharField()
    created_at = InstantField(source="entry.created_at")


class GatewayPaymentMethodSerializer(serializers.Serializer[object]):
    """The card that top-ups are charged to."""

    brand = serializers.CharField(required=False)
    last4 = serializers.CharField(required=False)


class GatewayTopupConfigSerializer(serializers.Serializer[object]):
    """Automatic top-up: cents, and Unix milliseconds. All null where none is set."""

    amount = serializers.FloatField(allow_null=True)
    threshold = serializers.FloatField(allow_null=True)
    disabledReason = serializers.CharField(allow_null=True, source="disabled_reason")  # noqa: N815  the wire's name
    error = serializers.CharField(allow_null=True)
    lastFailedAt = serializers.FloatField(allow_null=True, source="last_failed_at")  # noqa: N815  the wire's name


class GatewayCreditBalanceSerializer(serializers.Serializer[CreditStanding]):
    """The AI gateway's credit balance, in cents: a JSON number, with decimals where there are parts of a cent."""

    balance = CentsNumberField(source="wallet.balance_nanos")
    has_default_payment_method = serializers.BooleanField()
    payment_method = GatewayPaymentMethodSerializer(allow_null=True)
    topup_config = GatewayTopupConfigSerializer()
    first_topup_success = serializers.BooleanField(help_text="Whether a top-up by hand ever succeeded.")
