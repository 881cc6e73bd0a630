"""The same request twice is one act; nothing stays "in progress" after a crash."""

from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from django.db import transaction

from core import idempotency
from core.errors import IdempotencyKeyReused
from core.idempotency import Asked, Begun, RequestInProgress
from core.models import IdempotentRequest
from tests.threads import at_once, failures, successes

NOW: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
LEASE: Final = timedelta(seconds=60)
ASKED: Final = Asked("account 1 POST /x", "key-1", "a" * 64)


def begin(asked: Asked = ASKED, now: datetime = NOW) -> Begun:
    with transaction.atomic():
        return idempotency.begin(asked, now=now, lease_for=LEASE)


@pytest.mark.django_db
def test_a_repeat_has_the_first_answer() -> None:
    begun = begin()
    idempotency.finish(begun, {"order": 7})
    assert begin().answer == {"order": 7}


@pytest.mark.django_db
def test_the_same_key_with_other_content_is_refused() -> None:
    idempotency.finish(begin(), {"order": 7})
    with pytest.raises(IdempotencyKeyReused):
        begin(Asked(ASKED.scope, ASKED.key, "b" * 64))


@pytest.mark.django_db
def test_keys_of_different_scopes_know_nothing_of_each_other() -> None:
    idempotency.finish(begin(), {"order": 7})
    assert begin(Asked("account 2 POST /x", ASKED.key, ASKED.fingerprint)).answer is None


@pytest.mark.django_db
def test_while_the_lease_lives_the_same_key_is_refused_and_says_how_long() -> None:
    begin()
    with pytest.raises(RequestInProgress) as refused:
        begin(now=NOW + timedelta(seconds=20))
    assert refused.value.facts == {"retry_after": 40}


@pytest.mark.django_db
def test_a_dead_lease_is_taken_and_resumes_what_was_begun() -> None:
    dead = begin()
    idempotency.name_subject(dead, "ord_1")
    resumed = begin(now=NOW + LEASE)
    assert (resumed.subject, resumed.answer) == ("ord_1", None)
    # Whoever lost the lease writes nothing any more.
    idempotency.finish(dead, {"order": "the dead one's"})
    idempotency.finish(resumed, {"order": 8})
    assert begin(now=NOW + LEASE).answer == {"order": 8}


@pytest.mark.django_db
def test_a_released_request_is_resumed_at_once_and_a_forgotten_one_begins_anew() -> None:
    begun = begin()
    idempotency.name_subject(begun, "ord_1")
    idempotency.release(begun)
    resumed = begin()
    assert resumed.subject == "ord_1"
    idempotency.forget(resumed)
    assert not begin(Asked(ASKED.scope, ASKED.key, "b" * 64)).subject


@pytest.mark.django_db
def test_what_is_rolled_back_was_never_asked() -> None:
    with transaction.atomic():
        idempotency.begin(ASKED, now=NOW, lease_for=LEASE)
        transaction.set_rollback(True)
    assert begin().answer is None


@pytest.mark.django_db
def test_an_answer_is_kept_for_a_day() -> None:
    idempotency.finish(begin(), {"order": 7})
    assert begin(now=NOW + timedelta(hours=23, minutes=59)).answer == {"order": 7}
    assert begin(now=NOW + timedelta(hours=24)).answer is None
    assert idempotency.forget_old(now=NOW + timedelta(hours=49)) == 1
    assert not IdempotentRequest.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_twenty_at_once_one_begins() -> None:
    outcomes = at_once(*[begin] * 20)
    assert len(successes(outcomes)) == 1
    assert {type(error) for error in failures(outcomes)} == {RequestInProgress}


@pytest.mark.django_db(transaction=True)
def test_of_twenty_who_find_a_dead_lease_one_takes_it() -> None:
    begin()
    outcomes = at_once(*[lambda: begin(now=NOW + LEASE)] * 20)
    assert len(successes(outcomes)) == 1
    assert {type(error) for error in failures(outcomes)} == {RequestInProgress}


def test_the_fingerprint_does_not_care_for_the_order_of_fields() -> None:
    assert idempotency.fingerprint_of({"a": 1, "b": [2]}) == idempotency.fingerprint_of({"b": [2], "a": 1})
    assert idempotency.fingerprint_of({"a": 1}) != idempotency.fingerprint_of({"a": "1"})
