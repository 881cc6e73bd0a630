"""A state folder of the test's own, where the servers' user can enter, wherever pytest keeps its own files."""

import os
import time
from collections.abc import Callable, Iterator

import pytest

from launcher import state
from launcher.keeper import Place
from launcher.locks import is_held
from launcher.state import OUTSIDE, State

PATIENCE_SECONDS = 30
WaitUntil = Callable[[Callable[[], bool]], bool]


@pytest.fixture
def wait_until() -> WaitUntil:
    """Wait for something that comes; False if it did not, after a long time."""

    def wait(is_so: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_so() and time.monotonic() < deadline:
            time.sleep(0.02)
        return is_so()

    return wait


@pytest.fixture
def own_state(monkeypatch: pytest.MonkeyPatch, wait_until: WaitUntil) -> Iterator[State]:
    folder = OUTSIDE / f"billing-platform-test-{os.getpid()}-{time.monotonic_ns()}"
    monkeypatch.setenv("BILLING_STATE_DIR", str(folder))
    opened = state.open_state()
    yield opened
    assert wait_until(lambda: not is_held(Place(opened, "valkey").keeper()))
    assert wait_until(lambda: not is_held(Place(opened, "postgres").keeper()))
    state.remove_state(opened)
