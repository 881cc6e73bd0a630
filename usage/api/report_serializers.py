"""The shapes of reports: dollars by day and model in the usage API, cents by window in the AI gateway's."""

import re
from datetime import date, datetime, timedelta
from typing import Any, Final

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.api.money_fields import CentsNumberField, UsdNumberField, UsdTextField
from core.days import UNIX_EPOCH, parse_day
from core.errors import InvalidInput
from usage.selectors import DayLine, DaysReport, Grouping, ModelLine, Window

_MILLISECOND: Final = timedelta(milliseconds=1)
_MILLIS: Final = re.compile(r"(\d{1,15})(\.\d{1,9})?", re.ASCII)


def read_day(text: str, *, field: str) -> date:
    """A day as YYYY-MM-DD and in no other form. Raises InvalidInput `invalid_datetime`."""
    day = parse_day(text)
    if day is None:
        raise InvalidInput("Give a day as YYYY-MM-DD, such as 2026-01-31.", code="invalid_datetime", field=field)
    return day


class DayLineSerializer(serializers.Serializer[DayLine]):
    """One local day."""

    date = serializers.DateField()
    requests = serializers.IntegerField(source="sums.requests")
    input_tokens = serializers.IntegerField(source="sums.input_tokens")
    output_tokens = serializers.IntegerField(source="sums.output_tokens")
    total_tokens = serializers.IntegerField(source="sums.total_tokens")
    cost = UsdNumberField(source="sums.cost_nanos")
    cost_str = UsdTextField(source="sums.cost_nanos")


class ModelLineSerializer(serializers.Serializer[ModelLine]):
    """One model."""

    model_id = serializers.CharField()
    model_name = serializers.CharField()
    requests = serializers.IntegerField(source="sums.requests")
    input_tokens = serializers.IntegerField(source="sums.input_tokens")
    output_tokens = serializers.IntegerField(source="sums.output_tokens")
    total_tokens = serializers.IntegerField(source="sums.total_tokens")
    cost = UsdNumberField(source="sums.cost_nanos")
    cost_str = UsdTextField(source="sums.cost_nanos")


class UserUsageSerializer(serializers.Serializer[DaysReport]):
    """An account's usage by local day and by model. Costs are net of refunds."""

    start_date = serializers.DateField(source="first")
    end_date = serializers.DateField(source="last")
    currency = serializers.CharField(default="USD", read_only=True)
    total_requests = serializers.IntegerField(source="total.requests", help_text="How many calls were reported.")
    total_tokens = serializers.IntegerField(source="total.total_tokens", help_text="The sum of all five classes of tokens.")
    input_tokens = serializers.IntegerField(source="total.input_tokens")
    output_tokens = serializers.IntegerField(source="total.output_tokens")
    total_cost = UsdNumberField(source="total.cost_nanos")
    total_cost_str = UsdTextField(source="total.cost_nanos")
    daily = DayLineSerializer(many=True, help_text="Every day of the range, those without usage too.")
    models = ModelLineSerializer(many=True, help_text="By cost, the highest first.")


@extend_schema_field({"type": "number", "example": 1772323200000})
class MillisInputField(serializers.Field[datetime, str, datetime, datetime]):
    """Unix milliseconds; some clients send them as a float (`1772323200000.0`). Parts of one are cut off."""

    default_error_messages = {"invalid": "Give Unix milliseconds, such as 1772323200000."}

    def to_internal_value(self, data: str) -> datetime:
        found = _MILLIS.fullmatch(data)
        if found is None:
            self.fail("invalid")
        try:
            return UNIX_EPOCH + int(found[1]) * _MILLISECOND
        except OverflowError:
            self.fail("invalid")

    def to_representation(self, value: datetime) -> datetime:  # pragma: no cover  It only reads.
        raise NotImplementedError


@extend_schema_field({"type": "integer", "example": 1772323200000})
class MillisField(serializers.Field[datetime, datetime, int, datetime]):
    """An instant as Unix milliseconds."""

    def __init__(self, **options: Any) -> None:
        """A field of answers only."""
        super().__init__(read_only=True, **options)

    def to_representation(self, value: datetime) -> int:
        return (value - UNIX_EPOCH) // _MILLISECOND


class HistoryQuery(serializers.Serializer[Any]):
    """Which windows are asked for."""

    value_grouping_window = serializers.ChoiceField(choices=tuple(Grouping))
    start_time = MillisInputField(required=False)
    end_time = MillisInputField(required=False)


class WindowSerializer(serializers.Serializer[Window]):
    """What was spent in one window."""

    id = serializers.CharField(help_text="The same whenever this window is asked for.")
    aggregated_value = CentsNumberField(source="cost_nanos", help_text="Cents, net of refunds.")
    start_time = MillisField(source="start", help_text="Unix milliseconds.")
    end_time = MillisField(source="end", help_text="Unix milliseconds, exclusive.")


class HistorySerializer(serializers.Serializer[Any]):
    """What was spent, the oldest window first; windows without a call are left out."""

    history = WindowSerializer(many=True)
