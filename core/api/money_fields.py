"""
Serializer fields that show integer nanos in a dialect's unit, and instants in UTC: they render and document at once.

They only write: amounts that come in are read by core.money.
"""

from datetime import datetime
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core import money
from core.api.times import iso_z


class _NumberField(serializers.Field[int, int, float, int]):
    def __init__(self, **options: Any) -> None:
        """A field of answers only."""
        super().__init__(read_only=True, **options)


class _TextField(serializers.Field[int, int, str, int]):
    def __init__(self, **options: Any) -> None:
        """A field of answers only."""
        super().__init__(read_only=True, **options)


@extend_schema_field({"type": "number", "format": "double"})
class UsdNumberField(_NumberField):
    """Nanos as dollars, for APIs that publish a float. An exact string stands beside it."""

    def to_representation(self, value: int) -> float:
        return money.usd_number(value)


@extend_schema_field({"type": "string", "pattern": r"^-?\d+\.\d{2,9}$", "example": "20.00"})
class UsdTextField(_TextField):
    """Nanos as exact dollars: 2 to 9 decimals."""

    def to_representation(self, value: int) -> str:
        return money.usd_text(value)


@extend_schema_field({"type": "number"})
class CreditsNumberField(_NumberField):
    """Nanos as credits: a whole number where it is one."""

    def to_representation(self, value: int) -> float:
        return money.credits_number(value)


@extend_schema_field({"type": "string", "pattern": r"^-?\d+(\.\d{1,9})?$", "example": "20000"})
class CreditsTextField(_TextField):
    """Nanos as exact credits."""

    def to_representation(self, value: int) -> str:
        return money.credits_text(value)


@extend_schema_field({"type": "number"})
class CentsNumberField(_NumberField):
    """Nanos as cents: a whole number where it is one."""

    def to_representation(self, value: int) -> float:
        return money.cents_number(value)


@extend_schema_field({"type": "string", "pattern": r"^-?\d+$", "example": "20000000000"})
class NanosTextField(_TextField):
    """Nanos as they are, in a string: a JSON number loses whatever is beyond 2^53."""

    def to_representation(self, value: int) -> str:
        return str(value)


@extend_schema_field(OpenApiTypes.DATETIME)
class InstantField(serializers.Field[datetime, datetime, str, datetime]):
    """An instant in UTC, ISO 8601 with `Z`."""

    def __init__(self, **options: Any) -> None:
        """A field of answers only."""
        super().__init__(read_only=True, **options)

    def to_representation(self, value: datetime) -> str:
        return iso_z(value)
