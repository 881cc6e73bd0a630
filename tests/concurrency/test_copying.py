"""What stops a copy in its middle is answered as what stops any other statement: come again, and nothing was booked."""

import json
import threading

import pytest
from django.db import connection, transaction

from accounts.services.api_keys import IssuedKey
from tests import factories
from tests.concurrency.test_counts import wait_until_somebody_waits
from tests.conftest import Api
from tests.factories import event, post_events
from tests.spending import price, report
from tests.threads import at_once
from usage.models import UsageEvent

WAITS = "datname = current_database() AND wait_event_type = 'Lock'"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("signal", ["pg_cancel_backend", "pg_terminate_backend"])
def test_a_batch_that_is_stopped_while_it_waits_for_a_key_is_asked_to_come_again(api: Api, gateway_key: IssuedKey, signal: str) -> None:
    price()
    account = factories.make_account()
    is_there, over = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            report(account, "same")
            is_there.set()
            over.wait(60)

    def stop() -> None:
        try:
            wait_until_somebody_waits()
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT {signal}(pid) FROM pg_stat_activity WHERE {WAITS}")  # noqa: S608 - no input
        finally:
            over.set()

    def send() -> tuple[int, str]:
        is_there.wait(60)
        answer = post_events(api, gateway_key, [event(account, name, input_tokens=1_000) for name in ("other", "same")])
        return answer.status_code, json.loads(answer.content)["code"]

    _, _, told = at_once(hold, stop, send)
    assert isinstance(told, tuple)
    assert told[0] == 503, told
    assert list(UsageEvent.objects.values_list("event_id", flat=True)) == ["same"]
