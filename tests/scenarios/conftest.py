"""One machine that sells, for all scenarios of a run: it takes longer to build than any of them."""

from collections.abc import Iterator

import pytest

from tests.scenarios.till import Till, running_till


@pytest.fixture(scope="session")
def till() -> Iterator[Till]:
    """Its web server runs. A provider that hangs is given up sooner than usual."""
    with running_till(PROVIDER_TIMEOUT_SECONDS="5") as till:
        till.machine.start_web()
        yield till


@pytest.fixture
def worker(till: Till) -> None:
    """A worker that lives."""
    till.ensure_worker()


@pytest.fixture
def no_worker(till: Till) -> None:
    """Nobody works."""
    if till.machine.worker is not None and till.machine.worker.is_alive():
        till.machine.kill_worker()
