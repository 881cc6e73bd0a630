"""Waiting for what another thread does, without waiting for ever."""

import time
from collections.abc import Callable

PATIENCE_SECONDS = 60


def until(condition: Callable[[], object], meanwhile: Callable[[], object] = lambda: None) -> None:
    """Return once the condition holds; `meanwhile` is done between looks. Fails if it never does."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, "it never came to that"
        meanwhile()
        time.sleep(0.01)
