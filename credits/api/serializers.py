"""The shapes of what credits' own endpoints answer, each written from a `WalletView`."""

from rest_framework import serializers

from core.api.money_fields import CreditsNumberField, CreditsTextField, UsdNumberField, UsdTextField
from credits.services.wallets import WalletView


class UserBalanceSerializer(serializers.Serializer[WalletView]):
    """The credit balance, in dollars."""

    balance = UsdNumberField(source="balance_nanos", help_text="What the account has.")
    balance_str = UsdTextField(source="balance_nanos")
    available = UsdNumberField(source="available_nanos", help_text="What it can spend now; never below 0.")
    available_str = UsdTextField(source="available_nanos")
    reserved = UsdNumberField(source="reserved_nanos", help_text="What open holds keep aside.")
    reserved_str = UsdTextField(source="reserved_nanos")
    currency = serializers.CharField(read_only=True, default="USD", help_text="The ledger's currency.")


class BillingBalanceSerializer(serializers.Serializer[WalletView]):
    """The balance, in credits."""

    balance = CreditsNumberField(source="balance_nanos", help_text="What the account has.")
    balance_str = CreditsTextField(source="balance_nanos")
    available = CreditsNumberField(source="available_nanos", help_text="What it can spend now; never below 0.")
    available_str = CreditsTextField(source="available_nanos")
    reserved = CreditsNumberField(source="reserved_nanos", help_text="What open holds keep aside.")
    reserved_str = CreditsTextField(source="reserved_nanos")
