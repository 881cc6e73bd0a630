"""The sandbox's own time: the machine's, moved by an offset that a person or a test sets."""

import time


class Clock:
    """Whole seconds since 1970. Objects are created, expire and grow old by it; signatures and retries keep the machine's time."""

    def __init__(self, offset: int = 0) -> None:
        self.offset = offset

    def now(self) -> int:
        """The present second."""
        return int(time.time()) + self.offset

    def advance(self, seconds: int) -> int:
        """Move by so many seconds, back if negative; the new present."""
        self.offset += seconds
        return self.now()

    def set(self, instant: int) -> int:
        """Make it this second now; the new present."""
        self.offset = instant - int(time.time())
        return self.now()
