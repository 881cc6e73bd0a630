"""The one place that reads the system clock. Edges (views, tasks, commands) call it; services get `now` as a parameter."""

from datetime import UTC, datetime


def now() -> datetime:
    """The present instant, in UTC, to the microsecond."""
    return datetime.now(UTC)
