"""Instants on the wire: UTC, ISO 8601 with `Z`."""

from datetime import UTC, datetime

from django.utils.dateparse import parse_datetime

from core.errors import InvalidInput


def iso_z(instant: datetime) -> str:
    """`2026-01-31T09:00:00Z`, with microseconds only where there are some."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def iso_z_or_none(instant: datetime | None) -> str | None:
    """`iso_z`, or None for None."""
    return None if instant is None else iso_z(instant)


def parse_instant(text: str, *, field: str) -> datetime:
    """
    Read an ISO 8601 instant as UTC; one without an offset is taken as UTC.

    Raises InvalidInput, naming the field.
    """
    try:
        instant = parse_datetime(text)
        if instant is not None:
            return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, OverflowError):
        pass  # A well-formed text that names no instant, such as the 31st of February: the same answer.
    raise InvalidInput("Give an instant in ISO 8601, such as 2026-01-31T09:00:00Z.", code="invalid_datetime", field=field)
