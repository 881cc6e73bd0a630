"""The shapes of what clients read of their usage, and of what they ask an estimate for."""

from typing import Any, Final

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.api.money_fields import InstantField, NanosTextField, UsdTextField
from core.money import usd_text
from usage.rating import FailedPolicy
from usage.selectors import PriceVersion, UsageEvent
from usage.services.estimates import Estimate

QUANTITY_MAX: Final = 2**31
"""The same bound as an event's quantities have."""

FAILED_POLICIES: Final = tuple(policy.value for policy in FailedPolicy)

CALL_STATUSES: Final = ("success", "failed")
EVENT_STATUSES: Final = (*CALL_STATUSES, "refunded")


@extend_schema_field({"type": "string", "pattern": r"^\d+\.\d{2,9}$", "example": "0.0025"})
class NetCostField(serializers.Field[UsageEvent, object, str, UsageEvent]):
    """What a call charged, less what was given back, in exact dollars: what reports add up."""

    def __init__(self) -> None:
        """Looks at the whole event."""
        super().__init__(read_only=True, source="*", help_text="What was charged less what was given back, in exact dollars.")

    def to_representation(self, value: UsageEvent) -> str:
        return usd_text(value.charged_nanos - value.refunded_nanos)


class RecentEventSerializer(serializers.Serializer[UsageEvent]):
    """One call, as a person looks through their history."""

    id = serializers.CharField(source="event_id", help_text="The id under which the gateway reported it.")
    created_at = InstantField()
    model_id = serializers.CharField(source="model.code")
    model_name = serializers.CharField(source="model.name")
    api_key_name = serializers.CharField(source="api_key.name", read_only=True, default="", help_text="Empty where the call named no key.")
    total_tokens = serializers.IntegerField()
    cost_str = NetCostField()
    status = serializers.ChoiceField(source="counted_status", choices=EVENT_STATUSES)


class RecentUsageSerializer(serializers.Serializer[Any]):
    """Some calls, newest first."""

    items = RecentEventSerializer(many=True)
    next_cursor = serializers.CharField(allow_blank=True, help_text="Where to go on; empty at the end.")
    has_more = serializers.BooleanField()


class EventSerializer(serializers.Serializer[UsageEvent]):
    """One usage event as it was booked."""

    event_id = serializers.CharField()
    account = serializers.CharField(source="account.public_id")
    api_key = serializers.CharField(source="api_key.public_id", read_only=True, default=None, allow_null=True)
    api_key_name = serializers.CharField(source="api_key.name", read_only=True, default="")
    model = serializers.CharField(source="model.code")
    status = serializers.ChoiceField(source="counted_status", choices=EVENT_STATUSES, help_text="What reports count it as.")
    call_status = serializers.ChoiceField(source="status", choices=CALL_STATUSES, help_text="How the call ended, refunded or not.")
    input_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()
    cache_read_tokens = serializers.IntegerField()
    cache_write_tokens = serializers.IntegerField()
    reasoning_tokens = serializers.IntegerField()
    total_tokens = serializers.IntegerField()
    requests = serializers.IntegerField()
    images = serializers.IntegerField()
    seconds = serializers.IntegerField()
    price_version = serializers.IntegerField(source="price_version_id", allow_null=True, help_text="Null where the sender named the cost.")
    hold = serializers.CharField(allow_null=True, help_text="The hold it named.")
    flag = serializers.ChoiceField(choices=("late", "after_void"), allow_null=True, help_text="Why it did not capture its hold.")
    cost_nanos = NanosTextField(help_text="By the price book: what was charged, and what the operator bears.")
    cost_usd = UsdTextField(source="cost_nanos")
    charged_nanos = NanosTextField()
    charged_usd = UsdTextField(source="charged_nanos")
    absorbed_nanos = NanosTextField()
    refunded_nanos = NanosTextField(help_text="What of the charge was given back since.")
    refunded_usd = UsdTextField(source="refunded_nanos")
    endpoint = serializers.CharField(allow_blank=True)
    metadata = serializers.DictField(allow_null=True)
    occurred_at = InstantField()
    created_at = InstantField()


class PriceSerializer(serializers.Serializer[int]):
    """One price."""

    nanos = NanosTextField(source="*")
    usd = UsdTextField(source="*")


class TokenPricesSerializer(serializers.Serializer[PriceVersion]):
    """Per million tokens. The classes are disjoint: cached tokens are not also input, reasoning not also output."""

    input = PriceSerializer(source="input_nanos_per_million")
    output = PriceSerializer(source="output_nanos_per_million")
    cache_read = PriceSerializer(source="cache_read_nanos_per_million")
    cache_write = PriceSerializer(source="cache_write_nanos_per_million")
    reasoning = PriceSerializer(source="reasoning_nanos_per_million")


class UnitPricesSerializer(serializers.Serializer[PriceVersion]):
    """Per unit."""

    request = PriceSerializer(source="request_nanos")
    image = PriceSerializer(source="image_nanos")
    second = PriceSerializer(source="second_nanos")


class ModelSerializer(serializers.Serializer[PriceVersion]):
    """One model and the price of it that is in force."""

    code = serializers.CharField(source="model.code", help_text="The name to use in events and estimates.")
    name = serializers.CharField(source="model.name")
    provider = serializers.CharField(source="model.provider", allow_blank=True)
    price_version = serializers.IntegerField(source="pk")
    effective_at = InstantField()
    per_million_tokens = TokenPricesSerializer(source="*")
    per_unit = UnitPricesSerializer(source="*")
    multiplier_bp = serializers.IntegerField(help_text="The price's own factor of the sum; 10,000 is 1.")
    failed_policy = serializers.ChoiceField(choices=FAILED_POLICIES, help_text="What of a failed call is charged.")


class PriceBookSerializer(serializers.Serializer[Any]):
    """Some of the price book in force, by the models' names."""

    items = ModelSerializer(many=True)
    next_cursor = serializers.CharField(allow_blank=True, help_text="Where to go on; empty at the end.")
    has_more = serializers.BooleanField()


class EstimateInputSerializer(serializers.Serializer[Any]):
    """A call to be priced: the quantities of a usage event."""

    model = serializers.CharField(max_length=128)
    account = serializers.CharField(max_length=32, required=False, help_text="For platform keys: whose call it would be.")
    input_tokens = serializers.IntegerField(min_value=0, max_value=QUANTITY_MAX, default=0)
    output_tokens = serializers.IntegerField(min_value=0, max_value=QUANTITY_MAX, default=0)
    cache_read_tokens = serializers.IntegerField(min_value=0, max_value=QUANTITY_MAX, default=0)
    cache_write_tokens = serializers.IntegerField(min_value=0, max_value=QUANTITY_MAX, default=0)
    reasoning_tokens = serializers.IntegerField(min_value=0, max_value=QUANTITY_MAX, default=0)
    requests = serializers.IntegerField(min_value=0, max_value=QUANTITY_MAX, default=1)
    images = serializers.IntegerField(min_value=0, max_value=QUANTITY_MAX, default=0)
    seconds = serializers.IntegerField(min_value=0, max_value=QUANTITY_MAX, default=0)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """A misspelt class of tokens must not be left out of the price in silence."""
        unknown = sorted(set(self.initial_data) - set(self.fields))
        if unknown:
            raise serializers.ValidationError(dict.fromkeys(unknown, "There is no such field."), code="unknown_field")
        return attrs


class EstimateSerializer(serializers.Serializer[Estimate]):
    """What the call would cost now."""

    model = serializers.CharField()
    price_version = serializers.IntegerField()
    multiplier_bp = serializers.IntegerField(help_text="The price's own factor, as in GET /v1/models; 10,000 is 1.")
    customer_multiplier_bp = serializers.IntegerField(help_text="What this account pays of the price; 10,000 is all of it.")
    cost_nanos = NanosTextField()
    cost_usd = UsdTextField(source="cost_nanos")
