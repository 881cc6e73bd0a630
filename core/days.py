"""Calendar days as text, and the instant that others count from."""

from datetime import UTC, date, datetime
from typing import Final

UNIX_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def parse_day(text: object) -> date | None:
    """A day written YYYY-MM-DD; None for anything else, the other forms of ISO 8601 (`20260301`, `2026-W10-1`) too."""
    try:
        day = date.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return day if day is not None and day.isoformat() == text else None
