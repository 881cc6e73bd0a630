"""Real threads, for what must hold when two act at once. The test needs `transactional_db`: each thread has its own connection."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connections

Result = TypeVar("Result")


def at_once(*acts: Callable[[], Result]) -> list[Result | Exception]:
    """Run every act in a thread of its own, started together; what each returned, or the exception it raised."""
    barrier = threading.Barrier(len(acts))

    def run(act: Callable[[], Result]) -> Result | Exception:
        try:
            barrier.wait(timeout=30)
            return act()
        except Exception as error:  # noqa: BLE001  Whatever happened is the test's to judge.
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=len(acts)) as pool:
        return list(pool.map(run, acts))


def failures(outcomes: list[Result | Exception]) -> list[Exception]:
    """The exceptions among the outcomes."""
    return [outcome for outcome in outcomes if isinstance(outcome, Exception)]


def successes(outcomes: list[Result | Exception]) -> list[Result]:
    """The results among the outcomes."""
    return [outcome for outcome in outcomes if not isinstance(outcome, Exception)]
