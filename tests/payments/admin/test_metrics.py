"""What /metrics tells of payments: read from the database at each scrape, and left out where that does not answer."""

from pathlib import Path

import pytest
from django.db import connection

from core import clock
from payments.services.reviews import close_review
from tests.conftest import Api
from tests.factories import make_account
from tests.payments import orders

STUCK = "billing_provider_events_stuck"
OPEN = "billing_payment_reviews_open"


def measured(api: Api) -> dict[str, float]:
    """The two gauges, as a scrape has them."""
    text = api.get("/metrics").content.decode()
    found = (line.split() for line in text.splitlines() if line.startswith((STUCK, OPEN)))
    return {name: float(value) for name, value in found}


@pytest.mark.django_db
def test_stuck_events_and_open_reviews_are_measured_as_they_are_now(api: Api) -> None:
    assert measured(api) == {STUCK: 0, OPEN: 0}

    account = make_account()
    reviews = [orders.reviewed_order(account) for _ in range(2)]
    orders.stuck_event()
    orders.failed_event()
    orders.received()
    assert measured(api) == {STUCK: 2, OPEN: 2}

    close_review(review_id=reviews[0].pk, actor_id=None, reason="Tests.", now=clock.now())
    assert measured(api) == {STUCK: 2, OPEN: 1}


@pytest.fixture
def _many_processes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))


@pytest.mark.django_db
@pytest.mark.usefixtures("_many_processes")
def test_many_web_processes_say_each_number_once(api: Api) -> None:
    orders.failed_event()
    text = api.get("/metrics").content.decode()
    assert text.count(f"\n{STUCK} 1.0") == 1
    assert text.count(f"# TYPE {STUCK} gauge") == 1


@pytest.fixture
def _no_tables(db: None) -> None:
    """A database that answers with an error, until the test's transaction is rolled back."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE provider_event RENAME TO provider_event_away")


@pytest.mark.usefixtures("_no_tables")
def test_a_database_that_fails_leaves_its_numbers_out_and_the_rest_is_told(api: Api) -> None:
    text = api.get("/metrics").content.decode()
    assert (STUCK in text, OPEN in text) == (False, False)
    assert "billing_database_deadlocks_total" in text
