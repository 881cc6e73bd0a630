"""kill -9 of worker, web or broker between any two steps of a purchase: it is credited once, and the books agree."""

import threading
from typing import Any, Final

import pytest

from tests.scenarios.machine import wait_until
from tests.scenarios.till import SLOW_SECONDS, Customer, Till

SESSIONS: Final = "/v1/checkout/sessions"
LOCKS: Final = {
    "provider_event": "SELECT 1 FROM provider_event WHERE type = 'checkout.session.completed' AND object_id = %(session)s FOR UPDATE",
    "payment_order": "SELECT 1 FROM payment_order WHERE id = (SELECT order_id FROM payment_attempt WHERE session_id = %(session)s)"
    " FOR UPDATE",
    "payment_attempt": "SELECT 1 FROM payment_attempt WHERE session_id = %(session)s FOR UPDATE",
    # A first purchase finds no row to wait for here: it waits to write one.
    "wallet": "LOCK TABLE wallet IN EXCLUSIVE MODE",
    "ledger_entry": "LOCK TABLE ledger_entry IN EXCLUSIVE MODE",
}
"""What a worker locks and writes, in its order, once it knows what the provider says. `%(session)s`: the checkout session."""


def test_a_payment_is_credited_by_a_worker_that_starts_after_its_webhook(till: Till, no_worker: None) -> None:
    who = till.customer()
    till.tell(till.paid_checkout(who))
    till.assert_nothing_credited(who)
    till.recover(who)
    till.assert_credited_once(who)


def test_a_payment_whose_job_was_lost_with_the_broker_is_credited_by_the_sweep(till: Till, worker: None) -> None:
    who = till.customer()
    events = till.paid_checkout(who)
    till.machine.kill_broker()
    till.tell(events)
    till.machine.restart_broker()
    assert till.orders_of(who) == ["pending"]
    till.recover(who)
    till.assert_credited_once(who)


def test_a_worker_killed_before_it_has_claimed_the_event_loses_and_doubles_nothing(till: Till, no_worker: None) -> None:
    who = till.customer()
    till.tell(till.paid_checkout(who))
    with till.machine.holding(LOCKS["provider_event"], session=till.sessions_of(who)[0]):
        till.machine.start_worker()
        wait_until(lambda: till.machine.waiting("UPDATE") == 1, "the worker is claiming")
        till.machine.kill_worker()
    till.assert_nothing_credited(who)
    till.recover(who)
    till.assert_credited_once(who)


def test_a_worker_killed_while_it_asks_the_provider_loses_and_doubles_nothing(till: Till, worker: None) -> None:
    who = till.customer()
    events = till.paid_checkout(who)
    till.fault(f"{SESSIONS}/*", before=SLOW_SECONDS)
    till.tell(events)
    till.await_fault()
    till.machine.kill_worker()
    till.assert_nothing_credited(who)
    till.recover(who)
    till.assert_credited_once(who)


@pytest.mark.parametrize("table", LOCKS)
def test_a_worker_killed_while_it_waits_for_a_row_loses_and_doubles_nothing(till: Till, worker: None, table: str) -> None:
    who = till.customer()
    events = till.paid_checkout(who)
    till.fault(f"{SESSIONS}/*", before=2)  # Until then the event is claimed, and the row is ours.
    till.tell(events)
    till.await_fault()
    with till.machine.holding(LOCKS[table], session=till.sessions_of(who)[0]):
        wait_until(lambda: till.machine.waiting_for(table) == 1, "the worker has its answer, and waits for the row")
        till.machine.kill_worker()
    till.assert_nothing_credited(who)
    till.recover(who)
    till.assert_credited_once(who)


def test_a_worker_killed_between_the_credit_and_the_end_of_its_job_credits_once(till: Till, worker: None) -> None:
    who = till.customer()
    events = till.paid_checkout(who)
    till.fault(f"{SESSIONS}/*", before=2)  # Until then the broker is frozen: it is never told that the job has ended.
    till.tell(events)
    till.await_fault()
    with till.machine.frozen_broker():
        wait_until(lambda: till.orders_of(who) == ["paid"], "the credit is committed")
        till.machine.kill_worker()
    till.machine.start_worker()
    for (event_pk,) in till.machine.ask("SELECT id FROM provider_event WHERE order_id IS NOT NULL ORDER BY id DESC LIMIT 1"):
        till.machine.enqueue("payments.tasks.process_event", event_pk=event_pk)
    till.recover(who)
    till.assert_credited_once(who)


def test_a_worker_killed_while_it_copies_for_operators_credits_once_and_copies_later(till: Till, worker: None) -> None:
    till.forget_copies()
    who = till.customer()
    till.tell(till.paid_checkout(who))
    wait_until(lambda: till.orders_of(who) == ["paid"], "the order is paid")
    till.fault(f"{SESSIONS}/*", before=SLOW_SECONDS)
    till.machine.enqueue("payments.tasks.mirror_events")
    till.await_fault()
    till.machine.kill_worker()
    assert copies_of(till, who) == []
    till.recover(who)
    till.machine.enqueue("payments.tasks.mirror_events")
    wait_until(lambda: copies_of(till, who) == till.sessions_of(who), "the copy is made")
    till.assert_credited_once(who)


def copies_of(till: Till, who: Customer) -> list[str]:
    return [session for (session,) in till.machine.ask("SELECT id FROM djstripe_session WHERE id = ANY(%s)", till.sessions_of(who))]


def test_a_reconciler_killed_while_it_asks_the_provider_loses_and_doubles_nothing(till: Till, worker: None) -> None:
    who = till.customer()
    till.paid_checkout(who)
    till.fault(f"{SESSIONS}/*", before=SLOW_SECONDS)
    till.an_hour_passes()
    till.machine.enqueue("payments.tasks.reconcile_attempts")
    till.await_fault()
    till.machine.kill_worker()
    till.assert_nothing_credited(who)
    till.machine.start_worker()
    till.an_hour_passes()
    till.machine.enqueue("payments.tasks.reconcile_attempts")
    wait_until(lambda: till.orders_of(who) == ["paid"], "the reconciler has asked again")
    till.recover(who)
    till.assert_credited_once(who)


def test_a_web_server_killed_between_storing_a_webhook_and_answering_it_loses_and_doubles_nothing(till: Till, no_worker: None) -> None:
    who = till.customer()
    (event,) = [each["id"] for each in till.paid_checkout(who) if each["type"] == "checkout.session.completed"]
    answers: list[Any] = []
    telling = threading.Thread(target=lambda: answers.extend(till.stripe.release([event])))
    with till.machine.frozen_broker():
        telling.start()
        wait_until(lambda: bool(till.machine.ask("SELECT 1 FROM provider_event WHERE event_id = %s", event)), "the event is stored")
        till.machine.kill_web()
        telling.join()
    assert [each.status for each in answers] == [None]
    till.machine.start_web()
    till.assert_nothing_credited(who)
    till.stripe.retry()
    assert till.stripe.drain()
    assert till.stripe.attempts()[-1].status == 200
    till.recover(who)
    till.assert_credited_once(who)
