"""The shapes of spending limits on the wire: cents in the AI gateway's dialect, exact dollars and nanos in `/v1`."""

from typing import Any, Final

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.api.money_fields import CentsNumberField, InstantField, NanosTextField, UsdTextField
from core.money import AMOUNT_MAX_NANOS, NANOS_PER_CENT, parse_usd
from credits.services.limits import Duration, Strategy

CENTS_MIN: Final = 100
CENTS_MAX: Final = AMOUNT_MAX_NANOS // NANOS_PER_CENT


@extend_schema_field({"type": "integer", "minimum": CENTS_MIN, "maximum": CENTS_MAX, "example": 5000})
class CentsField(serializers.Field[int, object, int, int]):
    """Whole cents, as a JSON integer, read as nanos."""

    default_error_messages = {"invalid": f"Give whole cents, from {CENTS_MIN} to {CENTS_MAX}."}

    def to_internal_value(self, data: object) -> int:
        if not isinstance(data, int) or isinstance(data, bool) or not CENTS_MIN <= data <= CENTS_MAX:
            self.fail("invalid")
        return data * NANOS_PER_CENT

    def to_representation(self, value: int) -> int:  # pragma: no cover  It only reads.
        raise NotImplementedError


@extend_schema_field({"type": "string", "pattern": r"^\d{1,10}(\.\d{1,9})?$", "example": "25.00"})
class UsdAmountField(serializers.Field[int, object, int, int]):
    """Exact dollars as text, read as nanos."""

    def to_internal_value(self, data: object) -> int:
        return parse_usd(data if isinstance(data, str) else "", field=str(self.field_name))

    def to_representation(self, value: int) -> int:  # pragma: no cover  It only reads.
        raise NotImplementedError


class _StrictInput(serializers.Serializer[Any]):
    """Takes its own fields and no other: a word that is misspelt must not leave a limit as it was."""

    duration = serializers.ChoiceField(choices=Duration.choices)
    strategy = serializers.ChoiceField(choices=Strategy.choices)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        unknown = sorted(set(self.initial_data) - set(self.fields))
        if unknown:
            raise serializers.ValidationError(dict.fromkeys(unknown, "There is no such field."), code="unknown_field")
        return attrs | {"duration": Duration(attrs["duration"]), "strategy": Strategy(attrs["strategy"])}


class GatewayLimitInput(_StrictInput):
    """A limit in cents."""

    amount = CentsField(source="amount_nanos", help_text="Cents.")


class KeyLimitInput(_StrictInput):
    """A limit in dollars; `0` lets the key spend nothing."""

    amount = UsdAmountField(source="amount_nanos", help_text="Dollars, exact.")


class NothingSerializer(serializers.Serializer[object]):
    """An empty object."""


class GatewayLimitConfigSerializer(serializers.Serializer[object]):
    """The terms; all null where none is set."""

    amount = CentsNumberField(source="limit.amount_nanos", default=None, allow_null=True)
    duration = serializers.ChoiceField(source="limit.duration", choices=Duration.choices, default=None, allow_null=True)
    strategy = serializers.ChoiceField(source="limit.strategy", choices=Strategy.choices, default=None, allow_null=True)


class GatewayLimitSerializer(serializers.Serializer[object]):
    """An account's limit, in cents."""

    config = GatewayLimitConfigSerializer(source="*")
    enabled = serializers.SerializerMethodField()

    def get_enabled(self, told: dict[str, object]) -> bool:
        """Whether a limit is set."""
        return told["limit"] is not None


class KeyLimitSerializer(serializers.Serializer[object]):
    """A key's limit: its terms, what counts against it now and when that next falls by itself. All null where the key has none."""

    api_key = serializers.CharField(help_text="The key's public id.")
    enabled = serializers.SerializerMethodField()
    amount_nanos = NanosTextField(source="limit.amount_nanos", default=None, allow_null=True)
    amount_usd = UsdTextField(source="limit.amount_nanos", default=None, allow_null=True)
    duration = serializers.ChoiceField(source="limit.duration", choices=Duration.choices, default=None, allow_null=True)
    strategy = serializers.ChoiceField(source="limit.strategy", choices=Strategy.choices, default=None, allow_null=True)
    used_nanos = NanosTextField(source="limit.used_nanos", default=None, allow_null=True)
    used_usd = UsdTextField(source="limit.used_nanos", default=None, allow_null=True)
    remaining_nanos = NanosTextField(source="limit.remaining_nanos", default=None, allow_null=True)
    remaining_usd = UsdTextField(source="limit.remaining_nanos", default=None, allow_null=True)
    zone = serializers.CharField(source="limit.zone", default=None, allow_null=True, help_text="Whose calendar a fixed window follows.")
    counts_since = InstantField(source="limit.counts_since", default=None, allow_null=True)
    resets_at = InstantField(
        source="limit.resets_at",
        default=None,
        allow_null=True,
        help_text="When `used` next falls by itself: at the next window, or when the oldest spending leaves a sliding one.",
    )

    def get_enabled(self, told: dict[str, object]) -> bool:
        """Whether the key has a limit."""
        return told["limit"] is not None
