"""
The database backend of `settings.DATABASES`: Django's, but a connection that was alive some seconds ago is not asked again.

Django's health check is a round trip in every request, a twentieth of a hold. A connection that is lost within these seconds costs one
request a 503, which is answered the same way as one that is lost in its middle; the next request opens another.
"""

import time
from typing import Final

from django.db.backends.postgresql import base

ALIVE_SECONDS: Final = 5.0


class DatabaseWrapper(base.DatabaseWrapper):
    """One thread's connection."""

    _alive_at = float("-inf")
    health_check_enabled: bool
    health_check_done: bool

    def close_if_health_check_failed(self) -> None:
        """Ask at most every `ALIVE_SECONDS`; connect anew where there is no answer."""
        if self.health_check_enabled and not self.health_check_done and time.monotonic() - self._alive_at < ALIVE_SECONDS:
            self.health_check_done = True
        super().close_if_health_check_failed()

    def connect(self) -> None:
        """A new connection is alive."""
        super().connect()
        self._alive_at = time.monotonic()

    def is_usable(self) -> bool:
        """Whether it answers; remembered where it does."""
        usable = super().is_usable()
        self._alive_at = time.monotonic() if usable else float("-inf")
        return usable
