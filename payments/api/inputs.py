"""What clients send to buy credits."""

from typing import Any, Final

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.money import credit_nanos, parse_usd
from payments.services.buying import Wish

SUBSCRIPTION: Final = "subscription"
CREDITS: Final = "credits"


@extend_schema_field(
    {"oneOf": [{"type": "number"}, {"type": "string", "pattern": r"^\d{1,10}(\.\d{1,9})?$"}], "example": 100},
)
class DollarsField(serializers.Field[int, object, int, int]):
    """
    Dollars as a JSON number or as exact text, read as nanos. A number counts as it was written: 12.34 is 12.34, not the double next to it.
    """

    def to_internal_value(self, data: object) -> int:
        # The shortest text that is this double again is what was typed, up to 15 digits. (A truth value is `True`: no amount.)
        text = repr(data) if isinstance(data, int | float) else data
        return parse_usd(text if isinstance(text, str) else "", field=str(self.field_name))

    def to_representation(self, value: int) -> int:  # pragma: no cover  It only reads.
        raise NotImplementedError


def _address(words: str) -> serializers.CharField:
    """An address to return to. Nothing is cut off: what is not an address is refused, not mended."""
    return serializers.CharField(required=False, allow_blank=True, allow_null=True, default="", trim_whitespace=False, help_text=words)


class PurchaseInput(serializers.Serializer[Any]):
    """What both ways of buying take."""

    success_url = _address("Where to send the person who paid; our own page where it is left out.")
    cancel_url = _address("Where to send the person who gave up.")
    coupon = serializers.CharField(required=False, allow_blank=True, allow_null=True, default="", help_text="There are none yet.")
    account = serializers.CharField(max_length=32, required=False, help_text="For platform keys: who buys.")


class CreateCheckoutInput(PurchaseInput):
    """A purchase in dollars of credit. `credit_usd` is required; `amount` is its old name, read where it is absent."""

    credit_usd = DollarsField(required=False, help_text="How many dollars of credit.")
    amount = DollarsField(required=False, help_text="The old name of `credit_usd`.")
    currency = serializers.CharField(help_text="What it is paid in, such as USD.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "credit_usd" not in attrs and "amount" not in attrs:
            raise serializers.ValidationError({"credit_usd": "Say how many dollars of credit."}, code="required")
        return attrs


class CreateSessionInput(PurchaseInput):
    """A purchase in credits, or of a plan."""

    channel = serializers.ChoiceField(choices=("stripe", "creem"))
    type = serializers.ChoiceField(choices=(SUBSCRIPTION, CREDITS))
    credits = serializers.IntegerField(required=False, min_value=1, help_text="How many, where `type` is credits.")
    plan_id = serializers.CharField(required=False, allow_blank=True, allow_null=True, default="", help_text="Plans are not sold yet.")
    interval = serializers.CharField(required=False, allow_blank=True, allow_null=True, default="", help_text="Of a plan.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["type"] == CREDITS and not attrs["plan_id"] and "credits" not in attrs:
            raise serializers.ValidationError({"credits": "Say how many credits."}, code="required")
        return attrs


def wish_in_dollars(given: dict[str, Any]) -> Wish:
    """What a checked `CreateCheckoutInput` asks for."""
    named = "credit_usd" if "credit_usd" in given else "amount"
    return Wish(
        credit_nanos=given[named],
        amount_field=named,
        currency=given["currency"],
        coupon=given["coupon"] or "",
        success_url=given["success_url"] or "",
        cancel_url=given["cancel_url"] or "",
    )


def wish_in_credits(given: dict[str, Any]) -> Wish:
    """What a checked `CreateSessionInput` asks for. This API names no currency: it sells for dollars."""
    return Wish(
        credit_nanos=given.get("credits", 0) * credit_nanos(),
        amount_field="credits",
        currency="USD",
        channel=given["channel"],
        is_plan=given["type"] == SUBSCRIPTION or bool(given["plan_id"]),
        coupon=given["coupon"] or "",
        success_url=given["success_url"] or "",
        cancel_url=given["cancel_url"] or "",
    )
