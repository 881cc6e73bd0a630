"""Counts of what happens in a while, in Redis: one round trip each, shared by all processes."""

import logging
from functools import cache
from typing import Final

import redis
from django.conf import settings

logger = logging.getLogger(__name__)

_COUNT: Final = """
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return {count, redis.call('PTTL', KEYS[1])}
"""


def count_in_window(name: str, seconds: int) -> tuple[int, float]:
    """
    Count one more in the present window of `name`; how many there are now, and how many seconds are left of it.

    A window starts with its first count. Without Redis nothing is counted (0, 0.0), and the log says so: limits guard the service, they
    must not be what stops it.
    """
    key = f"{settings.CACHES['default'].get('KEY_PREFIX', '')}:count:{name}"
    try:
        found, left_ms = _client(settings.REDIS_URL).eval(_COUNT, 1, key, str(seconds * 1000))
    except redis.RedisError as error:
        logger.warning("Redis does not answer, so nothing is counted: %s", error)
        return 0, 0.0
    return int(found), max(int(left_ms), 0) / 1000


@cache
def _client(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1)
