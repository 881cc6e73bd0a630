"""An act that is one transaction, asked for more than once: done once, answered alike, and nothing stays behind when it fails."""

import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from django.db import OperationalError, connection

from core.audit import record_act
from core.errors import Conflict, IdempotencyKeyReused
from core.idempotency import Asked, RequestInProgress, once
from core.models import AuditRecord, IdempotentRequest
from tests.threads import at_once, failures, successes

NOW: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY: Final = timedelta(hours=24)
ASKED: Final = Asked("account 1 POST /x", "key-1", "a" * 64)
OTHER_BODY: Final = Asked(ASKED.scope, ASKED.key, "b" * 64)


def act() -> Mapping[str, object]:
    """Leaves a row behind, so that acts can be counted; its answer says which one it was."""
    row = record_act(actor_id=None, act="tests", object_type="test", object_id="1", reason="Tests.", now=NOW)
    return {"row": row.pk, "lines": [1, None, "two"]}


def do(asked: Asked | None = ASKED, now: datetime = NOW) -> tuple[dict[str, Any], bool]:
    return once(asked, now=now, act=act)


def acts_done() -> int:
    return AuditRecord.objects.filter(act="tests").count()


@pytest.mark.django_db
def test_a_request_sent_twice_is_done_once_and_has_the_first_answer() -> None:
    first, second = do(), do()
    assert (first[1], second[1]) == (False, True)
    assert first[0] == second[0]
    assert acts_done() == 1


@pytest.mark.django_db
def test_a_request_without_a_name_is_done_each_time() -> None:
    assert not do(None)[1]
    assert not do(None)[1]
    assert acts_done() == 2
    assert not IdempotentRequest.objects.exists()


@pytest.mark.django_db
def test_another_body_under_the_same_key_is_refused_and_does_nothing() -> None:
    first, _ = do()
    with pytest.raises(IdempotencyKeyReused):
        do(OTHER_BODY)
    assert acts_done() == 1
    assert do() == (first, True)


@pytest.mark.django_db
def test_after_a_day_the_same_key_is_a_new_request() -> None:
    do()
    assert do(now=NOW + DAY - timedelta(seconds=1))[1]
    assert not do(OTHER_BODY, now=NOW + DAY)[1]
    assert acts_done() == 2


@pytest.mark.django_db
def test_a_refusal_is_not_kept_so_that_the_same_request_may_succeed_later() -> None:
    def refuse() -> Mapping[str, object]:
        act()
        raise Conflict("Not now.")

    with pytest.raises(Conflict):
        once(ASKED, now=NOW, act=refuse)
    assert acts_done() == 0
    assert not IdempotentRequest.objects.exists()
    assert not do(OTHER_BODY)[1]


@pytest.mark.django_db(transaction=True)
def test_of_twenty_at_once_one_acts_and_nobody_else_answers_otherwise() -> None:
    outcomes = at_once(*[do] * 20)
    assert acts_done() == 1
    assert {type(error) for error in failures(outcomes)} <= {RequestInProgress}
    answers = [answer for answer, _ in successes(outcomes)]
    assert answers
    assert all(answer == answers[0] for answer in answers)
    assert [replayed for _, replayed in successes(outcomes)].count(False) == 1


@pytest.mark.django_db(transaction=True)
def test_while_the_act_runs_the_same_request_is_refused_and_may_come_again() -> None:
    is_inside, may_end = threading.Event(), threading.Event()

    def slow() -> Mapping[str, object]:
        is_inside.set()
        assert may_end.wait(timeout=30)
        return act()

    def impatient() -> tuple[dict[str, Any], bool]:
        assert is_inside.wait(timeout=30)
        try:
            return do()
        finally:
            may_end.set()

    outcomes = at_once(lambda: once(ASKED, now=NOW, act=slow), impatient)
    (refused,) = failures(outcomes)
    assert isinstance(refused, RequestInProgress)
    assert refused.facts == {"retry_after": 1}
    assert do()[1]
    assert acts_done() == 1


@pytest.mark.django_db(transaction=True)
def test_a_process_that_dies_half_way_leaves_nothing_in_progress() -> None:
    def die() -> Mapping[str, object]:
        act()
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return {"never": "said"}

    (outcome,) = at_once(lambda: once(ASKED, now=NOW, act=die))
    assert isinstance(outcome, OperationalError)
    assert acts_done() == 0
    assert not IdempotentRequest.objects.exists()
    assert not do(OTHER_BODY)[1]
    assert acts_done() == 1
