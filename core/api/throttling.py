"""Rates such as `10/min`, counted in windows."""

import math
from dataclasses import dataclass
from functools import cache
from typing import Final

from rest_framework.settings import api_settings
from rest_framework.throttling import BaseThrottle

from core.counters import count_in_window

_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True)
class Rate:
    """So many in so many seconds."""

    count: int
    seconds: int


@cache
def parse_rate(text: str) -> Rate | None:
    """`10/min` (or s, h, d and their longer words); an empty text is no limit."""
    if not text:
        return None
    count, _, period = text.partition("/")
    return Rate(int(count), _SECONDS[period[0]])


def seconds_to_wait(scope: str, whom: str) -> int:
    """Count one request of `whom` under a scope of DEFAULT_THROTTLE_RATES; 0, or how long to wait when it is one too many."""
    rate = parse_rate(api_settings.DEFAULT_THROTTLE_RATES.get(scope) or "")
    if rate is None:
        return 0
    count, left = count_in_window(f"{scope}:{whom}", rate.seconds)
    return max(1, math.ceil(left)) if count > rate.count else 0


class WindowThrottle(BaseThrottle):
    """DRF's side of `seconds_to_wait`; subclasses say what to count and keep the result in `waiting`."""

    waiting = 0

    def wait(self) -> float | None:
        """Seconds until the next request may come."""
        return self.waiting
