"""The shapes of what clients read of their orders."""

from typing import Any, Final

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.api.money_fields import CreditsNumberField, CreditsTextField, InstantField, UsdNumberField, UsdTextField
from core.currencies import major_number, minor_text
from payments.selectors import AttemptStatus, LineKind, Order, OrderLine, OrderStatus, PaymentAttempt, Provider, credit_nanos_of
from payments.services.checkout import CheckoutLink

ORDER_STATUSES: Final = tuple(status.value for status in OrderStatus)
ATTEMPT_STATUSES: Final = tuple(status.value for status in AttemptStatus)
_WHY: Final = "Why the last try brought no money, in the provider's words; empty where there is nothing to say."


@extend_schema_field({"type": "number", "format": "double"})
class MajorNumberField(serializers.Field[Order, Order, float, Order]):
    """What an order costs, in its currency's major unit, for APIs that publish a float. An exact string stands beside it."""

    def __init__(self, **options: Any) -> None:
        """A field of answers only."""
        super().__init__(read_only=True, source="*", **options)

    def to_representation(self, value: Order) -> float:
        return major_number(value.amount_minor, value.currency)


@extend_schema_field({"type": "string", "pattern": r"^\d+(\.\d+)?$", "example": "20.00"})
class MajorTextField(serializers.Field[Order, Order, str, Order]):
    """What an order costs, exact, in its currency's major unit."""

    def __init__(self, **options: Any) -> None:
        """A field of answers only."""
        super().__init__(read_only=True, source="*", **options)

    def to_representation(self, value: Order) -> str:
        return minor_text(value.amount_minor, value.currency)


class OrderUsdNumberField(UsdNumberField):
    """The credits of an order, in dollars."""

    def to_representation(self, value: Any) -> float:  # noqa: ANN401  an order stands in for its nanos
        return super().to_representation(credit_nanos_of(value))


class OrderUsdTextField(UsdTextField):
    """The same, exact."""

    def to_representation(self, value: Any) -> str:  # noqa: ANN401  the same
        return super().to_representation(credit_nanos_of(value))


class CheckoutLinkSerializer(serializers.Serializer[CheckoutLink]):
    """Where to pay."""

    order_id = serializers.CharField()
    checkout_url = serializers.CharField(help_text="Send the person there.")
    session_id = serializers.CharField(help_text="The provider's name of that page.")


class SessionLinkSerializer(serializers.Serializer[CheckoutLink]):
    """Where to pay, in the billing service's words."""

    order_id = serializers.CharField()
    session_id = serializers.CharField(help_text="The provider's name of that page.")
    url = serializers.CharField(source="checkout_url", help_text="Send the person there.")


class PaymentStatusSerializer(serializers.Serializer[Order]):
    """How an order stands. `credit_usd`: what it brings; `amount`: what it costs, in `currency`."""

    order_id = serializers.CharField(source="public_id")
    status = serializers.ChoiceField(choices=ORDER_STATUSES)
    credit_usd = OrderUsdNumberField(source="*")
    credit_usd_str = OrderUsdTextField(source="*")
    amount = MajorNumberField()
    amount_str = MajorTextField()
    currency = serializers.CharField()
    paid_at = InstantField(allow_null=True)
    failure_reason = serializers.CharField(allow_blank=True, help_text=_WHY)


class PaymentOrderSerializer(PaymentStatusSerializer):
    """One order of a list."""

    created_at = InstantField()
    expires_at = InstantField(help_text="Until then it can be paid.")


class PaymentOrdersSerializer(serializers.Serializer[Any]):
    """A page of orders, newest first."""

    items = PaymentOrderSerializer(many=True)
    total = serializers.IntegerField()
    limit = serializers.IntegerField()
    offset = serializers.IntegerField()


class OrderLineSerializer(serializers.Serializer[OrderLine]):
    """One thing ordered: what it costs in minor units, and what it brings in credits."""

    kind = serializers.ChoiceField(choices=LineKind.values)
    sku = serializers.CharField()
    description = serializers.CharField()
    amount = serializers.IntegerField(source="amount_minor", help_text="Minor units of the order's currency.")
    credits = CreditsNumberField(source="credit_nanos")
    credits_str = CreditsTextField(source="credit_nanos")


class OrderAttemptSerializer(serializers.Serializer[PaymentAttempt]):
    """One try to have an order paid. What the provider calls it stays with us."""

    provider = serializers.ChoiceField(choices=Provider.choices)
    status = serializers.ChoiceField(choices=ATTEMPT_STATUSES)
    created_at = InstantField()
    ended_at = InstantField(allow_null=True)
    failure_code = serializers.CharField(allow_blank=True)
    failure_reason = serializers.CharField(allow_blank=True)
    settled_amount = serializers.IntegerField(source="settled_minor", allow_null=True, help_text="What was received, in minor units.")
    settled_currency = serializers.CharField(allow_blank=True)


class OrderSerializer(serializers.Serializer[Order]):
    """An order with its lines and tries. Prices in minor units of `currency`, credits in credits."""

    id = serializers.CharField(source="public_id")
    status = serializers.ChoiceField(choices=ORDER_STATUSES)
    currency = serializers.CharField()
    amount = serializers.IntegerField(source="amount_minor", help_text="Minor units: 1999 USD is $19.99, 1999 JPY is ¥1999.")
    lines = OrderLineSerializer(many=True)
    attempts = OrderAttemptSerializer(many=True, help_text="The newest first.")
    failure_code = serializers.CharField(allow_blank=True)
    failure_reason = serializers.CharField(allow_blank=True, help_text=_WHY)
    created_at = InstantField()
    expires_at = InstantField(help_text="Until then it can be paid.")
    paid_at = InstantField(allow_null=True)
    closed_at = InstantField(allow_null=True, help_text="When it was cancelled, expired or failed.")
