"""The one place that reads the system clock. Edges (views, tasks, commands) call it; services get `now` as a parameter."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

HasTime = Callable[[], bool]
"""Whether a long job may go on; asked between its pieces."""


def now() -> datetime:
    """The present instant, in UTC, to the microsecond."""
    return datetime.now(UTC)


def within(seconds: float) -> HasTime:
    """Has time for so many seconds from now on."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() < end


def forever() -> bool:
    """Has time."""
    return True
