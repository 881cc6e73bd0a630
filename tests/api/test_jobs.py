"""Handing work to the broker: after the commit, and a broker that is away stops nobody."""

import logging

import pytest
from django.db import transaction
from kombu.exceptions import OperationalError

from core import jobs

sent: list[dict[str, object]] = []


class Recording:
    """Stands where a task does, and keeps what it is sent."""

    @staticmethod
    def apply_async(kwargs: dict[str, object], retry: bool, expires: int | None) -> None:  # noqa: FBT001  Celery's own signature.
        assert not retry
        assert expires is None
        sent.append(kwargs)


class Unreachable:
    """A task whose broker is away."""

    @staticmethod
    def apply_async(kwargs: dict[str, object], retry: bool, expires: int | None) -> None:  # noqa: ARG004, FBT001  Celery's own signature.
        raise OperationalError("Connection refused")


@pytest.mark.django_db(transaction=True)
def test_a_job_is_sent_after_the_commit_and_not_after_a_rollback() -> None:
    from tests.api.test_jobs import sent as seen  # noqa: PLC0415  The module as `enqueue` imports it.

    with transaction.atomic():
        jobs.enqueue("tests.api.test_jobs.Recording", number=1)
        assert seen == []
    with transaction.atomic():
        jobs.enqueue("tests.api.test_jobs.Recording", number=2)
        transaction.set_rollback(True)

    assert seen == [{"number": 1}]


@pytest.mark.django_db(transaction=True)
def test_a_broker_that_is_away_is_logged_and_stops_nobody(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        jobs.enqueue("tests.api.test_jobs.Unreachable")

    assert "tests.api.test_jobs.Unreachable" in caplog.text
