"""Alive, ready, measured; browsers from listed origins only; the checks of what no constraint can hold."""

import pytest
from django.core.checks import run_checks
from django.db import connection
from pytest_django import DjangoAssertNumQueries, Settings

from billing_platform.checks import credit_is_a_power_of_ten, credit_keeps_its_worth
from billing_platform.health import ReadyView
from core.models import AuditRecord
from tests import factories
from tests.actors import Person
from tests.conftest import Api


@pytest.fixture(autouse=True)
def _nothing_remembered() -> None:
    ReadyView.remembered = (0.0, {})


def test_alive_asks_nothing(api: Api) -> None:
    answer = api.get("/healthz")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.django_db
def test_ready_when_database_broker_and_migrations_are(api: Api, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    answer = api.get("/readyz")

    assert answer.status_code == 200
    assert answer.json() == {"status": "ready", "database": "ok", "broker": "ok", "migrations": "ok"}
    with django_assert_num_queries(0):
        assert api.get("/readyz").status_code == 200


@pytest.mark.django_db
def test_not_ready_without_the_broker(api: Api, settings: Settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    answer = api.get("/readyz")

    assert (answer.status_code, answer.json()["broker"], answer.json()["database"]) == (503, "does not answer", "ok")


@pytest.mark.django_db
def test_not_ready_with_a_migration_to_apply(api: Api) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE id = (SELECT max(id) FROM django_migrations WHERE app = 'core')")

    answer = api.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["migrations"].endswith("to apply")


@pytest.mark.django_db
def test_metrics_count_requests_by_route_and_status(api: Api) -> None:
    api.get("/healthz")
    api.get(f"/nowhere/{'x' * 40}")

    text = api.get("/metrics").content.decode()

    assert 'billing_http_requests_total{method="GET",route="healthz",status="200"}' in text
    assert 'route="unmatched",status="404"' in text
    assert "x" * 40 not in text
    assert "billing_database_deadlocks_total" in text


def test_a_listed_origin_may_call_and_another_may_not(api: Api, settings: Settings) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example.com"]

    listed = api.send("OPTIONS", "/auth/token", origin="https://app.example.com", access_control_request_method="POST")
    other = api.send("OPTIONS", "/auth/token", origin="https://evil.example.com", access_control_request_method="POST")

    assert listed["Access-Control-Allow-Origin"] == "https://app.example.com"
    assert "x-account" in listed["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Origin" not in other


@pytest.mark.parametrize(
    ("nanos", "good"), [(1, True), (10, True), (1_000_000, True), (0, False), (-10, False), (5, False), (1_500, False)]
)
def test_a_credit_is_a_power_of_ten_of_nanos(settings: Settings, nanos: int, good: bool) -> None:  # noqa: FBT001
    settings.CREDIT_NANOS = nanos

    assert [error.id for error in credit_is_a_power_of_ten()] == ([] if good else ["billing.E001"])


@pytest.mark.django_db
def test_the_worth_of_a_credit_may_change_while_there_are_no_entries(settings: Settings) -> None:
    assert credit_keeps_its_worth(databases=["default"]) == []
    settings.CREDIT_NANOS = 1_000

    assert credit_keeps_its_worth(databases=["default"]) == []
    assert [row.after for row in AuditRecord.objects.order_by("id")] == [{"nanos": 1_000_000}, {"nanos": 1_000}]


@pytest.mark.django_db
def test_the_worth_of_a_credit_is_fixed_once_there_are_entries(settings: Settings, alice: Person) -> None:
    factories.give(alice.account, 1_000_000)
    assert credit_keeps_its_worth(databases=["default"]) == []
    settings.CREDIT_NANOS = 1_000

    assert [error.id for error in credit_keeps_its_worth(databases=["default"])] == ["billing.E002"]
    assert credit_keeps_its_worth(databases=[]) == []
    assert [row.after for row in AuditRecord.objects.filter(act="fix_credit_nanos")] == [{"nanos": 1_000_000}]


@pytest.mark.django_db
def test_the_checks_pass_as_we_ship_them(settings: Settings) -> None:
    del settings.STRIPE_API_HOST  # Only tests and `make run` have a stand-in.
    assert run_checks(databases=["default"]) == []
