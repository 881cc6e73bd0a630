"""File locks that the system itself releases when their holder dies, however it dies."""

import fcntl
import os
import time
from pathlib import Path
from typing import Self

POLL_SECONDS = 0.05


class FileLock:
    """One `flock`. Not inherited by child processes (Python closes the descriptor on exec)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def take(self, *, shared: bool = False, seconds: float = 0) -> bool:
        """Take it, shared or alone, trying for that long; False if somebody else kept it."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + seconds
        while not _try(descriptor, shared=shared):
            if time.monotonic() >= deadline:
                os.close(descriptor)
                return False
            time.sleep(POLL_SECONDS)
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Let go; closing the descriptor is what unlocks."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def is_held(path: Path, *, against_shared: bool = False) -> bool:
    """Whether another process holds the lock (`against_shared`: so that not even a shared one could be had)."""
    probe = FileLock(path)
    taken = probe.take(shared=against_shared)
    probe.release()
    return not taken


def _try(descriptor: int, *, shared: bool) -> bool:
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
